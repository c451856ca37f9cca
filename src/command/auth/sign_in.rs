//! `picoclaw auth login`, `logout` and `status`.

use std::io::Write;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use serde_json::json;

use super::secret::secret;
use crate::args;
use crate::config::providers::{self, Dialect, PROVIDERS, ProviderRow};
use crate::config::{LoadOptions, Secret};
use crate::error::{Context, Error, Result};
use crate::net::http::HttpClient;
use crate::proto::date;
use crate::provider::sign_in::{self, BY_CODE};
use crate::store::credentials::{self, Credential};
use crate::sys::clock;

/// The name in `auth.json` of a provider that this build supports.
fn supported(name: &str) -> Result<&'static str> {
    let row = providers::lookup(name);
    if let Some(row) = row.filter(|row| row.dialect != Dialect::NotBuilt) {
        return Ok(stored_name(row));
    }
    let usable = PROVIDERS.iter().filter(|row| row.dialect != Dialect::NotBuilt);
    let mut names: Vec<&str> = usable.map(stored_name).collect();
    names.sort_unstable();
    names.dedup();
    let fault = match row {
        Some(row) => format!("{} is not supported by this build", row.id),
        None => format!("no provider is called `{name}`"),
    };
    Err(Error::new(format!("{fault}; there are {}", names.join(", "))))
}

fn stored_name(row: &ProviderRow) -> &'static str {
    row.id.trim_end_matches("-messages")
}

/// Signs in by a code or with a token.
pub fn login(options: &LoadOptions, args: &args::AuthLogin) -> Result<()> {
    let provider = supported(&args.provider)?;
    let home = options.home()?;
    // A file that cannot be used is told before anybody types anything.
    credentials::all(&home)?;
    let by_code = BY_CODE.contains(&provider);
    if args.device_code && !by_code {
        return Err(Error::new(format!(
            "{provider} gives no codes: leave --device-code out and paste a token"
        )));
    }
    let new = if by_code && !args.token && !args.setup_token {
        let http = HttpClient::new()?;
        let tell = |url: &str, code: &str| {
            println!(
                "Open {url} in a browser, on any device, and type in this code:\n\n    {code}\n\nWaiting for that."
            );
            let _ = std::io::stdout().flush();
        };
        async_io::block_on(sign_in::by_code(&http, &tell))?
    } else {
        let token = secret(&format!("Token of {provider}: "))?;
        if args.setup_token {
            sign_in::setup_token(&token).map_err(Error::new)?;
        }
        if !token.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(Error::new("this is no token: it has blanks or other signs in it"));
        }
        Credential {
            access: Secret::new(token),
            method: "token".to_owned(),
            ..Credential::default()
        }
    };
    folder(&home)?;
    credentials::put(&home, provider, Some(&new))?;
    println!(
        "✓ Signed in with {provider}. Entries of model_list without a key use it: at once where they say \"auth_method\": \"{}\", else after a restart.",
        new.method
    );
    Ok(())
}

fn folder(home: &Path) -> Result<()> {
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(home);
    made.with_context(|| format!("cannot make {}", home.display()))
}

/// Forgets a sign-in, or all.
pub fn logout(home: &Path, provider: Option<&str>) -> Result<()> {
    // An older sign-in can be with one that this build does not support.
    let known =
        |name| providers::lookup(name).map_or_else(|| supported(name), |p| Ok(stored_name(p)));
    let provider = provider.map(known).transpose()?;
    let all = credentials::all(home)?;
    let mut gone = 0;
    for (name, _) in all.iter().filter(|(name, _)| provider.is_none_or(|p| p == name)) {
        gone += usize::from(credentials::put(home, name, None)?);
        println!("✓ Signed out of {name}; the provider may keep its side: end it there, too.");
    }
    match (gone, provider) {
        (0, Some(p)) => Err(Error::new(format!("nobody is signed in with {p}"))),
        (0, None) => {
            println!("Nobody is signed in.");
            Ok(())
        }
        _ => Ok(()),
    }
}

/// Lists the sign-ins.
pub fn status(home: &Path, as_json: bool) -> Result<()> {
    let (mut object, mut lines, now) = (serde_json::Map::new(), String::new(), clock::unix_now());
    for (name, c) in credentials::all(home)? {
        let state = match () {
            () if !c.ends(now) => "active",
            () if now >= c.expires && c.refresh.is_empty() => "expired",
            () => "needs refresh",
        };
        let mut value = json!({ "method": c.method, "state": state });
        lines.push_str(&format!("{name}: {}, {state}", c.method));
        let ends = if c.expires == 0 { String::new() } else { date::rfc3339(c.expires) };
        for (key, text) in [("account", &c.account), ("expires_at", &ends)] {
            if !text.is_empty() {
                lines.push_str(&format!(", {key} {text}"));
                value[key] = text.as_str().into();
            }
        }
        lines.push('\n');
        object.insert(name, value);
    }
    if as_json {
        lines = format!("{}\n", serde_json::Value::Object(object));
    } else if lines.is_empty() {
        lines.push_str("Nobody is signed in: picoclaw auth login --provider NAME\n");
    }
    print!("{lines}");
    Ok(())
}
