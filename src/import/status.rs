//! `picoclaw.status.txt` on the boot partition: for a person with a card reader.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use crate::sys::board;

/// Name on the boot partition.
pub const NAME: &str = "picoclaw.status.txt";

/// What import did, in lines for a person.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImportStatus {
    /// Names taken, on this start or the last one that took any.
    pub taken: Vec<String>,
    /// Name and what is wrong with it.
    pub broken: Vec<(String, String)>,
}

impl ImportStatus {
    /// Plain lines.
    pub fn text(&self) -> String {
        let mut text = String::new();
        if !self.taken.is_empty() {
            text.push_str("Imported from this card: ");
            text.push_str(&self.taken.join(", "));
            text.push('\n');
        }
        for (name, wrong) in &self.broken {
            text.push_str("NOT imported: ");
            text.push_str(name);
            text.push_str(": ");
            text.push_str(wrong);
            text.push('\n');
        }
        if text.is_empty() {
            text.push_str("Nothing was taken from this card yet: see picoclaw.json.txt.\n");
        }
        text
    }
}

/// The whole file. `announcement` comes from the daemon and is cut to printable lines. DOS line ends, for any editor.
pub fn compose(report: &str, announcement: &str) -> String {
    let mut text = String::from("PicoClaw writes this file; editing it changes nothing.\r\n\r\n");
    for line in report.lines().chain(announcement.lines()) {
        text.extend(line.chars().filter(|c| !c.is_control()));
        text.push_str("\r\n");
    }
    text
}

/// Runs `body` with the partition writable; read-only again after it, if it was.
pub fn writable<T>(boot: &Path, body: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    let read_only = board::is_read_only(boot)?;
    if read_only {
        board::remount(boot, false)?;
    }
    let result = body();
    if read_only {
        board::remount(boot, true)?;
    }
    result
}

/// The file needs no writing.
pub fn is_current(boot: &Path, text: &str) -> bool {
    fs::read(boot.join(NAME)).is_ok_and(|old| old == text.as_bytes())
}

/// Writes the file; the partition must be writable.
pub fn write(boot: &Path, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .custom_flags(libc::O_NOFOLLOW)
        .open(boot.join(NAME))?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    File::open(boot)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports() {
        let mut report = ImportStatus::default();
        assert!(report.text().starts_with("Nothing was taken"));
        report.taken = vec!["picoclaw.json".into(), "hostname".into()];
        report.broken = vec![("wifi.pass".into(), "5 characters".into())];
        assert_eq!(
            report.text(),
            "Imported from this card: picoclaw.json, hostname\nNOT imported: wifi.pass: 5 characters\n"
        );
    }

    #[test]
    fn daemon_text_has_no_control_characters() {
        let text = compose("one\n", "bot: https://t.me/x\n\x1b[2Jcode: \u{7}ABCD");
        assert!(text.ends_with("\r\none\r\nbot: https://t.me/x\r\n[2Jcode: ABCD\r\n"), "{text:?}");
    }

    #[test]
    fn an_unchanged_file_is_known() {
        let boot = std::env::temp_dir().join(format!("picoclaw-status-{}", std::process::id()));
        fs::create_dir_all(&boot).expect("folder");
        assert!(!is_current(&boot, "x"));
        writable(&boot, || write(&boot, "x")).expect("write");
        assert!(is_current(&boot, "x"));
        assert!(!is_current(&boot, "y"));
        fs::remove_dir_all(&boot).expect("remove");
    }
}
