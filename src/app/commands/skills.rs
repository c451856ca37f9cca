//! `/skills` in a chat: the same as `picoclaw skills`, but what changes anything asks first.

#[cfg(feature = "skill-install")]
mod install;

use crate::agent::Agent;
use crate::skill::load::Roots;
use crate::skill::report;
use crate::tool::Asker;

const USAGE: &str = if cfg!(feature = "skill-install") {
    "\
Usage: /skills list
/skills show NAME
/skills search WORDS
/skills install OWNER/REPO[/FOLDER][@TAG] [force]
/skills remove NAME"
} else {
    "Usage: /skills list\n/skills show NAME"
};

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
        #[cfg(feature = "skill-install")]
        ("search", query) if !query.is_empty() => install::search(agent, query).await,
        #[cfg(feature = "skill-install")]
        ("install", source) if !source.is_empty() => install::install(agent, source, ask).await,
        #[cfg(feature = "skill-install")]
        ("remove", name) if !name.is_empty() => install::remove(agent, name, ask).await,
        _ => {
            // A build without these asks nothing.
            let _ = ask;
            Ok(USAGE.into())
        }
    };
    done.unwrap_or_else(|e| e.to_string())
}
