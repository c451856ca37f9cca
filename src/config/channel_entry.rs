//! What a channel's folder needs to read its entry of `channel_list`.

use super::section::{BuildContext, Section};
use super::tree::Node;

/// A server that a channel talks to, for `doctor`'s check.
#[derive(Clone, Debug)]
pub struct Server {
    /// The address that answers when the channel works. Contains secrets: never shown.
    pub url: String,
    /// Proxy URL or empty.
    pub proxy: String,
}

/// The settings of a channel kind, implemented by `settings.rs` of its folder.
pub trait ChannelSettings: Sized {
    /// If only one entry is allowed: what to do instead of adding a second one.
    const ONLY_ONE: Option<&'static str> = None;

    /// Reads an entry; may switch it off.
    fn build(entry: &mut Entry<'_>, ctx: &mut BuildContext<'_>) -> Self;

    /// Why `chat` can be no chat of this kind, and what an id looks like; `None` where it can be one.
    fn chat_problem(_chat: &str) -> Option<&'static str> {
        None
    }

    /// For `doctor`; `None` where the channel only listens.
    fn server(&self) -> Option<Server> {
        None
    }
}

/// An entry of the list as its kind reads it.
pub struct Entry<'a> {
    /// Instance name: its key in `channel_list`.
    pub name: &'a str,
    /// The channel is started.
    pub enabled: bool,
    /// Ids or names of the users who may talk; `*` for everybody.
    pub allow_from: Vec<String>,
    /// The entry, with the defaults of its kind.
    pub section: Section<'a>,
    /// The merged configuration, for keys outside the entry.
    pub root: &'a Node,
    /// Port of the gateway itself.
    pub gateway_port: u16,
}

impl Entry<'_> {
    /// Disables an entry that lacks a required setting, and reports it.
    pub fn unfinished(&mut self, path: &str, what: &str, cure: &str, ctx: &mut BuildContext<'_>) {
        let node = self.section.node;
        let origin = node.at(path).map_or(node.origin, |n| n.origin);
        let message = format!("{} is enabled and has no {what}", self.name);
        ctx.unfinished(origin, "channel_list", message, cure);
        self.enabled = false;
    }
}
