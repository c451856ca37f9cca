//! Who may talk: matches senders against the entries of `allow_from`.
//!
//! An empty list means nobody. Must never look at a display name: anybody can choose one.

use crate::bus::Sender;

/// Whether an entry opens the bot to everybody. Worth a warning at start.
pub fn open_to_all(list: &[String]) -> bool {
    list.iter().any(|entry| entry.trim() == "*")
}

/// Whether `sender` is in `list`.
pub fn allows(list: &[String], sender: &Sender) -> bool {
    list.iter().any(|entry| matches(entry, sender))
}

/// One entry: `*`, `id`, `@user`, `user` (not of digits alone), `id|user` or `platform:id`. User names and platforms
/// match case-insensitively.
pub fn matches(entry: &str, sender: &Sender) -> bool {
    let entry = entry.trim();
    if entry == "*" {
        return true;
    }
    let is_user = |name: &str| {
        !name.is_empty()
            && !sender.username.is_empty()
            && name.eq_ignore_ascii_case(&sender.username)
    };
    let is_id = |id: &str| !id.is_empty() && id == sender.id;
    if let Some(name) = entry.strip_prefix('@') {
        return is_user(name);
    }
    if let Some((id, name)) = entry.split_once('|') {
        return is_id(id.trim()) || is_user(name.trim().trim_start_matches('@'));
    }
    if let Some((platform, id)) = split_canonical(entry) {
        return platform.eq_ignore_ascii_case(&sender.platform) && is_id(id);
    }
    // A user name of digits would let its owner impersonate the id.
    is_id(entry) || (!is_numeric(entry) && is_user(entry))
}

/// The parts of `platform:id`.
pub fn split_canonical(text: &str) -> Option<(&str, &str)> {
    text.split_once(':').filter(|(platform, id)| !platform.is_empty() && !id.is_empty())
}

/// ASCII digits, at least one.
pub fn is_numeric(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(list: &[&str], want: bool) {
        let list: Vec<String> = list.iter().map(|e| e.to_string()).collect();
        let sender = Sender {
            platform: "telegram".into(),
            id: "77".into(),
            username: "Ann".into(),
            name: "88".into(),
        };
        assert_eq!(allows(&list, &sender), want, "{list:?}");
    }

    #[test]
    fn entries() {
        check(&[], false);
        check(&[""], false);
        check(&["*"], true);
        check(&["1", " 77 "], true);
        check(&["7"], false);
        check(&["88"], false);
        check(&["@ann"], true);
        check(&["ann"], true);
        check(&["@"], false);
        check(&["@77"], false);
        check(&["77|bob"], true);
        check(&["1|ann"], true);
        check(&["1|@Ann"], true);
        check(&["1|bob"], false);
        check(&["|"], false);
        check(&["telegram:77"], true);
        check(&["TELEGRAM:77"], true);
        check(&["irc:77"], false);
        check(&["telegram:ann"], false);
    }

    #[test]
    fn a_sender_without_user_name_matches_no_empty_entry() {
        let sender = Sender { platform: "telegram".into(), id: "7".into(), ..Sender::default() };
        for entry in ["", "@", "|", "9|", ":", " "] {
            assert!(!matches(entry, &sender), "{entry:?}");
        }
    }

    #[test]
    fn a_user_name_of_digits_is_no_id() {
        let sender = Sender { id: "7".into(), username: "123".into(), ..Sender::default() };
        assert!(!matches("123", &sender));
    }
}
