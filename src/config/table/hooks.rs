//! Keys of hooks. A build without them has one key, which it does not use.

use crate::config::config_keys::config_keys;
use crate::config::key::Key;

#[cfg(feature = "hooks")]
use crate::limits::HOOK_TIMEOUT_MAX;

#[cfg(not(feature = "hooks"))]
config_keys! {
    UNUSED in ""
    unused {
        "hooks",
    }
}

/// The keys of this build.
#[cfg(not(feature = "hooks"))]
pub(in crate::config) const KEYS: [&[Key]; 4] = [UNUSED, &[], &[], &[]];

/// The keys of this build.
#[cfg(feature = "hooks")]
pub(in crate::config) const KEYS: [&[Key]; 4] =
    [HooksConfig::FIELDS, HooksConfig::REST, HookConfig::FIELDS, HookConfig::REST];

/// `hooks`, which this build does not have.
#[cfg(not(feature = "hooks"))]
pub type HooksConfig = ();

#[cfg(feature = "hooks")]
config_keys! {
    /// `hooks`: deadlines, and which processes run.
    HooksConfig in "hooks." {
        /// milliseconds that an event waits until a hook reads it
        observer_timeout_ms: u32 = count("defaults.observer_timeout_ms", Int(0, ANY), "500", ZERO.to(HOOK_TIMEOUT_MAX));
        /// milliseconds that before_llm, after_llm, before_tool and after_tool may take
        interceptor_timeout_ms: u32 = count("defaults.interceptor_timeout_ms", Int(0, ANY), "5000", ZERO.to(HOOK_TIMEOUT_MAX));
        /// milliseconds that approve_tool may take
        approval_timeout_ms: u32 = count("defaults.approval_timeout_ms", Int(0, ANY), "60000", ZERO.to(HOOK_TIMEOUT_MAX));
    }
    with {
        /// `processes` in the order in which they are asked; none where `enabled` is off.
        processes: Vec<HookConfig>,
    }
    keys {
        /// hooks run
        ("enabled", Bool, "true");
    }
    noted {
        "builtins",
    }
}

#[cfg(feature = "hooks")]
config_keys! {
    /// One entry of `hooks.processes`, switched on.
    HookConfig in "hooks.processes.*." {
        /// hooks with smaller numbers are asked first, those with the same by name
        priority: i64 = int("priority", Int(-ANY, ANY), "0");
        /// folder that it runs in and may read; relative to the home, empty for /
        dir: String = text("dir", Text, "");
    }
    with {
        /// Its name in `hooks.processes`.
        name: String,
        /// The program and its arguments.
        command: Vec<String>,
        /// Variables of its environment.
        env: Vec<(String, String)>,
        /// Kinds of events that it gets; `None` for all of them.
        observe: Option<Vec<String>>,
        /// It is asked before and after requests to a model.
        llm: bool,
        /// It is asked before and after calls of tools.
        tool: bool,
        /// Calls of tools need its yes.
        approve: bool,
    }
    keys {
        /// it runs
        ("enabled", Bool, "false");
        /// how it is talked with
        ("transport", Word("|stdio"), "\"stdio\"");
        /// the program and its arguments
        ("command", List, "");
        /// variables of its environment, by name
        ("env.*", Text, "");
        /// kinds of events that it gets (agent.turn.start ...), or `*`
        ("observe", List, "");
        /// what it is asked: before_llm, after_llm, before_tool, after_tool, approve_tool
        ("intercept", List, "");
    }
}
