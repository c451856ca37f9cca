//! Conformance rows ([`crate::rows`]) about steering.

use serde_json::json;

use crate::config_folder::Folder;
use crate::rows::{rows, same, string};

#[test]
fn modes() {
    rows("steering", |_, name, input, want| {
        let model = json!({ "model_name": "m", "model": "x", "api_keys": ["sk-model-key-12345"] });
        let defaults = json!({ "steering_mode": string(&input["input"]) });
        let text =
            json!({ "version": 3, "model_list": [model], "agents": { "defaults": defaults } });
        let config = Folder::with(&text.to_string()).good().config;
        same(name, config.agent.steer_all, string(&want["expected"]) == "all")
    });
}
