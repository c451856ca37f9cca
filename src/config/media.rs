//! Models for pictures and voice: `agents.defaults.image_model`, its fallbacks, `voice`.

use super::models::keep_known;
use super::section::BuildContext;
use super::table::{AgentConfig, ModelConfig};
use super::tree::{Node, Origin};
use super::unusable::UnusableEntries;

/// Reports and skips names that are not usable models; the others still work.
pub(super) fn resolve_models(
    root: &Node,
    agent: &mut AgentConfig,
    models: &[ModelConfig],
    left_out: &UnusableEntries,
    ctx: &mut BuildContext<'_>,
) {
    let mut known = |names: &mut Vec<String>, key: &str| {
        let origin = root.at(key).map_or(Origin::default(), |n| n.origin);
        keep_known(names, models, left_out, origin, key, ctx);
    };
    known(&mut agent.image_fallbacks, "agents.defaults.image_model_fallbacks");
    for (name, key) in [
        (&mut agent.image_model, "agents.defaults.image_model"),
        (&mut agent.voice.model, "voice.model_name"),
    ] {
        if !name.is_empty() {
            let mut names = vec![std::mem::take(name)];
            known(&mut names, key);
            *name = names.pop().unwrap_or_default();
        }
    }
}
