//! `/skills` in a chat: the same as `picoclaw skills`, but what changes anything asks first.

use std::time::Duration;

use crate::agent::Agent;
use crate::bus::Verdict;
use crate::error::Result;
use crate::skill::install::InstallPaths;
use crate::skill::load::Roots;
use crate::skill::{fetch, report};
use crate::tool::Asker;
use crate::tool::skills::remote;

const USAGE: &str = "\
Usage: /skills list
/skills show NAME
/skills search WORDS
/skills install OWNER/REPO[/FOLDER][@TAG] [force]
/skills remove NAME";

/// Carries out what follows `/skills`.
pub async fn answer(agent: &Agent, words: &str, ask: Asker) -> String {
    let (what, rest) = words.split_once(char::is_whitespace).unwrap_or((words, ""));
    let rest = rest.trim();
    let done = match (what.to_ascii_lowercase().as_str(), rest) {
        ("" | "list", _) => {
            let roots = Roots::of(&agent.config);
            Ok(crate::sys::spawn_blocking(move || report::list(&roots)).await)
        }
        ("show", name) if !name.is_empty() => {
            let (roots, name) = (Roots::of(&agent.config), name.to_owned());
            crate::sys::spawn_blocking(move || report::show(&roots, &name)).await
        }
        ("search", query) if !query.is_empty() => {
            let hits = fetch::search(&agent.http, &agent.config, query).await;
            hits.map(|hits| fetch::listed(&hits))
        }
        ("install", source) if !source.is_empty() => install(agent, source, ask).await,
        ("remove", name) if !name.is_empty() => remove(agent, name, ask).await,
        _ => Ok(USAGE.into()),
    };
    done.unwrap_or_else(|e| e.to_string())
}

async fn install(agent: &Agent, words: &str, ask: Asker) -> Result<String> {
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

async fn remove(agent: &Agent, name: &str, ask: Asker) -> Result<String> {
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
