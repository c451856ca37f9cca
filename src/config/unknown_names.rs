//! Names in lists that stand for nothing. One of them may leave the assistant without a tool that its owner means to give it.

use super::nearest::suggestion;
use super::section::{BuildContext, Section};
use super::tools::TOOLS;
use super::unsupported;

const ALLOW: &str = "agents.defaults.turn_profile.tools.allow";

/// Warns of each name, with the nearest one that is known.
pub(super) fn warn(top: Section<'_>, ctx: &mut BuildContext<'_>) {
    let lists = [
        (ALLOW, TOOLS, "tool"),
        ("tools.unattended", TOOLS, "tool"),
        ("ignore_unsupported", unsupported::IGNORABLE, "unsupported setting"),
    ];
    for (key, known, what) in lists {
        let names = top.list(key);
        for name in names.iter().filter(|name| !known.contains(&name.as_str())) {
            let hint = suggestion(name, known.iter().copied());
            ctx.warn(top.origin(key), key, format!("no {what} is called `{name}`"), hint);
        }
    }
}
