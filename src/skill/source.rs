//! Parses a skill's source as a person writes it: a repository, an archive or a folder.

use std::path::{Path, PathBuf};

use crate::config::secret::without_userinfo;
use crate::proto::url::{Scheme, Url};
use crate::{Error, Result};

/// GitHub's address.
pub const GITHUB: &str = "https://github.com";

/// A skill's origin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SkillSource {
    /// A folder of a repository.
    Repository {
        /// `owner/name`.
        name: String,
        /// Folder inside, without slashes around it; empty for all of it.
        path: String,
        /// Branch, tag or commit; empty for the repository's own choice.
        reference: String,
    },
    /// A `.tar.gz` on an https server.
    Address(String),
    /// A `.tar.gz` here.
    Tarball(PathBuf),
    /// A folder here.
    Folder(PathBuf),
}

impl SkillSource {
    /// Reads `OWNER/REPO[/PATH][@REF]`, an address of one (`https://HOST/OWNER/REPO/tree/REF/PATH`, for the `base` that is
    /// configured), an address of a `.tar.gz`, or a local path (starting with `./`, `../`, `/`, `~/`, or ending in `.tar.gz`).
    ///
    /// # Errors
    /// None of these.
    pub fn parse(text: &str, base: &str) -> Result<SkillSource> {
        let text = text.trim();
        let tarball = text.ends_with(".tar.gz") || text.ends_with(".tgz");
        if let Some((scheme, _)) = text.split_once("://") {
            if !scheme.eq_ignore_ascii_case("https") {
                return Err(Error::new(format!(
                    "{}: only https:// addresses are installed from",
                    without_userinfo(text)
                )));
            }
            if tarball {
                Url::parse(text).map_err(Error::new)?;
                return Ok(SkillSource::Address(text.to_owned()));
            }
            return address(text, base);
        }
        if let Some(rest) = text.strip_prefix("~/") {
            let home = std::env::var_os("HOME").unwrap_or_default();
            return Ok(local(Path::new(&home).join(rest), tarball));
        }
        if tarball || text.starts_with(['/', '.']) {
            return Ok(local(PathBuf::from(text), tarball));
        }
        let (place, reference) = text.split_once('@').unwrap_or((text, ""));
        repository(&place.split('/').collect::<Vec<_>>(), reference)
    }

    /// Selects another branch, tag or commit of a repository.
    ///
    /// # Errors
    /// It is not a repository, or the reference is invalid.
    pub fn at(self, reference: &str) -> Result<SkillSource> {
        match self {
            SkillSource::Repository { name, path, .. } if is_reference(reference) => {
                Ok(SkillSource::Repository { name, path, reference: reference.to_owned() })
            }
            SkillSource::Repository { .. } => {
                Err(Error::new(format!("{reference:?} is no branch or tag")))
            }
            _ => Err(Error::new("only a repository has versions")),
        }
    }

    /// The label for records and people: registry and slug.
    pub fn label(&self) -> (&'static str, String) {
        match self {
            SkillSource::Repository { name, path, .. } if path.is_empty() => {
                ("github", name.clone())
            }
            SkillSource::Repository { name, path, .. } => ("github", [name, "/", &**path].concat()),
            SkillSource::Address(url) => ("archive", without_userinfo(url).into_owned()),
            SkillSource::Tarball(path) => ("archive", path.display().to_string()),
            SkillSource::Folder(path) => ("folder", path.display().to_string()),
        }
    }

    /// The URL of the archive, if it has one. With a token, GitHub's API also serves private repositories.
    pub fn archive(&self, base: &str, with_token: bool) -> Option<String> {
        match self {
            SkillSource::Address(url) => Some(url.clone()),
            SkillSource::Repository { name, reference, .. } if with_token => {
                let api = match base {
                    GITHUB => "https://api.github.com".to_owned(),
                    other => [other, "/api/v3"].concat(),
                };
                let slash = if reference.is_empty() { "" } else { "/" };
                Some([&*api, "/repos/", name, "/tarball", slash, reference].concat())
            }
            SkillSource::Repository { name, reference, .. } => {
                let reference = if reference.is_empty() { "HEAD" } else { reference };
                Some([base, "/", name, "/archive/", reference, ".tar.gz"].concat())
            }
            SkillSource::Tarball(_) | SkillSource::Folder(_) => None,
        }
    }
}

fn local(path: PathBuf, tarball: bool) -> SkillSource {
    if tarball { SkillSource::Tarball(path) } else { SkillSource::Folder(path) }
}

/// `https://HOST/OWNER/REPO`, with `/tree/REF/PATH` or `/blob/REF/PATH` behind it.
fn address(text: &str, base: &str) -> Result<SkillSource> {
    let url = Url::parse(text).map_err(Error::new)?;
    let own = Url::parse(base).map_err(Error::new)?;
    let prefix = own.target.trim_matches('/');
    let path = url.target.split(['?', '#']).next().unwrap_or("").trim_matches('/');
    let inside = path.strip_prefix(prefix).map(|rest| rest.trim_start_matches('/'));
    let same = (&url.host, url.port) == (&own.host, own.port) && url.scheme == Scheme::Https;
    let Some(inside) = inside.filter(|_| same) else {
        return Err(Error::new(format!(
            "{}: neither a .tar.gz nor a repository of {base} (tools.skills.registries.github.base_url)",
            without_userinfo(text)
        )));
    };
    match inside.split('/').collect::<Vec<_>>()[..] {
        [owner, repo, "tree" | "blob", reference, ref path @ ..] => {
            repository(&[&[owner, repo], path].concat(), reference)
        }
        [owner, repo] => repository(&[owner, repo.trim_end_matches(".git")], ""),
        _ => Err(Error::new(format!(
            "{}: expected .../OWNER/REPO or .../tree/REF/PATH",
            without_userinfo(text)
        ))),
    }
}

fn repository(parts: &[&str], reference: &str) -> Result<SkillSource> {
    let word = |p: &&str| {
        !p.is_empty()
            && !p.starts_with('.')
            && p.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
    };
    let (Some((names, path)), true) = (parts.split_at_checked(2), parts.iter().all(word)) else {
        return Err(Error::new(format!(
            "{:?} is no skill to install: write OWNER/REPO, OWNER/REPO/FOLDER@TAG, an https address, or ./FOLDER",
            parts.join("/")
        )));
    };
    if !reference.is_empty() && !is_reference(reference) {
        return Err(Error::new(format!("{reference:?} is no branch or tag")));
    }
    Ok(SkillSource::Repository {
        name: names.join("/"),
        path: path.join("/"),
        reference: reference.to_owned(),
    })
}

/// Whether it can be part of a URL unchanged, without `..`.
fn is_reference(text: &str) -> bool {
    let fine = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'/');
    !text.is_empty() && text.bytes().all(fine) && !text.starts_with('/') && !text.contains("..")
}

/// Folders that belong to a skill at the top of a repository; other files next to its SKILL.md are the repository's.
const PARTS: &[&str] = &["scripts", "references", "assets", "templates", "docs"];

/// Whether the file at `path`, relative to the skill, is part of it. At the top of a repository only SKILL.md and the usual
/// folders are, elsewhere everything that is not hidden.
pub fn is_part(path: &str, whole_repository: bool) -> bool {
    let mut parts = path.split('/');
    let first = parts.next().unwrap_or("");
    if path.split('/').any(|p| p.starts_with('.')) {
        return false;
    }
    !whole_repository || path == "SKILL.md" || (parts.next().is_some() && PARTS.contains(&first))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn repo(name: &str, path: &str, reference: &str) -> SkillSource {
        let (name, path) = (name.to_owned(), path.to_owned());
        SkillSource::Repository { name, path, reference: reference.to_owned() }
    }

    #[test]
    fn common_inputs() {
        let check = |text: &str, want: SkillSource| {
            assert_eq!(SkillSource::parse(text, GITHUB).expect(text), want, "{text}");
        };
        check("o/r", repo("o/r", "", ""));
        check(" o/r/skills/a ", repo("o/r", "skills/a", ""));
        check("o/r.x/a@v1.2/b", repo("o/r.x", "a", "v1.2/b"));
        check("https://github.com/o/r", repo("o/r", "", ""));
        check("https://github.com/o/r.git", repo("o/r", "", ""));
        check("https://GitHub.com/o/r/tree/main/a/b", repo("o/r", "a/b", "main"));
        check("https://github.com/o/r/blob/main/SKILL.md", repo("o/r", "SKILL.md", "main"));
        check("https://x.org/a.tar.gz", SkillSource::Address("https://x.org/a.tar.gz".into()));
        check("./a", SkillSource::Folder("./a".into()));
        check("/a/b.tgz", SkillSource::Tarball("/a/b.tgz".into()));
        check("a.tar.gz", SkillSource::Tarball("a.tar.gz".into()));
    }

    #[test]
    fn refusals() {
        for (text, want) in [
            ("http://github.com/o/r", "only https"),
            ("ftp://x/a.tar.gz", "only https"),
            ("https://example.org/o/r", "nor a repository of"),
            ("https://github.com/o", "expected"),
            ("o", "no skill to install"),
            ("o/../r", "no skill to install"),
            ("o/r/a b", "no skill to install"),
            ("o//r", "no skill to install"),
            ("", "no skill to install"),
            ("o/r@../../x", "no branch"),
            ("o/r@a?b", "no branch"),
        ] {
            let e = SkillSource::parse(text, GITHUB).expect_err(text);
            assert!(e.as_str().contains(want), "{text}: {e}");
        }
        assert!(SkillSource::Folder("x".into()).at("v1").is_err());
        assert_eq!(repo("o/r", "", "").at("v1").expect("a tag"), repo("o/r", "", "v1"));
    }

    #[test]
    fn a_password_is_used_and_not_told() {
        let text = "https://u:pw@h/a.tar.gz";
        let source = SkillSource::parse(text, GITHUB).expect(text);
        assert_eq!(source.archive(GITHUB, false).as_deref(), Some(text));
        assert_eq!(source.label().1, "https://h/a.tar.gz");
        for text in ["http://u:pw@h/a.tar.gz", "https://u:pw@h/o/r", "https://u:pw@github.com/o"] {
            let e = SkillSource::parse(text, GITHUB).expect_err(text);
            assert!(!e.as_str().contains("pw"), "{e}");
        }
    }

    #[test]
    fn addresses_of_archives() {
        let check = |source: SkillSource, base, token, want: &str| {
            assert_eq!(source.archive(base, token).as_deref(), Some(want));
        };
        check(repo("o/r", "a", ""), GITHUB, false, "https://github.com/o/r/archive/HEAD.tar.gz");
        check(repo("o/r", "", "v1"), GITHUB, false, "https://github.com/o/r/archive/v1.tar.gz");
        check(repo("o/r", "", ""), GITHUB, true, "https://api.github.com/repos/o/r/tarball");
        check(
            repo("o/r", "", "v1"),
            "https://git.x",
            true,
            "https://git.x/api/v3/repos/o/r/tarball/v1",
        );
        assert_eq!(SkillSource::Folder("x".into()).archive(GITHUB, false), None);
    }

    #[test]
    fn files_of_a_skill() {
        for (path, root, want) in [
            ("SKILL.md", true, true),
            ("README.md", true, false),
            ("src/x.py", true, false),
            ("scripts/x.py", true, true),
            ("scripts/.git/config", true, false),
            ("README.md", false, true),
            ("src/x.py", false, true),
            (".git/config", false, false),
            ("scripts", true, false),
        ] {
            assert_eq!(is_part(path, root), want, "{path}");
        }
    }
}
