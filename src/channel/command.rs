//! Commands in a chat: parses text into a [`ChatCommand`]. It does not decide who executes it.
//!
//! Must never swallow a message that is not a command: unknown ones go to the model.

use crate::bus::Inbound;

/// What the user wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChatCommand<'a> {
    /// `/start`: answered with [`GREETING`].
    Start,
    /// `/help`: answered with [`HELP`].
    Help,
    /// `/show model`: which model answers this chat.
    ShowModel,
    /// `/show channel`: over which channel instance this chat runs.
    ShowChannel,
    /// `/list models`: the names in `model_list`.
    ListModels,
    /// `/list channels`: the instances in `channel_list`.
    ListChannels,
    /// `/list skills`: installed skills with their descriptions.
    ListSkills,
    /// `/switch model to NAME`.
    SwitchModel(&'a str),
    /// `/clear`: forgets this chat's history.
    Clear,
    /// `/stop`: stops the turn that is running in this chat.
    Stop,
    /// `/btw QUESTION`: answered in parallel with the running turn.
    Btw(&'a str),
    /// `/pair CODE`; the code may be empty.
    Pair(&'a str),
    /// `/skills …`: the rest, trimmed.
    Skills(&'a str),
    /// A known command written wrongly: answered with this text.
    Usage(&'static str),
}

/// The answer to `/start`.
pub const GREETING: &str = "Hello! I am PicoClaw 🦞\nWrite me anything, or /help for the commands.";

/// The answer to `/help`.
pub const HELP: &str = "\
/start - greeting
/help - this list
/show model|channel - what is in use
/list models|channels|skills - what there is
/skills show|install|remove|search - what I can be taught
/switch model to NAME - another model from now on
/clear - forget this chat's history
/stop - stop what I am doing
/btw QUESTION - ask something on the side
/pair CODE - allow yourself to talk to me
Anything else goes to the model. `!` works like `/`.";

/// The command menu of a chat program: name and description (Bot API, setMyCommands).
pub const MENU: &[(&str, &str)] = &[
    ("help", "The commands"),
    ("show", "Show model or channel in use"),
    ("list", "List models, channels or skills"),
    ("skills", "List, show, install or remove skills"),
    ("switch", "Switch model to NAME"),
    ("clear", "Forget this chat's history"),
    ("stop", "Stop what I am doing"),
    ("btw", "Ask something on the side"),
];

const SHOW: &str = "Usage: /show model|channel";
const LIST: &str = "Usage: /list models|channels|skills";
const BTW: &str = "Usage: /btw QUESTION";
const SWITCH: &str = "Usage: /switch model to NAME";

/// The command in a message that a person wrote; none where it holds text of others.
pub(super) fn of_person(message: &Inbound) -> Option<ChatCommand<'_>> {
    if message.untrusted { None } else { parse(&message.text) }
}

/// The command in `text`; whether it is one is for [`super::command_of`] to say. A name may carry `@bot`, which the channel has compared with the bot's own name already.
pub(super) fn parse(text: &str) -> Option<ChatCommand<'_>> {
    let text = text.trim();
    let rest = text.strip_prefix(['/', '!'])?;
    let mut words = rest.split_whitespace();
    // A space after the prefix makes it prose: "! that was close".
    let name = words.next().filter(|name| rest.starts_with(*name))?;
    let after = &rest[name.len()..];
    let name = name.split_once('@').map_or(name, |(name, _)| name);
    let mut known = [0u8; 8];
    let short = known.get_mut(..name.len())?;
    short.copy_from_slice(name.as_bytes());
    short.make_ascii_lowercase();
    let what = words.next().unwrap_or("");
    let is = |word: &str| what.eq_ignore_ascii_case(word);
    Some(match &*short {
        b"start" => ChatCommand::Start,
        b"help" => ChatCommand::Help,
        b"clear" => ChatCommand::Clear,
        b"stop" => ChatCommand::Stop,
        b"btw" if what.is_empty() => ChatCommand::Usage(BTW),
        b"btw" => ChatCommand::Btw(after.trim()),
        b"pair" => ChatCommand::Pair(what),
        b"skills" => ChatCommand::Skills(after.trim()),
        b"show" if is("model") => ChatCommand::ShowModel,
        b"show" if is("channel") => ChatCommand::ShowChannel,
        b"show" => ChatCommand::Usage(SHOW),
        b"list" if is("models") => ChatCommand::ListModels,
        b"list" if is("channels") => ChatCommand::ListChannels,
        b"list" if is("skills") => ChatCommand::ListSkills,
        b"list" => ChatCommand::Usage(LIST),
        b"switch" => {
            let to = words.next().is_some_and(|to| to.eq_ignore_ascii_case("to"));
            match (is("model") && to, words.next(), words.next()) {
                (true, Some(name), None) => ChatCommand::SwitchModel(name),
                _ => ChatCommand::Usage(SWITCH),
            }
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, want: Option<ChatCommand>) {
        assert_eq!(parse(text), want, "{text:?}");
    }

    #[test]
    fn commands() {
        check("/start", Some(ChatCommand::Start));
        check("  !HELP  ", Some(ChatCommand::Help));
        check("/help@pico_bot", Some(ChatCommand::Help));
        check("/show model", Some(ChatCommand::ShowModel));
        check("/show Channel", Some(ChatCommand::ShowChannel));
        check("/show", Some(ChatCommand::Usage(SHOW)));
        check("/list\nmodels", Some(ChatCommand::ListModels));
        check("/list channels", Some(ChatCommand::ListChannels));
        check("/list skills", Some(ChatCommand::ListSkills));
        check("/list everything", Some(ChatCommand::Usage(LIST)));
        check("/switch model to gpt-4", Some(ChatCommand::SwitchModel("gpt-4")));
        check("/switch model gpt-4", Some(ChatCommand::Usage(SWITCH)));
        check("/switch model to", Some(ChatCommand::Usage(SWITCH)));
        check("/switch model to a b", Some(ChatCommand::Usage(SWITCH)));
        check("/switch channel to x", Some(ChatCommand::Usage(SWITCH)));
        check("/clear", Some(ChatCommand::Clear));
        check("/stop now", Some(ChatCommand::Stop));
        check("/btw  what time\nis it? ", Some(ChatCommand::Btw("what time\nis it?")));
        check("!btw", Some(ChatCommand::Usage(BTW)));
        check("/pair ABCD2345", Some(ChatCommand::Pair("ABCD2345")));
        check("/pair", Some(ChatCommand::Pair("")));
        check("/skills", Some(ChatCommand::Skills("")));
        check("/Skills@bot  install  o/r ", Some(ChatCommand::Skills("install  o/r")));
    }

    #[test]
    fn other_texts_go_to_the_model() {
        check("hello", None);
        check("", None);
        check("/", None);
        check("!", None);
        check("! help", None);
        check("/unknown", None);
        check("/usr/bin/env", None);
        check("/стоп", None);
        check("say /stop", None);
    }
}
