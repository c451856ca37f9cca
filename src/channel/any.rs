//! All kinds of channels as one type.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use super::command::{self, ChatCommand};
use super::interface::channel_methods;
#[cfg(feature = "simulate")]
use super::sim;
use super::{Arrival, Channel, ChannelRoute, Delivery, Intake, SendError, Shared, cli, paired};
use crate::bus::{Address, Attachment, Inbound, Outbound, Question, Upload, Verdict};
use crate::config::{ChannelConfig, Config};
use crate::net::http::HttpClient;
use crate::store::spool::Spool;

/// One enum over all channels, and a `match` over it: a turn's futures are then no larger than the largest channel's, and
/// none is boxed. `dyn Channel` would cost a box for each future and for each call, and could not take `impl Intake`.
macro_rules! channels {
    ($(#[cfg $gate:tt] $module:ident = $kind:ident;)*) => {
        channels! { @types ($) $(#[cfg $gate] $module = $kind;)* }
    };
    (@types ($d:tt) $(#[cfg $gate:tt] $module:ident = $kind:ident;)*) => {
        // There is one value per bot of the process: a box would cost more than it saves.
        #[allow(clippy::large_enum_variant)]
        /// Any channel: those that `channel_list` may name, and the two that it may not.
        pub enum AnyChannel {
            $(#[cfg $gate]
            #[doc = concat!("See [`super::", stringify!($module), "`].")]
            $kind(super::$module::$kind),)*
            #[cfg(feature = "simulate")]
            /// For `picoclaw simulate` only: receives nothing.
            Sim(sim::Sim),
            /// Attached command lines of this machine.
            Cli(cli::Cli),
        }

        /// The platforms of this build, and whether people write on them.
        const PLATFORMS: &[(&str, bool)] = &[$(
            #[cfg $gate]
            (super::$module::$kind::NAME, super::$module::$kind::HAS_PEOPLE),
        )*];

        impl AnyChannel {
            /// The channel of an entry of `channel_list`.
            // A build without channels passes the arguments to none.
            #[allow(unused_variables)]
            fn build(config: &ChannelConfig, shared: &Shared) -> AnyChannel {
                match config.settings {
                    $(#[cfg $gate]
                    crate::config::Settings::$kind(ref settings) => {
                        AnyChannel::$kind(super::$module::$kind::build(config, settings, shared))
                    })*
                }
            }
        }

        /// Evaluates the expression with the channel of the actual kind.
        macro_rules! on_each {
            ($d any:expr, $d channel:ident => $d done:expr) => {
                match *$d any {
                    $(#[cfg $gate] AnyChannel::$kind(ref $d channel) => $d done,)*
                    #[cfg(feature = "simulate")]
                    AnyChannel::Sim(ref $d channel) => $d done,
                    AnyChannel::Cli(ref $d channel) => $d done,
                }
            };
        }
    };
}
crate::registry::channel_kinds!(channels);

/// Not written by a person: a job, the heartbeat, a sub-agent or a device did.
pub fn is_unattended(message: &Inbound) -> bool {
    let device = |(name, people): &(&str, bool)| !people && *name == message.sender.platform;
    message.is_internal() || PLATFORMS.iter().any(device)
}

/// The command that a person's message is. What holds text of others, and what no person wrote, gives no commands.
pub fn command_of(message: &Inbound) -> Option<ChatCommand<'_>> {
    if is_unattended(message) { None } else { command::of_person(message) }
}

/// Gives [`AnyChannel`] the methods of [`Channel`]; each calls that of the actual kind. `$no` and `$none` match nothing: an
/// optional `async` or `&` can be repeated in the output only if a variable is with it.
macro_rules! delegates {
    ($(
        $(#[$doc:meta])*
        $(async $($no:lifetime)?)? fn $name:ident $(<$generic:ident: $bound:ident>)?
            (&$this:ident $(, $arg:ident: $type:ty)* $(,)?)
            $(-> $(& $($none:lifetime)?)? $returned:ident $(<$($of:ty),*>)?)?
            $(;)? $($default:block)?
    )*) => {
        impl AnyChannel {$(
            $(#[$doc])*
            pub $(async $($no)?)? fn $name $(<$generic: $bound>)? (&$this $(, $arg: $type)*)
                $(-> $(& $($none)?)? $returned $(<$($of),*>)?)?
            {
                on_each!($this, channel => channel.$name($($arg),*) $(.await $($no)?)?)
            }
        )*}
    };
}
channel_methods!(delegates);

impl AnyChannel {
    /// Every enabled channel of a configuration.
    pub fn all(config: &Config, client: &HttpClient) -> Vec<AnyChannel> {
        let paired = paired::Paired::load_or_set_aside(&config.home);
        let shared = Shared { client: client.clone(), paired: Rc::new(RefCell::new(paired)) };
        let enabled = config.channels.iter().filter(|channel| channel.enabled);
        enabled.map(|channel| AnyChannel::build(channel, &shared)).collect()
    }
}
