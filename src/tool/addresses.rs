//! Addresses that a turn has read: after untrusted text, the model may fetch these without asking. One that it composed itself
//! could carry out what it knows.

use std::hash::{DefaultHasher, Hasher};

use crate::limits::TURN_ADDRESSES;
use crate::message::{Message, Role};

/// Hashes of addresses, so that a long page costs little.
#[derive(Clone, Debug, Default)]
pub struct Addresses(Vec<u64>);

impl Addresses {
    /// Takes in the addresses of a text, but for those that `call` holds: what a model asked for, and a page repeats, is
    /// its own.
    pub fn learn(&mut self, text: &str, call: &str) {
        for address in addresses(text) {
            for form in [address, trimmed(address)] {
                let hash = hash(form);
                let full = self.0.len() >= TURN_ADDRESSES;
                if !full && !call.contains(form) && !self.0.contains(&hash) {
                    self.0.push(hash);
                }
            }
        }
    }

    /// Takes in the addresses of a conversation: what users wrote, and what the tools returned of which `reads_the_web` is
    /// true.
    pub fn learn_all(&mut self, messages: &[Message], reads_the_web: fn(&str) -> bool) {
        let calls = || messages.iter().flat_map(|m| &m.tool_calls);
        for message in messages {
            match message.role {
                Role::User => self.learn(&message.content, ""),
                Role::Tool => {
                    let id = message.tool_call_id.as_deref().unwrap_or_default();
                    let call = calls().find(|call| call.id == id);
                    if let Some(call) = call.filter(|call| reads_the_web(&call.name)) {
                        self.learn(&message.content, &call.arguments);
                    }
                }
                _ => {}
            }
        }
    }

    /// Whether exactly this address was read.
    pub fn know(&self, address: &str) -> bool {
        self.0.contains(&hash(address.trim()))
    }
}

/// What is sent of an address: a fragment stays here.
fn hash(address: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(address.split('#').next().unwrap_or_default().as_bytes());
    hasher.finish()
}

/// The addresses in a text, up to white space or what cannot be part of one.
fn addresses(text: &str) -> impl Iterator<Item = &str> {
    let begins = text.match_indices("http").filter_map(move |(at, _)| {
        let rest = &text[at..];
        let web = rest.starts_with("http://") || rest.starts_with("https://");
        web.then_some(rest)
    });
    begins.map(|rest| {
        let ends = |c: char| c.is_whitespace() || c.is_control() || "<>\"`{}|\\^[]".contains(c);
        &rest[..rest.find(ends).unwrap_or(rest.len())]
    })
}

/// Without the punctuation of the sentence or the link around it.
fn trimmed(address: &str) -> &str {
    let trimmed = address.trim_end_matches(['.', ',', ';', ':', '!', '?', '\'', '*', '_', ')']);
    // A parenthesis that was opened in the address is part of it.
    let open = trimmed.matches('(').count() > trimmed.matches(')').count();
    if open && address[trimmed.len()..].starts_with(')') {
        &address[..trimmed.len() + 1]
    } else {
        trimmed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_read_word_for_word_is_known() {
        let mut read = Addresses::default();
        read.learn(
            "see https://a.example/x?q=1. [b](http://b.example/(y)) <https://c.example/> \"https://d.example/z\"",
            r#"{"query":"https://d.example/z"}"#,
        );
        for (address, known) in [
            ("https://a.example/x?q=1", true),
            (" https://a.example/x?q=1#part ", true),
            ("http://b.example/(y)", true),
            ("https://c.example/", true),
            ("https://a.example/x?q=12", false),
            ("https://a.example/", false),
            ("https://d.example/z", false),
            ("a.example", false),
            ("", false),
        ] {
            assert_eq!(read.know(address), known, "{address}");
        }
        read.learn(&(0..9_999).map(|n| format!("http://e/{n} ")).collect::<String>(), "");
        assert!(read.0.len() <= TURN_ADDRESSES);
    }
}
