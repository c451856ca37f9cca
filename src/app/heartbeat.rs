//! The heartbeat: HEARTBEAT.md is looked through again and again, without a history, and only what needs attention is
//! said, to the chat that wrote last.
//!
//! The time of the last one is in the journal (as the offset of a channel called [`HEARTBEAT`]), so that a restart
//! does not bring the next one forward.

use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use super::inbox::internal::InternalInbox;
use super::notifier::Notifier;
use crate::bus::{HEARTBEAT, Inbound};
use crate::limits::{CLOCK_POLL, HEARTBEAT_FILE_BYTES, HEARTBEAT_FIRST};
use crate::store::bounded_read::{self, FileEnd};
use crate::store::dir::Dir;
use crate::store::frame::Frame;
use crate::store::writer::Journal;
use crate::sys::clock;
use crate::sys::wall_timer::WallTimer;

/// Everything up to here is explanation.
const MARKER: &str = "Add your heartbeat tasks below this line:";

/// Of the workspace.
const FILE: &str = "HEARTBEAT.md";
/// A first HEARTBEAT.md.
const TEMPLATE: &str = "# Heartbeat\n\n\
    Every half hour the assistant looks through the tasks below, for instance:\n\
    - Say so when the disk is more than 90 % full.\n\
    - In the morning: tell me what the calendar file has for today.\n\n\
    It writes only when there is something to tell. Without tasks no model is asked.\n\n\
    Add your heartbeat tasks below this line:\n";

/// What the heartbeat needs.
pub struct Heartbeat {
    /// Has the time of the last one.
    pub journal: Rc<Journal>,
    /// Folder with HEARTBEAT.md, read anew at each beat.
    pub workspace: PathBuf,
    /// Knows the chat to tell.
    pub notifier: Rc<Notifier>,
    /// Accepts the heartbeat's message into the journal.
    pub inbox: InternalInbox,
}

impl Heartbeat {
    /// Looks through the tasks once each `interval`, for ever.
    pub async fn run(&self, interval: Duration) {
        until_clock_is_set().await;
        let last = self.journal.ledger(|l| l.offset(HEARTBEAT));
        if last == 0 {
            self.write_template().await;
        }
        let since = clock::unix_now().saturating_sub(last);
        let first = match last {
            0 => HEARTBEAT_FIRST,
            _ => interval.saturating_sub(Duration::from_secs(since.max(0) as u64)),
        };
        let mut wait = first.max(HEARTBEAT_FIRST);
        loop {
            crate::log::debug!("heartbeat: the next one in {} s", wait.as_secs());
            async_io::Timer::after(wait).await;
            self.run_once().await;
            wait = interval;
        }
    }

    /// Writes the template where there is no file on the very first start; one that was deleted later stays away.
    async fn write_template(&self) {
        let workspace = self.workspace.clone();
        let written = crate::sys::spawn_blocking(move || {
            let dir = Dir::make(&workspace)?;
            let missing = !dir.exists(FILE)?;
            if missing {
                dir.save(FILE, TEMPLATE.as_bytes(), 0o644)?;
            }
            Ok::<_, std::io::Error>(missing)
        })
        .await;
        match written {
            Ok(true) => {
                let event = clock::unix_now();
                self.journal.record(&Frame::Skipped { channel: HEARTBEAT.into(), event });
            }
            Ok(false) => {}
            Err(e) => crate::log::warn!("no HEARTBEAT.md was written: {e}"),
        }
    }

    /// One heartbeat, unless there is nothing to do, nobody to tell, or the last one still runs.
    async fn run_once(&self) {
        let workspace = self.workspace.clone();
        let Some(tasks) = crate::sys::spawn_blocking(move || tasks(&workspace)).await else {
            return;
        };
        let Some(from) = self.notifier.reachable_chat() else {
            crate::log::info!("heartbeat: nobody has written yet, so there is no chat to tell");
            return;
        };
        if self.inbox.has_open(HEARTBEAT, HEARTBEAT) {
            return;
        }
        let date = clock::unix_now();
        let text = format!(
            "Heartbeat: nobody is writing. Look through these tasks and act on those that need it now. \
             If nothing needs attention, answer exactly HEARTBEAT_OK.\n\n{tasks}"
        );
        let mut message = Inbound { from, date, text, ..Inbound::default() };
        message.sender.platform = HEARTBEAT.into();
        message.sender.id = HEARTBEAT.into();
        self.journal.record(&Frame::Skipped { channel: HEARTBEAT.into(), event: date });
        let id = self.inbox.admit(message).await;
        self.inbox.start(id);
    }
}

/// Without a clock no model can be asked.
pub(super) async fn until_clock_is_set() {
    let timer = WallTimer::new();
    while !crate::net::clock_is_set() {
        let waited = match &timer {
            Ok(timer) => timer.until(None).await.is_ok(),
            Err(_) => false,
        };
        if !waited {
            async_io::Timer::after(CLOCK_POLL).await;
        }
    }
}

fn tasks(workspace: &Path) -> Option<String> {
    let read = Dir::find(workspace).and_then(|dir| match dir {
        Some(dir) => bounded_read::below(&dir, FILE, HEARTBEAT_FILE_BYTES, FileEnd::Head),
        None => Ok(None),
    });
    match read {
        Ok(piece) => piece.and_then(|p| listed(&p.text).map(str::to_owned)),
        Err(e) => {
            crate::log::warn!("heartbeat: {FILE}: {e}");
            None
        }
    }
}

/// The tasks in the file; `None` when there is nothing but headings, comments and blank lines.
fn listed(text: &str) -> Option<&str> {
    let below = match text.find(MARKER) {
        Some(at) => &text[at + MARKER.len()..],
        None => text,
    };
    let (mut rest, mut any) = (below, false);
    while !rest.is_empty() && !any {
        rest = rest.trim_start();
        let comment = rest.strip_prefix("<!--");
        let line = rest.find('\n').unwrap_or(rest.len());
        (rest, any) = match comment {
            Some(comment) => (comment.find("-->").map_or("", |at| &comment[at + 3..]), false),
            None => {
                let words = rest[..line].trim_matches(|c: char| !c.is_alphanumeric());
                (&rest[line..], !words.is_empty() && !rest.starts_with('#'))
            }
        };
    }
    any.then(|| below.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, want: Option<&str>) {
        assert_eq!(listed(text), want, "{text:?}");
    }

    #[test]
    fn an_empty_list_is_seen() {
        check("", None);
        check("# Heartbeat\n\n## Tasks\n", None);
        check("# Heartbeat\n<!-- water the plants\n - more -->\n- \n* [ ]\n---\n", None);
        check(TEMPLATE, None);
        check("<!-- never closed", None);
    }

    #[test]
    fn tasks_are_found() {
        check("- water the plants", Some("- water the plants"));
        check("# T\n<!-- x --> do it\n", Some("# T\n<!-- x --> do it"));
        check(&format!("{TEMPLATE}- look\n"), Some("- look"));
        check("水やり", Some("水やり"));
    }
}
