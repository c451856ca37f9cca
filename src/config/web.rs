//! Settings of the web tools.

use super::Secret;

/// `tools.web`.
#[derive(Clone, Debug, Default)]
pub struct WebConfig {
    /// Both web tools are offered.
    pub enabled: bool,
    /// `auto`, `brave`, `duckduckgo`, `tavily` or `searxng`.
    pub provider: String,
    /// Proxy URL or empty.
    pub proxy: String,
    /// Bytes of a page.
    pub fetch_limit_bytes: usize,
    /// `markdown` or `plaintext`.
    pub format: String,
    /// Hosts, addresses and CIDR ranges exempt from the guard against private addresses.
    pub private_host_whitelist: Vec<String>,
    /// Search engines by name (`brave`, `duckduckgo`, `tavily`, `searxng`).
    pub engines: Vec<(String, SearchEngine)>,
}

impl WebConfig {
    /// What is set for a search engine.
    pub fn engine(&self, name: &str) -> Option<&SearchEngine> {
        self.engines.iter().find(|(known, _)| known == name).map(|(_, engine)| engine)
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
    /// Results asked for, 1 to 10.
    pub max_results: u32,
}
