//! Settings of the web tools.

use super::{Secret, WebConfig};

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
