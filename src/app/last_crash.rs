//! How the daemon ended last time nobody had asked for it: shown by `status`, told to the owner once.
//!
//! The supervisor writes `state/crash.txt`; here it is only read, and `state/crash.told` remembers which was told.

use std::path::Path;

use super::notifier::Notifier;
use crate::limits::CRASH_HEAD_BYTES;
use crate::proto::date;
use crate::store::atomic;
use crate::store::bounded_read::{self, FileEnd};
use crate::store::dir::Dir;

/// Facts in front of the log lines of a crash report.
fn head(state: &Path) -> Option<String> {
    let limit = CRASH_HEAD_BYTES as usize;
    let text =
        bounded_read::below(&Dir::open(state).ok()?, "crash.txt", limit, FileEnd::Head).ok()??.text;
    Some(text.split("last log lines:").next().unwrap_or_default().to_owned())
}

/// One line for a person: how, after how long, when. `None` without a report.
pub fn summary(state: &Path) -> Option<String> {
    describe(&head(state)?)
}

fn describe(head: &str) -> Option<String> {
    let value = |key: &str| head.lines().find_map(|l| l.strip_prefix(key)?.strip_prefix(": "));
    let how = value("ended by")?;
    let uptime = value("uptime").unwrap_or("an unknown time");
    let when = value("unix time").and_then(|t| t.parse().ok());
    let when = when.map_or_else(String::new, |t| format!(", {}", date::rfc3339(t)));
    Some(format!("{how} after {uptime}{when}"))
}

/// Tells the owner about a report that has not been told yet.
pub async fn report_to_owner(notifier: &Notifier, state: &Path) {
    let (told, folder) = (state.join("crash.told"), state.to_owned());
    let path = told.clone();
    let read = move || {
        let head = head(&folder)?;
        let known = atomic::read_bounded(&path, CRASH_HEAD_BYTES).ok().flatten();
        Some(head).filter(|head| known.is_none_or(|told| told != head.as_bytes()))
    };
    let Some(head) = crate::sys::spawn_blocking(read).await else { return };
    let Some(line) = describe(&head) else { return };
    if notifier.last_chat().is_none() {
        // There is nobody to tell yet.
        return;
    }
    notifier.notify(&format!(
        "⚠️ I had ended ({line}) and was started again. state/crash.txt has the details."
    ));
    if let Err(e) = atomic::write_later(told, head.into_bytes(), 0o600).await {
        crate::log::warn!("the owner may be told of the same end again: {e}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(head: &str, want: Option<&str>) {
        assert_eq!(describe(head).as_deref(), want);
    }

    #[test]
    fn reports_in_one_line() {
        check(
            "version: 1\nunix time: 86400\nuptime: 12 s\nended by: signal 11 (SIGSEGV)\n",
            Some("signal 11 (SIGSEGV) after 12 s, 1970-01-02T00:00:00Z"),
        );
        check("ended by: exit status 1\n", Some("exit status 1 after an unknown time"));
        check("unix time: x\nended by: a\nuptime: 1 s", Some("a after 1 s"));
        check("uptime: 1 s\n", None);
        check("", None);
    }
}
