//! `/skills` in a chat: the same as `picoclaw skills`, but what changes anything asks first.

use super::hub::Hub;
use crate::bus::Verdict;
use crate::error::Result;
use crate::skill::install::InstallPaths;
use crate::skill::load::Roots;
use crate::skill::{fetch, report};
use crate::tool::approval::Asker;
use crate::tool::skills::remote;

const USAGE: &str = "\
Usage: /skills list
/skills show NAME
/skills search WORDS
/skills install OWNER/REPO[/FOLDER][@TAG] [force]
/skills remove NAME";

/// Carries out what follows `/skills`.
pub async fn answer(hub: &Hub, words: &str, ask: Asker) -> String {
    let (what, rest) = words.split_once(char::is_whitespace).unwrap_or((words, ""));
    let rest = rest.trim();
    let done = match (what.to_ascii_lowercase().as_str(), rest) {
        ("" | "list", _) => {
            let roots = Roots::of(&hub.agent.config);
            Ok(crate::sys::spawn_blocking(move || report::list(&roots)).await)
        }
        ("show", name) if !name.is_empty() => {
            let (roots, name) = (Roots::of(&hub.agent.config), name.to_owned());
            crate::sys::spawn_blocking(move || report::show(&roots, &name)).await
        }
        ("search", query) if !query.is_empty() => {
            let hits = fetch::search(&hub.agent.http, &hub.agent.config, query).await;
            hits.map(|hits| fetch::listed(&hits))
        }
        ("install", source) if !source.is_empty() => install(hub, source, ask).await,
        ("remove", name) if !name.is_empty() => remove(hub, name, ask).await,
        _ => Ok(USAGE.into()),
    };
    done.unwrap_or_else(|e| e.to_string())
}

async fn install(hub: &Hub, words: &str, ask: Asker) -> Result<String> {
    let (source, force) = match words.strip_suffix(" force") {
        Some(source) => (source.trim(), true),
        None => (words, false),
    };
    let config = &hub.agent.config;
    let source = remote(source, fetch::base(&config.tools.skills))?;
    let question = format!(
        "Install the skill {}{}?\nWhat it says, the assistant will follow.",
        source.label().1,
        if force { ", in place of one of its name" } else { "" }
    );
    if let Some(no) = refused(ask(question).await) {
        return Ok(no.into());
    }
    Ok(fetch::install(&hub.agent.http, config, source, force).await?.text())
}

async fn remove(hub: &Hub, name: &str, ask: Asker) -> Result<String> {
    if let Some(no) = refused(ask(format!("Remove the skill {name} and its files?")).await) {
        return Ok(no.into());
    }
    let config = &hub.agent.config;
    let site = InstallPaths::of(config);
    let name = name.to_owned();
    crate::sys::spawn_blocking(move || {
        site.open()?.remove(&name)?;
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
