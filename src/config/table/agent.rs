//! Keys of the agent, its sub-agents, voices and sessions.

use std::path::PathBuf;
use std::time::Duration;

use crate::config::config_keys::config_keys;
use crate::limits;

config_keys! {
    /// `agents.defaults`.
    AgentConfig in "agents.defaults." {
        /// tools stay inside the workspace
        restrict_to_workspace: bool = truth("restrict_to_workspace", Bool, "true");
        /// reading is still allowed outside
        allow_read_outside_workspace: bool = truth("allow_read_outside_workspace", Bool, "false");
        /// entries to try when that one fails
        fallbacks: Vec<String> = list("model_fallbacks", List, "[]") resolved;
        /// tokens of an answer, sent to the model
        max_tokens: u32 = count("max_tokens", Int(0, ANY), "8192" => "32768", ZERO);
        /// sent to the model
        temperature: f64 = num("temperature", Num(0.0, 2.0), "0.7");
        /// model calls of one turn
        max_tool_iterations: u32 = count("max_tool_iterations", Int(0, ANY), "20" => "50", zero(20));
        /// chats that are served concurrently
        max_parallel_turns: u32 = count("max_parallel_turns", Int(0, 64), "4", ZERO);
        /// retries before the next model
        max_llm_retries: u32 = count("max_llm_retries", Int(0, 100), "2");
        /// seconds before the first retry; grows with each
        llm_retry_backoff: Duration = seconds("llm_retry_backoff_secs", Int(0, 3600), "2");
        /// `model_name` used for turns with pictures
        image_model: String = text("image_model", Text, "") resolved;
        /// fallbacks of image_model
        image_fallbacks: Vec<String> = list("image_model_fallbacks", List, "[]") resolved;
        /// maximum bytes of a picture for a model
        max_media_size: u32 = count("max_media_size", Int(0, ANY), "0", zero(limits::PICTURE_BYTES as i64));
        /// messages of a conversation after which older ones are summarised; 0 means by tokens only
        summarize_messages: u32 = count("summarize_message_threshold", Int(0, ANY), "100");
        /// percent of context_window after which older messages are summarised
        summarize_percent: u32 = count("summarize_token_percent", Int(0, 100), "75", ZERO);
        /// rounds of failing tool calls in a row after which the model is asked to reflect; 0 never
        reflect: u32 = count("reflect", Int(0, 20), "0");
    }
    with {
        /// Folder the tools work in; `~` expanded, absolute.
        workspace: PathBuf = "workspace",
        /// `model_name` of the [`ModelConfig`](crate::config::ModelConfig) to use first.
        model: String = "model_name",
        /// Tokens the model can see; 0 in the file means 4 x max_tokens.
        context_window: u32 = "context_window",
        /// `agents.list[].skills` of the default agent, else `turn_profile.skills`: the only skills
        /// it sees; `None` for all.
        skills: Option<Vec<String>>,
        /// All waiting messages steer a turn together, not one after the other.
        steer_all: bool,
        /// Limits of sub-agents.
        subturn: SubturnConfig,
        /// `voice.model_name` and `voice.echo_transcription`.
        voice: VoiceConfig,
    }
    keys {
        /// folder the tools work in; ~ is the user's home
        ("workspace", Text, "\"$PICOCLAW_HOME/workspace\"");
        /// old files: which of `providers` serves the model
        ("provider", Text, "");
        /// `model_name` of the entry to use; empty means the first one
        ("model_name", Text, "\"glm-4.7\"" => "");
        /// tokens the model can see; 0 means four times max_tokens
        ("context_window", Int(0, ANY), "0");
        /// how many messages that arrive during a turn steer it between two tool calls
        ("steering_mode", Word("|one-at-a-time|all"), "\"one-at-a-time\"");
        /// the keys about tools and skills below apply
        ("turn_profile.enabled", Bool, "false");
        /// accepted; not used
        ("turn_profile.history.mode", Word("default|off"), "");
        /// accepted; not used
        ("turn_profile.system_prompt.mode", Word("default|off|custom"), "");
        /// which tools the agent has: all, none, or those of allow
        ("turn_profile.tools.mode", Word("default|off|custom"), "");
        /// names of tools
        ("turn_profile.tools.allow", List, "[]");
        /// which skills the agent sees: all, none, or those of allow
        ("turn_profile.skills.mode", Word("default|off|custom"), "\"default\"");
        /// names of skills; `skills` of the default entry of agents.list takes precedence
        ("turn_profile.skills.allow", List, "[]");
    }
    unused {
        "context_manager_config",
        "turn_profile.history.allow",
        "turn_profile.system_prompt.allow",
    }
    noted {
        "routing",
        "tool_feedback",
        "split_on_marker",
        "context_manager",
    }
}

config_keys! {
    /// `agents.defaults.subturn`.
    SubturnConfig in "agents.defaults.subturn." {
        /// sub-agents in a row since the last message of a user
        max_depth: u32 = count("max_depth", Int(0, 100), "3", ZERO);
        /// sub-agents that run concurrently
        max_concurrent: u32 = count("max_concurrent", Int(0, 12), "5", ZERO);
        /// time limit of a sub-agent in minutes
        timeout: Duration = minutes("default_timeout_minutes", Int(0, 1440), "5", ZERO);
        /// tokens a sub-agent may use, as its provider counts them; 0 for no limit
        token_budget: u32 = count("default_token_budget", Int(0, ANY), "0");
        /// seconds a call waits while the maximum number of sub-agents runs
        slot_wait: Duration = seconds("concurrency_timeout_sec", Int(0, 3600), "30", ZERO);
    }
}

config_keys! {
    /// `voice`: messages that are spoken.
    VoiceConfig in "voice." {
        /// `model_name` of an entry whose server has /audio/transcriptions; empty takes a groq
        /// entry with a key
        model: String = text("model_name", Text, "") resolved;
        /// the chat gets the transcript
        echo: bool = truth("echo_transcription", Bool, "false");
    }
    unused {
        "tts_model_name",
        "elevenlabs_api_key",
    }
}

config_keys! {
    /// `session`.
    SessionConfig in "session." {
        /// what identifies a session: chat, topic, sender, space; an empty list means one session for all chats of a channel
        dimensions: Vec<String> = list("dimensions", List, "[\"chat\"]") resolved;
    }
    with {
        /// Name -> ids that belong to one person.
        identity_links: Vec<(String, Vec<String>)>,
    }
    keys {
        /// older form of dimensions: per-channel-peer, per-peer, global
        ("dm_scope", Text, "");
        /// ids that belong to one person
        ("identity_links.*", List, "");
    }
}
