//! `picoclaw skills`: the folders that the agent reads them from are changed here, and a running gateway sees it with its
//! next turn.

use std::process::ExitCode;

use crate::args::{self, SkillsCommand};
use crate::config::{self, Config, LoadOptions};
use crate::error::{Error, Result};
use crate::log;
#[cfg(feature = "skill-install")]
use crate::skill::install::{InstallPaths, Installed};
use crate::skill::load::Roots;
use crate::skill::report;
#[cfg(feature = "skill-install")]
use crate::{
    limits::COMMAND_LOCK_WAIT, net::http::HttpClient, skill::fetch, skill::source::SkillSource,
};

/// Does what was asked and prints what came of it.
///
/// # Errors
/// A configuration with errors; what the subcommand meets.
pub fn run(args: &args::SkillsArgs) -> Result<ExitCode> {
    log::start(log::LogTarget::Stderr, "warn");
    let options = LoadOptions { allow_empty: true, ..LoadOptions::from_process() };
    let loaded = config::load(&options).map_err(|e| Error::new(e.to_string()))?;
    log::set_secrets(config::with_encodings(loaded.secrets()));
    println!("{}", text(&loaded.config, &args.command)?);
    Ok(ExitCode::SUCCESS)
}

fn text(config: &Config, command: &SkillsCommand) -> Result<String> {
    let roots = Roots::of(config);
    Ok(match command {
        SkillsCommand::List(a) if a.json => report::list_json(&roots).to_string(),
        SkillsCommand::List(_) => report::list(&roots),
        SkillsCommand::Show(a) if a.json => report::show_json(&roots, &a.name)?.to_string(),
        SkillsCommand::Show(a) => report::show(&roots, &a.name)?,
        #[cfg(feature = "skill-install")]
        SkillsCommand::Remove(a) => {
            let site = InstallPaths::of(config);
            site.open(COMMAND_LOCK_WAIT)?.remove(&a.name)?;
            format!("✓ Removed skill '{}'", a.name)
        }
        #[cfg(feature = "skill-install")]
        SkillsCommand::Install(a) => {
            let source = SkillSource::parse(&a.source, fetch::base(&config.tools.skills))?;
            let http = HttpClient::new()?;
            let done = async_io::block_on(fetch::install(
                &http,
                config,
                source,
                a.force,
                COMMAND_LOCK_WAIT,
            ))?;
            if a.json { json(&done) } else { format!("✓ {}", done.text()) }
        }
        #[cfg(feature = "skill-install")]
        SkillsCommand::Search(a) => {
            let http = HttpClient::new()?;
            let hits = async_io::block_on(fetch::search(&http, config, &a.query.join(" ")))?;
            if a.json { fetch::json(&hits).to_string() } else { fetch::listed(&hits) }
        }
    })
}

#[cfg(feature = "skill-install")]
fn json(done: &Installed) -> String {
    let mut value = done.origin.to_json();
    value["name"] = done.name.clone().into();
    value["replaced"] = done.replaced.into();
    value.to_string()
}
