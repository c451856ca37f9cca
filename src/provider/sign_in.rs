//! Signing in with a device code, and the tokens that entries of `model_list` without a key use.
//!
//! Tokens are never printed, and the use of an expired one is reported.

use std::cell::RefCell;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use async_io::Timer;

use super::{Class, Failure};
use crate::config::Secret;
use crate::environment;
use crate::error::{Error, Result};
use crate::limits;
use crate::log;
use crate::net::http::{HttpClient, Request};
use crate::proto::oauth::{self, PollResult, Tokens};
use crate::proto::url;
use crate::store::credentials::{self, Credential};
use crate::store::dir::Dir;
use crate::sys::{clock, files};

/// The address to sign in with OpenAI, unless the variable says otherwise.
const ISSUER: &str = "https://auth.openai.com";
/// A variable that names another server with the same protocol, for tests and custom gateways.
const ISSUER_VARIABLE: &str = environment::AUTH_ISSUER;
/// The public client id that upstream also uses; it is not secret.
const CLIENT: &str = "app_EMoamEEZ73f0CkXaXp7hrann";

/// Providers that use a device code; the others take a token.
pub const BY_CODE: &[&str] = &["openai"];

fn issuer(path: &str) -> String {
    let base = std::env::var(ISSUER_VARIABLE).unwrap_or_default();
    let base = base.trim().trim_end_matches('/');
    format!("{}{path}", if base.is_empty() { ISSUER } else { base })
}

/// Status and text of the server's answer.
async fn ask(http: &HttpClient, path: &str, body: &str, kind: &str) -> Result<(u16, String)> {
    let url = issuer(path);
    let headers = [("content-type", kind), ("accept", "application/json")];
    let mut request = Request::post_json(&url, body.as_bytes());
    request.headers = &headers;
    let told = |e: &dyn std::fmt::Display| Error::new(e.to_string());
    let response = http.send(request).await.map_err(|e| told(&e))?;
    let status = response.status;
    let body = response.bytes(limits::AUTH_BODY_BYTES).await.map_err(|e| told(&e))?;
    Ok((status, String::from_utf8_lossy(&body).into_owned()))
}

async fn tokens(http: &HttpClient, form: &[(&str, &str)]) -> Result<Result<Tokens, u16>> {
    let form = url::query(form);
    let (status, body) =
        ask(http, "/oauth/token", &form, "application/x-www-form-urlencoded").await?;
    // The body of a refusal may repeat what was sent; the status is enough.
    Ok(if status == 200 { oauth::tokens(&body).ok_or(status) } else { Err(status) })
}

fn credential(tokens: Tokens, old: Option<&Credential>) -> Credential {
    let keep = |new: String, old: Option<&str>| match new.is_empty() {
        true => old.unwrap_or_default().to_owned(),
        false => new,
    };
    Credential {
        access: Secret::new(tokens.access),
        refresh: Secret::new(keep(tokens.refresh, old.map(|o| o.refresh.expose()))),
        account: keep(tokens.account, old.map(|o| &*o.account)),
        expires: match tokens.expires_in {
            0 => 0,
            seconds => clock::unix_now() + seconds,
        },
        method: "oauth".to_owned(),
    }
}

/// Performs the whole sign-in; `tell` gets the address to open and the code to enter there.
///
/// # Errors
/// Refused, expired, or the server's error.
pub async fn by_code(http: &HttpClient, tell: &dyn Fn(&str, &str)) -> Result<Credential> {
    let json = "application/json";
    let body = serde_json::json!({ "client_id": CLIENT }).to_string();
    let (status, answer) = ask(http, "/api/accounts/deviceauth/usercode", &body, json).await?;
    let device = (status == 200).then(|| oauth::device(&answer)).flatten();
    let Some(device) = device else {
        return Err(Error::new(format!(
            "the server gave no code to sign in with (status {status})"
        )));
    };
    tell(&issuer("/codex/device"), &device.code);
    let body = serde_json::json!({ "device_auth_id": device.id, "user_code": device.code });
    let (body, end) = (body.to_string(), Instant::now() + limits::AUTH_WAIT);
    let mut interval = device.interval;
    let (code, verifier) = loop {
        Timer::after(Duration::from_secs(interval)).await;
        if Instant::now() >= end {
            return Err(Error::new("nobody typed the code in in time; begin again"));
        }
        let polled = match ask(http, "/api/accounts/deviceauth/token", &body, json).await {
            Ok((status, answer)) => oauth::polled(status, &answer),
            // A network interruption is no reason to start over.
            Err(e) => {
                log::warn!("{e}");
                PollResult::Pending
            }
        };
        match polled {
            PollResult::Pending => {}
            // RFC 8628, 3.5.
            PollResult::SlowDown => interval = (interval + 5).min(limits::AUTH_INTERVAL.1),
            PollResult::Denied => return Err(Error::new("signing in was refused there")),
            PollResult::Expired => return Err(Error::new("the code has expired; begin again")),
            PollResult::Done(code, verifier) => break (code, verifier),
        }
    };
    let back = issuer("/deviceauth/callback");
    let form = [
        ("grant_type", "authorization_code"),
        ("code", &code),
        ("redirect_uri", &back),
        ("client_id", CLIENT),
        ("code_verifier", &verifier),
    ];
    match tokens(http, &form).await? {
        Ok(tokens) => Ok(credential(tokens, None)),
        Err(status) => Err(Error::new(format!("the server gave no tokens (status {status})"))),
    }
}

/// The source of an entry's token.
pub struct SignedIn {
    /// Home, whose `auth.json` holds the tokens.
    pub home: PathBuf,
    /// The provider's name there.
    pub provider: String,
    /// A renewed credential that could not be saved: the refresh token on the card, which the server no longer accepts, and
    /// the new credential.
    unsaved: RefCell<Option<(Secret, Credential)>>,
}

impl SignedIn {
    /// Of this provider, with `auth.json` in `home`.
    pub fn new(home: PathBuf, provider: String) -> SignedIn {
        SignedIn { home, provider, unsaved: RefCell::default() }
    }

    /// A valid credential: the stored one, or renewed and stored. From now on it is redacted from log lines and tool results.
    pub async fn credential(&self, http: &HttpClient) -> Result<Credential, Failure> {
        let held = self.held(http).await?;
        for token in [&held.access, &held.refresh] {
            log::add_secret(token.expose());
        }
        Ok(held)
    }

    async fn held(&self, http: &HttpClient) -> Result<Credential, Failure> {
        let found = self.kept().await?;
        if !found.ends(clock::unix_now()) {
            return Ok(found);
        }
        match self.renew(http, &found).await {
            Ok(new) => Ok(new),
            Err(failure) if clock::unix_now() < found.expires => {
                log::warn!("{failure}");
                Ok(found)
            }
            Err(failure) => Err(failure),
        }
    }

    async fn kept(&self) -> Result<Credential, Failure> {
        let (home, provider) = (self.home.clone(), self.provider.clone());
        let found = crate::sys::spawn_blocking(move || credentials::get(&home, &provider)).await;
        let found = found.map_err(|e| Failure::new(Class::Auth, e.to_string()))?;
        let unsaved = self.unsaved.take();
        if let (Some((old, new)), Some(found)) = (unsaved, &found) {
            // Unless the user has signed in again meanwhile.
            if old == found.refresh {
                self.save(old, &new).await;
                return Ok(new);
            }
        }
        found
            .filter(|c| !c.access.is_empty())
            .ok_or_else(|| self.sign_in_again("nobody is signed in"))
    }

    fn sign_in_again(&self, why: &str) -> Failure {
        let p = &self.provider;
        Failure::new(Class::Auth, format!("{why} with {p}: picoclaw auth login --provider {p}"))
    }

    /// A server accepts a refresh token only once, so renewing requires a lock, and a process that waited for it checks again.
    async fn renew(&self, http: &HttpClient, old: &Credential) -> Result<Credential, Failure> {
        if old.refresh.is_empty() {
            return Err(self.sign_in_again("the sign-in has expired"));
        }
        let end = Instant::now() + limits::AUTH_LOCK;
        let path = self.home.join("state/auth.lock");
        let home = &self.home;
        let _lock = loop {
            let at = home.clone();
            let file = crate::sys::spawn_blocking(move || {
                let file = Dir::make(&at)?.append("state/auth.lock", 0o600)?;
                Ok::<_, std::io::Error>(files::try_lock(&file).then_some(file))
            });
            match file.await {
                Ok(Some(file)) => break file,
                Ok(None) if Instant::now() < end => Timer::after(limits::AUTH_LOCK_PAUSE).await,
                Ok(None) => {
                    return Err(Failure::new(Class::Timeout, "another process renews the token"));
                }
                Err(e) => {
                    return Err(Failure::new(Class::Auth, format!("{}: {e}", path.display())));
                }
            };
        };
        let found = self.kept().await?;
        if !found.ends(clock::unix_now()) {
            return Ok(found);
        }
        let form = [
            ("grant_type", "refresh_token"),
            ("refresh_token", found.refresh.expose()),
            ("client_id", CLIENT),
            ("scope", "openid profile email"),
        ];
        let got =
            tokens(http, &form).await.map_err(|e| Failure::new(Class::Network, e.to_string()))?;
        let new = match got {
            Ok(tokens) => credential(tokens, Some(&found)),
            Err(400 | 401 | 403) => return Err(self.sign_in_again("the sign-in was ended there")),
            Err(status) => {
                let text = format!("the token was not renewed (status {status})");
                return Err(Failure { status, ..Failure::new(Class::Timeout, text) });
            }
        };
        self.save(found.refresh, &new).await;
        Ok(new)
    }

    /// Saved before it is used, because the server no longer accepts the `old` refresh token.
    async fn save(&self, old: Secret, new: &Credential) {
        let (home, provider, kept) = (self.home.clone(), self.provider.clone(), new.clone());
        let there = self.unsaved.take().map_or(old, |(there, _)| there);
        self.unsaved.replace(Some((there, new.clone())));
        match crate::sys::spawn_blocking(move || credentials::put(&home, &provider, Some(&kept)))
            .await
        {
            Ok(_) => drop(self.unsaved.take()),
            Err(e) => log::warn!(
                "{e}; make room before the next start, or sign in again then: picoclaw auth login --provider {}",
                self.provider
            ),
        }
    }
}

/// Checks a pasted text for a valid Anthropic setup token.
///
/// # Errors
/// What is wrong with it.
pub fn setup_token(text: &str) -> Result<(), &'static str> {
    match text.trim().strip_prefix("sk-ant-oat01-") {
        None => Err("expected prefix sk-ant-oat01-"),
        Some(rest) if rest.len() < 67 => Err("too short; copy all of it"),
        Some(_) => Ok(()),
    }
}
