//! A folder with `/etc/picoclaw`, a home and an environment for configuration tests.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

#[cfg(feature = "telegram")]
use picoclaw::config::channels::telegram;
#[cfg(feature = "telegram")]
use picoclaw::config::{ChannelConfig, Config, Settings};
use picoclaw::config::{ConfigErrors, LoadOptions, Loaded, load};

/// Removed when dropped.
pub struct Folder {
    pub root: PathBuf,
    pub options: LoadOptions,
}

impl Folder {
    /// An empty `etc` and `home`.
    pub fn new() -> Folder {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let root =
            std::env::temp_dir().join(format!("picoclaw-config-{}-{number}", std::process::id()));
        fs::create_dir_all(root.join("etc")).unwrap();
        fs::create_dir_all(root.join("home")).unwrap();
        let root = fs::canonicalize(root).unwrap();
        let mut options = LoadOptions { etc: root.join("etc"), ..LoadOptions::default() };
        options.env.insert("HOME".to_owned(), root.join("user").display().to_string());
        options.env.insert("PICOCLAW_HOME".to_owned(), root.join("home").display().to_string());
        Folder { root, options }
    }

    /// A home with this config.json.
    pub fn with(config: &str) -> Folder {
        Folder::new().file("home/config.json", config)
    }

    /// Adds a file.
    pub fn file(self, path: &str, text: impl AsRef<[u8]>) -> Folder {
        let path = self.root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        self
    }

    /// Sets a variable.
    pub fn env(mut self, name: &str, value: &str) -> Folder {
        self.options.env.insert(name.to_owned(), value.to_owned());
        self
    }

    pub fn load(&self) -> Result<Loaded, ConfigErrors> {
        load(&self.options)
    }

    /// Loads what must be good.
    #[track_caller]
    pub fn good(&self) -> Loaded {
        self.load().unwrap_or_else(|e| panic!("{e}"))
    }

    /// The errors, one a line, the folder's own path cut off.
    #[track_caller]
    pub fn errors(&self) -> String {
        match self.load() {
            Ok(_) => panic!("accepted"),
            Err(e) => self.short(&e.to_string()),
        }
    }

    /// The warnings in the same form.
    #[track_caller]
    pub fn warnings(&self) -> String {
        let lines: Vec<String> =
            self.good().warnings.iter().map(|w| self.short(&w.to_string())).collect();
        lines.join("\n")
    }

    /// A text without the folder's own path.
    pub fn short(&self, text: &str) -> String {
        text.replace(&format!("{}/", self.root.display()), "")
    }

    pub fn read(&self, path: &str) -> String {
        fs::read_to_string(self.root.join(path)).unwrap()
    }

    pub fn mode(&self, path: &str) -> u32 {
        fs::metadata(self.root.join(path)).unwrap().permissions().mode() & 0o777
    }

    pub fn home(&self) -> PathBuf {
        self.root.join("home")
    }

    pub fn path(&self, path: &str) -> PathBuf {
        Path::new(&self.root).join(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.root);
    }
}

/// The Telegram bots of a configuration.
#[cfg(feature = "telegram")]
#[allow(irrefutable_let_patterns)]
pub fn bots(config: &Config) -> Vec<(&ChannelConfig, &telegram::Settings)> {
    let mut bots = Vec::new();
    for channel in &config.channels {
        if let Settings::Telegram(settings) = &channel.settings {
            bots.push((channel, settings));
        }
    }
    bots
}
