//! A `PICOCLAW_HOME` and the environment that goes with it.

use std::fs;
use std::ops::Range;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use picoclaw_peer::Peer;
use serde_json::{Value, json};

use crate::Result;

/// Where the binary is and where may be written.
pub struct Place {
    pub daemon: PathBuf,
    pub work: PathBuf,
}

/// A home.
pub struct Home {
    pub dir: PathBuf,
    daemon: PathBuf,
    work: PathBuf,
    environment: Vec<(String, String)>,
    /// The process's own environment reaches the daemon too: real services may need a proxy.
    inherits: bool,
}

impl Home {
    /// A home whose bot and model are the peer; these users may talk to it without pairing.
    pub fn for_peer(place: &Place, peer: &Peer, users: Range<i64>) -> Result<Home> {
        let mut home = Home::at(place, place.work.join("home"), false)?;
        let base = peer.base_url();
        let allowed: Vec<String> = users.map(|id| id.to_string()).collect();
        home.write_config(&json!({
            "version": 3,
            "agents": { "defaults": { "model_name": "stand-in" } },
            "model_list": [{
                "model_name": "stand-in", "model": "openai/stand-in", "api_base": format!("{base}/v1"),
                "api_key": "no-real-key",
            }],
            "channel_list": { "telegram": {
                "enabled": true, "allow_from": allowed, "settings": { "token": "1:test", "base_url": base },
            } },
            "gateway": { "port": 0 },
            // web_fetch refuses private addresses, and the peer's pages are on one.
            "tools": { "web": { "private_host_whitelist": ["127.0.0.1"] } },
        }))?;
        if let Some(ca) = peer.ca_path() {
            home.environment.push(("SSL_CERT_FILE".into(), ca.display().to_string()));
        }
        home.environment
            .push(("PATH".into(), "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin".into()));
        Ok(home)
    }

    /// A home in `dir` for real services; a configuration that is there is used as it is.
    pub fn for_services(
        place: &Place,
        dir: PathBuf,
        services: &crate::live::Services,
    ) -> Result<Home> {
        let mut home = Home::at(place, dir, true)?;
        if !home.dir.join("config.json").exists() {
            println!("writing a minimal {}", home.dir.join("config.json").display());
            home.write_config(&services.config())?;
        }
        home.environment.extend(services.variables());
        Ok(home)
    }

    fn at(place: &Place, dir: PathBuf, inherits: bool) -> Result<Home> {
        fs::create_dir_all(&dir).map_err(|e| format!("{}: {e}", dir.display()))?;
        let mut environment = vec![("PICOCLAW_HOME".to_string(), dir.display().to_string())];
        if !inherits {
            environment.push(("HOME".to_string(), dir.display().to_string()));
        }
        Ok(Home {
            dir,
            daemon: place.daemon.clone(),
            work: place.work.clone(),
            environment,
            inherits,
        })
    }

    fn write_config(&self, config: &Value) -> Result<()> {
        let path = self.dir.join("config.json");
        let text = serde_json::to_string_pretty(config).map_err(|e| e.to_string())?;
        let file =
            fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&path);
        file.and_then(|mut f| std::io::Write::write_all(&mut f, text.as_bytes()))
            .map_err(|e| format!("{}: {e}", path.display()))
    }

    /// Gives the daemon a variable.
    pub fn set(&mut self, key: &str, value: &str) {
        self.environment.push((key.into(), value.into()));
    }

    /// The daemon's binary with these arguments, ready to start.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.daemon);
        if !self.inherits {
            command.env_clear();
        }
        command.args(arguments).stdin(Stdio::null());
        command.envs(self.environment.iter().map(|(k, v)| (k, v)));
        command
    }

    /// What a command prints, where it ends well.
    pub fn output(&self, arguments: &[&str]) -> Result<String> {
        let output = self
            .command(arguments)
            .output()
            .map_err(|e| format!("{}: {e}", self.daemon.display()))?;
        if !output.status.success() {
            return Err(format!(
                "picoclaw {}: {}: {}",
                arguments.join(" "),
                output.status,
                String::from_utf8_lossy(&output.stderr).trim()
            ));
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// `picoclaw status --json`.
    pub fn status(&self) -> Result<Value> {
        let text = self.output(&["status", "--json"])?;
        serde_json::from_str(&text).map_err(|e| format!("status --json: {e}: {text}"))
    }

    /// The code that pairs a stranger now.
    pub fn pairing_code(&self) -> Result<Option<String>> {
        let status = self.status()?;
        let codes = status["pairing_code"].as_object();
        // The code is followed by its expiry time.
        let code = codes.and_then(|c| c.values().next()?.as_str()?.split_whitespace().next());
        Ok(code.map(str::to_string))
    }

    /// Where the log of the daemon goes.
    pub fn log(&self) -> PathBuf {
        self.work.join("daemon.log")
    }

    /// The file with the daemon's process id, for cleaning up.
    pub fn pid_file(&self) -> PathBuf {
        self.work.join("daemon.pid")
    }

    /// The binary.
    pub fn binary(&self) -> &Path {
        &self.daemon
    }
}
