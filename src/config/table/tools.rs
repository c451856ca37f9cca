//! Keys of tools, besides their switches.

use std::time::Duration;

use crate::config::config_keys::config_keys;
use crate::config::secret::Secret;
use crate::config::tools::{Approval, TOOLS, runs_commands};
use crate::limits;

/// Largest `tools.web.fetch_limit_bytes`.
pub(in crate::config) const FETCH_LIMIT: i64 = 10 * 1024 * 1024;

config_keys! {
    /// `tools`.
    ToolsConfig in "tools." {
        /// secrets are redacted from tool results
        filter_sensitive_data: bool = truth("filter_sensitive_data", Bool, "true");
        /// results shorter than this are not searched
        filter_min_length: usize = size("filter_min_length", Int(i64::MIN, ANY), "8", ZERO);
        /// bytes of a file per answer
        max_read_file_size: usize = size(
            "read_file.max_read_file_size", Int(0, ANY), "65536", ZERO.to(limits::READ_FILE_BYTES as i64)
        );
        /// tools that act on the machine (exec, i2c and the like) and may be used by turns that no
        /// message started
        unattended: Vec<String> = list("unattended", List, "[]");
        /// minutes a job's command may run
        cron_timeout: Duration = minutes("cron.exec_timeout_minutes", Int(0, 60), "5", ZERO);
        /// jobs may run commands; each is approved by a user when it is set
        cron_commands: bool = truth("cron.allow_command", Bool, "true");
        /// more paths of serial ports, in addition to /dev/ttyS0 and the like, for example below
        /// /dev/serial/by-id
        serial_ports: Vec<String> = list("serial.ports", List, "[]");
    }
    with {
        /// Tools switched off by `tools.<name>.enabled: false`.
        disabled: Vec<String>,
        /// `tools.<name>.approval` where it is not [`Approval::Auto`].
        approvals: Vec<(String, Approval)>,
        /// Regular expressions of paths readable outside the workspace.
        allow_read_paths: Vec<String>,
        /// The same for writing.
        allow_write_paths: Vec<String>,
        /// `tools.exec`.
        exec: ExecConfig,
        /// `tools.web`.
        web: WebConfig,
        /// `tools.skills`.
        skills: SkillsConfig,
        /// read_file answers with numbered lines unless asked otherwise.
        read_file_lines: bool,
    }
    keys {
        /// regular expressions of paths readable outside the workspace
        ("allow_read_paths", List, "[]");
        /// the same for writing
        ("allow_write_paths", List, "[]");
        /// whether read_file counts bytes or lines
        ("read_file.mode", Word("bytes|lines"), "\"bytes\"");
    }
    unused {
        "message.media_enabled",
        "skills.enabled",
        "skills.github",
        "skills.max_concurrent_searches",
        "skills.search_cache",
        "media_cleanup",
        "load_image",
        "send_tts",
        "reaction",
        "delegate",
    }
    noted {
        "mcp",
    }
}

config_keys! {
    /// `tools.exec`.
    ExecConfig in "tools.exec." {
        /// the built-in list of forbidden commands applies
        enable_deny_patterns: bool = truth("enable_deny_patterns", Bool, "true");
        /// chats may run commands, not only the command line
        allow_remote: bool = truth("allow_remote", Bool, "true");
        /// seconds a command may run
        timeout: Duration = seconds("timeout_seconds", Int(0, 86400), "60", ZERO);
        /// commands may run as root, where the assistant runs as root without the supervisor
        as_root: bool = truth("as_root", Bool, "false");
    }
    with {
        /// More deny expressions.
        custom_deny_patterns: Vec<String>,
        /// Expressions exempt from the deny lists.
        custom_allow_patterns: Vec<String>,
        /// Names of environment variables passed on besides the built-in few.
        env: Vec<String>,
        /// Commands run without a sandbox (`tools.exec.sandbox: none`).
        unsandboxed: bool,
    }
    keys {
        /// more forbidden expressions
        ("custom_deny_patterns", List, "[]");
        /// expressions exempt from both lists
        ("custom_allow_patterns", List, "[]");
        /// more environment variables of a command
        ("env", List, "[]");
        /// auto locks commands in as far as the kernel can; none does not, and exec from chats then
        /// asks
        ("sandbox", Word("auto|none"), "\"auto\"");
    }
}

config_keys! {
    /// `tools.web`.
    WebConfig in "tools.web." {
        /// web_fetch and web_search
        enabled: bool = truth("enabled", Bool, "true");
        /// proxy for both web tools
        proxy: String = text("proxy", Proxy, "");
        /// bytes of a page
        fetch_limit_bytes: usize = size("fetch_limit_bytes", Int(0, ANY), "524288", ZERO.to(FETCH_LIMIT));
        /// format that web_fetch converts HTML to
        format: String = word("format", Word("markdown|plaintext"), "\"markdown\"");
        /// hosts, addresses and ranges that web_fetch may reach even though they are private
        private_host_whitelist: Vec<String> = list("private_host_whitelist", List, "[]");
    }
    with {
        /// `auto`, `brave`, `duckduckgo`, `tavily` or `searxng`.
        provider: String = "provider",
        /// Search engines by name (`brave`, `duckduckgo`, `tavily`, `searxng`).
        engines: Vec<(String, SearchEngine)>,
    }
    keys {
        /// search engine; auto takes the first usable one
        ("provider", Word("auto|brave|duckduckgo|tavily|searxng|kagi|sogou|gemini|perplexity|glm_search|baidu_search"), "\"auto\"");
        /// Brave may be used
        ("brave.enabled", Bool, "false");
        /// its key (`api_key` is the same); the first one is used
        ("brave.api_keys", Secrets, "");
        /// results of a search
        ("brave.max_results", Int(0, ANY), "5", ZERO.from(1).to(10));
        /// its address
        ("brave.base_url", Url, "");
        /// Tavily may be used
        ("tavily.enabled", Bool, "false");
        /// its key (`api_key` is the same); the first one is used
        ("tavily.api_keys", Secrets, "");
        /// results of a search
        ("tavily.max_results", Int(0, ANY), "5", ZERO.from(1).to(10));
        /// its address
        ("tavily.base_url", Url, "");
        /// DuckDuckGo may be used; needs no key
        ("duckduckgo.enabled", Bool, "true");
        /// results of a search
        ("duckduckgo.max_results", Int(0, ANY), "5", ZERO.from(1).to(10));
        /// its address
        ("duckduckgo.base_url", Url, "");
        /// a SearXNG server may be used
        ("searxng.enabled", Bool, "false");
        /// its address
        ("searxng.base_url", Url, "");
        /// its key, if it needs one
        ("searxng.api_keys", Secrets, "");
        /// results of a search
        ("searxng.max_results", Int(0, ANY), "5", ZERO.from(1).to(10));
    }
    unused {
        "prefer_native",
        "kagi",
        "sogou",
        "gemini",
        "perplexity",
        "glm_search",
        "baidu_search",
        "search",
    }
}

/// One search engine.
#[derive(Clone, Debug, Default)]
pub struct SearchEngine {
    /// May be used.
    pub enabled: bool,
    /// Key where the engine wants one.
    pub api_key: Secret,
    /// Base URL where the user runs one (SearXNG), or a test's.
    pub base_url: String,
    /// Results that are asked for.
    pub max_results: u32,
}

impl ToolsConfig {
    /// Whether a tool that runs shell commands is switched on.
    pub fn has_commands(&self) -> bool {
        TOOLS.iter().any(|tool| runs_commands(tool) && !self.disabled.iter().any(|t| t == tool))
    }
}

impl WebConfig {
    /// What is set for a search engine.
    pub fn engine(&self, name: &str) -> Option<&SearchEngine> {
        self.engines.iter().find(|(known, _)| known == name).map(|(_, engine)| engine)
    }
}

config_keys! {
    /// `tools.skills`: where skills are searched and installed from.
    SkillsConfig in "tools.skills.registries." {
        /// server of OWNER/REPO; empty means https://github.com
        github_base: String = address("github.base_url", Url, "");
        /// for private repositories; archives then come from its API
        github_token: Secret = secret("github.auth_token", Secret, "");
        /// proxy for installing and searching
        proxy: String = text("github.proxy", Proxy, "");
        /// skills are searched in this registry
        clawhub: bool = truth("clawhub.enabled", Bool, "true");
        /// its address; empty means https://clawhub.ai
        clawhub_base: String = address("clawhub.base_url", Url, "");
        /// allows more searches
        clawhub_token: Secret = secret("clawhub.auth_token", Secret, "");
    }
    unused {
        "github.enabled",
        "clawhub.search_path",
        "clawhub.skills_path",
        "clawhub.download_path",
        "clawhub.timeout",
        "clawhub.max_zip_size",
        "clawhub.max_response_size",
    }
}
