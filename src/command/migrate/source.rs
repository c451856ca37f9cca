//! What is read of the source, and where the target's workspace is.

use std::path::{Path, PathBuf};

use super::migrator::Migrator;
use super::report::FileOutcome;
use crate::command::tree;
use crate::config;
use crate::environment;
use crate::limits::CONFIG_BYTES;
use crate::sys::beneath::{self, Root};
use crate::sys::files::read_bounded;

impl Migrator {
    /// The folder that the assistant of the target works in.
    pub(super) fn dest(&self) -> PathBuf {
        let own = || self.target.join("workspace");
        config::load(&self.options).map_or_else(|_| own(), |l| l.config.agent.workspace)
    }

    /// Says what is wrong with the configuration as it is now; in a dry run, as it would be with this text as `config.json`.
    pub(super) fn check_config(&mut self, planned: Option<(PathBuf, String)>) {
        let mut options = self.options.clone();
        if self.dry {
            if planned.is_none() {
                return;
            }
            options.instead = planned;
        }
        match config::load(&options) {
            Ok(loaded) => self.name_unused(&loaded.warnings),
            Err(errors) => {
                for problem in errors.problems {
                    self.report.add(FileOutcome::Failed, "config.json", &problem.to_string());
                }
            }
        }
    }

    /// The same before anything is written, as far as the source says: which settings have no use here.
    pub(super) fn check_source(&mut self, root: &Root) {
        let mut options = self.options.clone();
        options.env.insert(environment::HOME.into(), root.path().to_string_lossy().into_owned());
        options.allow_empty = true;
        if let (true, Ok(loaded)) = (self.dry, config::load(&options)) {
            self.name_unused(&loaded.warnings);
        }
    }

    /// Lists what is set and has no use here.
    fn name_unused(&mut self, warnings: &[config::Problem]) {
        let all = warnings.iter().map(ToString::to_string);
        for warning in all.filter(|text| text.contains("this build")) {
            self.report.add(FileOutcome::LeftOut, "config.json", &warning);
        }
    }

    /// The text of a small file of the source; `None` (and a line in the report) where there is none that can be read.
    pub(super) fn text(&mut self, root: &Root, path: &str, needed: bool) -> Option<String> {
        let opened = root.locate(Path::new(path), false).and_then(|place| place.read());
        let read = match opened {
            Err(fault) if tree::is_gone(&fault) => {
                if needed {
                    self.report.add(FileOutcome::LeftOut, path, "there is none");
                }
                return None;
            }
            Err(fault) => Err(fault.to_string()),
            Ok((file, _)) => read_bounded(file, CONFIG_BYTES).map_err(|e| e.to_string()),
        };
        let text = match read {
            Err(why) => Err(format!("{why}; make it readable and run this again")),
            Ok(bytes) => String::from_utf8(bytes)
                .map_err(|_| "not UTF-8 text: save it as UTF-8 and run this again".to_owned()),
        };
        match text {
            Ok(text) => Some(text),
            Err(why) => {
                self.report.add(FileOutcome::Failed, path, &why);
                None
            }
        }
    }
}

/// Where a workspace is that a configuration of `root` names: there, or (a copy of a home, another machine) in the source.
/// Anybody may have written that configuration, so a folder outside of the source is only taken where it belongs to whom the
/// source belongs to, or on demand.
pub(super) fn workspace(root: &Root, named: Option<&str>, migrator: &mut Migrator) -> PathBuf {
    let own = root.path().join("workspace");
    let Some(named) = named.filter(|n| !n.is_empty()) else { return own };
    let path = migrator.options.expand(named);
    let target = migrator.target.join("workspace");
    let Some(real) = path.canonicalize().ok().filter(|p| p.is_dir()) else { return own };
    if target.canonicalize().ok().as_ref() == Some(&real) {
        return own;
    }
    let user = |path: &Path| beneath::path_meta(path).map(|meta| meta.user);
    let same_owner = user(&real) == user(root.path());
    // To root belongs nearly everything: only what is beside its home is meant by that.
    let beside =
        user(&real) != Some(0) || root.path().parent().is_some_and(|p| real.starts_with(p));
    if real.starts_with(root.path()) || same_owner && beside || migrator.elsewhere {
        return path;
    }
    let why =
        "the configuration names it, but it is not this home's; --workspace-elsewhere takes it";
    migrator.report.add(FileOutcome::LeftOut, &path.display().to_string(), why);
    own
}
