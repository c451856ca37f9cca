//! What needs the network or changes the skills.

use std::time::Duration;

use crate::agent::Agent;
use crate::bus::Verdict;
use crate::error::Result;
use crate::skill::fetch;
use crate::skill::install::InstallPaths;
use crate::tool::Asker;
use crate::tool::skills::remote;

/// `/skills search`.
pub async fn search(agent: &Agent, query: &str) -> Result<String> {
    Ok(fetch::listed(&fetch::search(&agent.http, &agent.config, query).await?))
}

/// `/skills install`.
pub async fn install(agent: &Agent, words: &str, ask: Asker) -> Result<String> {
    let (source, force) = match words.strip_suffix(" force") {
        Some(source) => (source.trim(), true),
        None => (words, false),
    };
    let config = &agent.config;
    let source = remote(source, fetch::base(&config.tools.skills))?;
    let question = format!(
        "Install the skill {}{}?\nWhat it says, the assistant will follow.",
        source.label().1,
        if force { ", in place of one of its name" } else { "" }
    );
    if let Some(no) = refused(ask(question).await) {
        return Ok(no.into());
    }
    Ok(fetch::install(&agent.http, config, source, force, Duration::ZERO).await?.text())
}

/// `/skills remove`.
pub async fn remove(agent: &Agent, name: &str, ask: Asker) -> Result<String> {
    if let Some(no) = refused(ask(format!("Remove the skill {name} and its files?")).await) {
        return Ok(no.into());
    }
    let config = &agent.config;
    let site = InstallPaths::of(config);
    let name = name.to_owned();
    crate::sys::spawn_blocking(move || {
        site.open(Duration::ZERO)?.remove(&name)?;
        Ok(format!("Skill {name} removed."))
    })
    .await
}

fn refused(verdict: Verdict) -> Option<&'static str> {
    match verdict {
        Verdict::Yes => None,
        Verdict::No => Some("Nothing was changed."),
        Verdict::TimedOut => Some("Nobody answered, so nothing was changed."),
        Verdict::Unreachable => Some("The question could not be asked, so nothing was changed."),
    }
}
