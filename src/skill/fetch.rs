//! Downloads skill archives, and searches a registry.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use super::install::{InstallPaths, Installed};
use super::source::{GITHUB, SkillSource};
use crate::config::{Config, SkillsConfig};
use crate::error::Context;
use crate::limits::{
    SKILL_ARCHIVE_BYTES, SKILL_FETCH_TIMEOUT, SKILL_SEARCH_BYTES, SKILL_SEARCH_RESULTS,
    WEB_REDIRECTS,
};
use crate::net::http::{HttpClient, Request};
use crate::proto::url::{Scheme, Url};
use crate::proto::{text, url};
use crate::sys::clock;
use crate::{Error, Result};

/// Bytes written at a time.
const STEP: usize = 64 * 1024;
/// ClawHub's address.
const CLAWHUB: &str = "https://clawhub.ai";

/// One result of a search.
#[derive(Debug, PartialEq, Eq)]
pub struct FoundSkill {
    /// Its registry name.
    pub slug: String,
    /// One line about it.
    pub summary: String,
    /// Newest version, or empty.
    pub version: String,
}

/// The address of repositories.
pub fn base(skills: &SkillsConfig) -> &str {
    if skills.github_base.is_empty() { GITHUB } else { &skills.github_base }
}

/// Downloads and installs `source`, after an installation that is under way and ends within `patience`. Disk work runs on
/// the blocking thread.
///
/// # Errors
/// See [`super::install::Installer::install`]; the network's.
pub async fn install(
    http: &HttpClient,
    config: &Config,
    source: SkillSource,
    force: bool,
    patience: Duration,
) -> Result<Installed> {
    let site = InstallPaths::of(config);
    let bench = crate::sys::spawn_blocking(move || site.open(patience)).await?;
    let skills = &config.tools.skills;
    let url = source.archive(base(skills), !skills.github_token.is_empty());
    let archive = url.is_some().then(|| bench.archive());
    if let (Some(url), Some(path)) = (&url, &archive) {
        let label = source.label().1;
        let fetched = Box::pin(download(http, skills, &source, url, path)).await;
        if let Err(e) = fetched {
            let _ = std::fs::remove_file(path);
            return Err(e.context(label));
        }
    }
    crate::sys::spawn_blocking(move || {
        let done = bench.install(&source, archive.as_deref(), force, clock::unix_now());
        if let Some(path) = archive {
            let _ = std::fs::remove_file(path);
        }
        done
    })
    .await
}

/// Downloads `url` to `path`; follows redirects to https only.
async fn download(
    http: &HttpClient,
    skills: &SkillsConfig,
    source: &SkillSource,
    url: &str,
    path: &Path,
) -> Result<()> {
    let bearer = ["Bearer ", skills.github_token.expose()].concat();
    // The token is for the registry's own address, not for redirect targets.
    let mut with_token =
        matches!(source, SkillSource::Repository { .. }) && !skills.github_token.is_empty();
    let mut at = Url::parse(url).map_err(Error::new)?;
    for _ in 0..=WEB_REDIRECTS {
        if at.scheme != Scheme::Https {
            return Err(Error::new(format!("{}: only https:// is installed from", at.host)));
        }
        let address = at.to_string();
        let headers = [("Authorization", &*bearer)];
        let request = Request {
            headers: if with_token { &headers } else { &[] },
            proxy: &skills.proxy,
            total: SKILL_FETCH_TIMEOUT,
            ..Request::get(&address)
        };
        let mut response = http.send(request).await.map_err(|e| Error::new(e.message))?;
        let to = response.header("location").map(str::to_owned);
        match (response.status, to) {
            (200, _) => return save(&mut response, path).await,
            (301 | 302 | 303 | 307 | 308, Some(to)) => {
                at = at.join(&to).map_err(Error::new)?;
                with_token = false;
            }
            (404, _) => {
                return Err(Error::new(format!(
                    "{} has no such repository, branch or file (a private one needs tools.skills.registries.github.auth_token)",
                    at.host
                )));
            }
            (status, _) => return Err(Error::new(format!("{}: status {status}", at.host))),
        }
    }
    Err(Error::new(format!("stopped after {WEB_REDIRECTS} redirects")))
}

async fn save(response: &mut crate::net::http::Response, path: &Path) -> Result<()> {
    let too_long = || Error::new(format!("the archive has more than {SKILL_ARCHIVE_BYTES} bytes"));
    if response.content_length().is_some_and(|n| n > SKILL_ARCHIVE_BYTES) {
        return Err(too_long());
    }
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    let mut file = options.open(path).with_context(|| path.display().to_string())?;
    let (mut buffer, mut total) = (Vec::with_capacity(STEP), 0u64);
    loop {
        let piece = response.chunk().await.map_err(|e| Error::new(e.message))?;
        let done = piece.is_none();
        if let Some(piece) = piece {
            total += piece.len() as u64;
            buffer.extend_from_slice(piece);
        }
        if total > SKILL_ARCHIVE_BYTES {
            return Err(too_long());
        }
        if done || buffer.len() >= STEP {
            (file, buffer) = crate::sys::spawn_blocking(move || write(file, buffer)).await?;
        }
        if done {
            return Ok(());
        }
    }
}

fn write(mut file: File, mut buffer: Vec<u8>) -> Result<(File, Vec<u8>)> {
    file.write_all(&buffer).context("cannot save the archive")?;
    buffer.clear();
    Ok((file, buffer))
}

/// Searches the registry (ClawHub's search API).
///
/// # Errors
/// It is disabled, or its answer is invalid.
pub async fn search(http: &HttpClient, config: &Config, query: &str) -> Result<Vec<FoundSkill>> {
    let skills = &config.tools.skills;
    if !skills.clawhub {
        return Err(Error::new(
            "the registry is switched off (tools.skills.registries.clawhub.enabled)",
        ));
    }
    let base = if skills.clawhub_base.is_empty() { CLAWHUB } else { &skills.clawhub_base };
    let limit = SKILL_SEARCH_RESULTS.to_string();
    let url = [base, "/api/v1/search?", &*url::query(&[("q", query), ("limit", &limit)])].concat();
    let bearer = ["Bearer ", skills.clawhub_token.expose()].concat();
    let headers = [("Accept", "application/json"), ("Authorization", &*bearer)];
    let request = Request {
        headers: if skills.clawhub_token.is_empty() { &headers[..1] } else { &headers },
        proxy: &skills.proxy,
        total: crate::limits::IDLE_TIMEOUT,
        ..Request::get(&url)
    };
    let response = http.send(request).await.map_err(|e| Error::new(e.message))?;
    if response.status != 200 {
        return Err(Error::new(format!("{base}: status {}", response.status)));
    }
    let body = response.bytes(SKILL_SEARCH_BYTES).await.map_err(|e| Error::new(e.message))?;
    hits(&body).ok_or_else(|| Error::new(format!("{base} does not answer as a registry does")))
}

/// `{"results": [{"slug", "summary", "version"}]}`; entries without a slug are skipped.
fn hits(body: &[u8]) -> Option<Vec<FoundSkill>> {
    let value: Value = text::utf8(body).and_then(serde_json::from_str).ok()?;
    let hit = |r: &Value| {
        let word = |key: &str, max| text::one_line(r[key].as_str().unwrap_or(""), max);
        let slug = word("slug", 100);
        let hit = FoundSkill { summary: word("summary", 200), version: word("version", 40), slug };
        (!hit.slug.is_empty()).then_some(hit)
    };
    Some(value["results"].as_array()?.iter().filter_map(hit).take(SKILL_SEARCH_RESULTS).collect())
}

/// A search's results for people and models.
pub fn listed(hits: &[FoundSkill]) -> String {
    if hits.is_empty() {
        return "No skills found.".into();
    }
    let line = |h: &FoundSkill| {
        let blank = if h.version.is_empty() { "" } else { " " };
        [&*h.slug, blank, &h.version, ": ", &h.summary].concat()
    };
    hits.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// The same for scripts.
pub fn json(hits: &[FoundSkill]) -> Value {
    let one = |h: &FoundSkill| serde_json::json!({ "slug": h.slug, "summary": h.summary, "version": h.version });
    hits.iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_of_a_registry() {
        let body = br#"{"results":[{"score":1,"slug":"a","summary":"does\na","version":"1.0"},
            {"slug":null},{"slug":"b"}]}"#;
        let found = hits(body).expect("hits");
        assert_eq!(listed(&found), "a 1.0: does a\nb: ");
        assert_eq!(listed(&[]), "No skills found.");
        assert_eq!(hits(b"<html>"), None);
        assert_eq!(hits(b"{}"), None);
        let many = format!(r#"{{"results":[{}]}}"#, vec![r#"{"slug":"x"}"#; 50].join(","));
        assert_eq!(hits(many.as_bytes()).expect("hits").len(), SKILL_SEARCH_RESULTS);
    }
}
