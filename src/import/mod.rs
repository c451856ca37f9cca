//! `picoclaw-import`: takes what a person left on the boot partition, before the network is up.
//!
//! A file leaves the card only after its contents are safe on the data partition; a broken one stays there, and
//! `picoclaw.status.txt` says why. Nothing is ever run, sourced or used as a path.

pub mod files;
pub mod growpart;
pub mod status;
pub mod table;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use self::status::ImportStatus;
use self::table::{Destination, TABLE, Validity};
use crate::proto::text;
use crate::sys::service::{Identity, as_user};
use crate::{Error, Result};

/// The report in the run folder, for `picoclaw status` and the supervisor.
pub const REPORT: &str = "import.txt";

/// Where the import reads and writes.
pub struct ImportPaths {
    /// Mount point of the boot partition.
    pub boot: PathBuf,
    /// The daemon's home.
    pub home: PathBuf,
    /// Root's own folder on the data partition.
    pub system: PathBuf,
    /// Where the report is published, in RAM.
    pub run: PathBuf,
    /// The image is PicoClaw's own: more than `picoclaw.json` is taken.
    pub own_image: bool,
}

/// Takes everything there is. Errors are those of the data partition or a card that cannot be written; what is wrong
/// with a file is in the report.
pub fn accept(places: &ImportPaths, identity: Option<&Identity>) -> Result<ImportStatus> {
    let boot = &places.boot;
    let memory = places.system.join("import.txt");
    let mut report = ImportStatus { taken: remembered(&memory), broken: Vec::new() };
    let (mut taken, mut doomed) = (Vec::new(), Vec::new());
    for entry in TABLE.iter().filter(|e| e.everywhere || places.own_image) {
        let verdict = match files::read(&boot.join(entry.name)) {
            Ok(None) => continue,
            Ok(Some(bytes)) => entry.validate(&bytes),
            Err(wrong) => Validity::Broken(wrong),
        };
        let stored = match &verdict {
            Validity::Broken(wrong) => {
                report.broken.push((entry.name.to_owned(), wrong.clone()));
                continue;
            }
            Validity::Wiped => {
                doomed.push(entry.name);
                continue;
            }
            Validity::Store(bytes) => put(places, identity, entry.place, Some(bytes)),
            Validity::Remove => put(places, identity, entry.place, None),
        };
        match stored {
            Ok(()) => {
                let note = if verdict == Validity::Remove { " (setting removed)" } else { "" };
                taken.push(format!("{}{note}", entry.name));
                doomed.push(entry.name);
            }
            Err(e) => report.broken.push((entry.name.to_owned(), format!("cannot be stored: {e}"))),
        }
    }
    if !taken.is_empty() {
        if places.own_image {
            wifi(&places.system)
                .map_err(|e| Error::from(e).context("cannot write wpa_supplicant.conf"))?;
        }
        files::store(&memory, taken.join("\n").as_bytes())?;
        report.taken = taken;
    }
    publish(&places.run, &report.text());
    let text = status::compose(&report.text(), "");
    // After a start with nothing new, what the daemon announced last time still holds.
    let old = fs::read_to_string(boot.join(status::NAME)).unwrap_or_default();
    let told = doomed.is_empty() && old.starts_with(&text);
    if !told || files::unfinished(boot) {
        status::writable(boot, || {
            files::finish_wipe(boot)?;
            for name in &doomed {
                files::wipe(boot, name)?;
            }
            if told { Ok(()) } else { status::write(boot, &text) }
        })
        .map_err(|e| Error::from(e).context(format!("cannot write to {}", boot.display())))?;
    }
    Ok(report)
}

/// Names that the last import with anything to take took.
fn remembered(memory: &Path) -> Vec<String> {
    let text = fs::read_to_string(memory).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

fn publish(run: &Path, text: &str) {
    let path = run.join(REPORT);
    if let Err(e) = fs::create_dir_all(run).and_then(|()| fs::write(&path, text)) {
        // For status only; what was taken stays taken.
        eprintln!(
            "import: {} cannot be written: {e}; `picoclaw status` shows no or an older report; see the rights and the \
             room there",
            path.display()
        );
    }
}

/// Stores or removes one setting.
fn put(
    places: &ImportPaths,
    identity: Option<&Identity>,
    place: Destination,
    bytes: Option<&[u8]>,
) -> io::Result<()> {
    let act = |path: &Path| match bytes {
        Some(bytes) => files::store(path, bytes),
        None => files::remove(path),
    };
    match place {
        // The user owns that folder and could lay links in it: write with the user's rights.
        Destination::Home(name) => as_user(identity, || act(&places.home.join(name))),
        Destination::System(name) => act(&places.system.join(name)),
    }
}

/// Makes wpa_supplicant's configuration of the two values. The name goes in hex, so nothing in it needs quoting; of a
/// quoted password wpa_supplicant takes everything up to the line's last quote.
fn wifi(system: &Path) -> io::Result<()> {
    let value = |name: &str| fs::read_to_string(system.join(name)).unwrap_or_default();
    let (ssid, pass) = (value("wifi.ssid"), value("wifi.pass"));
    let path = system.join("wpa_supplicant.conf");
    if ssid.is_empty() {
        return files::remove(&path);
    }
    let ssid = text::hex(ssid.as_bytes());
    let key = match pass.len() {
        0 => "key_mgmt=NONE".to_owned(),
        64 => format!("psk={pass}"),
        _ => format!("psk=\"{pass}\""),
    };
    let text = format!(
        "ctrl_interface=/run/wpa_supplicant\nnetwork={{\n\tssid={ssid}\n\tscan_ssid=1\n\t{key}\n}}\n"
    );
    files::store(&path, text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Card(ImportPaths);

    impl Card {
        fn new(name: &str, own_image: bool) -> Card {
            let root =
                std::env::temp_dir().join(format!("picoclaw-card-{name}-{}", std::process::id()));
            let _ = fs::remove_dir_all(&root);
            let at = |name: &str| root.join(name);
            let places = ImportPaths {
                boot: at("boot"),
                home: at("home"),
                system: at("system"),
                run: at("run"),
                own_image,
            };
            for folder in [&places.boot, &places.home, &places.system] {
                fs::create_dir_all(folder).expect("folder");
            }
            Card(places)
        }
        fn lay(&self, name: &str, bytes: &[u8]) {
            fs::write(self.0.boot.join(name), bytes).expect("lay");
        }
        fn accept(&self) -> ImportStatus {
            accept(&self.0, None).expect("accepted")
        }
        fn on_card(&self) -> Vec<String> {
            let mut names: Vec<_> = fs::read_dir(&self.0.boot)
                .expect("boot")
                .map(|e| e.expect("entry").file_name().into_string().expect("name"))
                .collect();
            names.sort_unstable();
            names
        }
        fn stored(&self) -> String {
            fs::read_to_string(self.0.home.join("config.d/50-boot.json")).unwrap_or_default()
        }
        fn told(&self) -> String {
            fs::read_to_string(self.0.boot.join(status::NAME)).expect("status")
        }
    }

    impl Drop for Card {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(self.0.boot.parent().expect("parent"));
        }
    }

    #[test]
    fn everything_is_taken_and_leaves_the_card() {
        let card = Card::new("all", true);
        card.lay("picoclaw.json", b"\xef\xbb\xbf{\"a\": 1}\r\n");
        card.lay("wifi.ssid", b"Net\r\n");
        card.lay("wifi.pass", b"pa\"ss$word\r\n");
        card.lay("holiday.jpeg", b"mine");
        let report = card.accept();
        assert_eq!(report.taken, ["picoclaw.json", "wifi.ssid", "wifi.pass"]);
        assert_eq!(card.on_card(), ["holiday.jpeg", "picoclaw.status.txt"]);
        assert_eq!(card.stored(), "{\"a\": 1}\r\n");
        let wpa = fs::read_to_string(card.0.system.join("wpa_supplicant.conf")).expect("wpa");
        assert!(
            wpa.contains("\tssid=4e6574\n") && wpa.contains("\tpsk=\"pa\"ss$word\"\n"),
            "{wpa}"
        );
        assert!(
            card.told()
                .contains("Imported from this card: picoclaw.json, wifi.ssid, wifi.pass\r\n")
        );
        // The next start has nothing to do and still tells it.
        assert_eq!(card.accept(), report);
    }

    #[test]
    fn vendor_images_give_their_one_file() {
        let card = Card::new("vendor", false);
        card.lay("picoclaw.json", b"{}");
        card.lay("wifi.ssid", b"Net");
        card.accept();
        assert_eq!(card.on_card(), ["picoclaw.status.txt", "wifi.ssid"]);
    }

    #[test]
    fn a_broken_file_stays_and_the_last_good_one_holds() {
        let card = Card::new("broken", true);
        card.lay("picoclaw.json", b"{\"good\": 1}");
        card.accept();
        card.lay("picoclaw.json", b"{\n \"a\" 1}");
        card.lay("hostname", b"../../etc/passwd");
        fs::create_dir(card.0.boot.join("wifi.ssid")).expect("folder");
        card.accept();
        assert_eq!(
            card.on_card(),
            ["hostname", "picoclaw.json", "picoclaw.status.txt", "wifi.ssid"]
        );
        assert_eq!(card.stored(), "{\"good\": 1}");
        let told = card.told();
        assert!(told.contains("Imported from this card: picoclaw.json\r\n"), "{told}");
        assert!(
            told.contains(
                "NOT imported: picoclaw.json: not JSON: expected `:` at line 2 column 6\r\n"
            ),
            "{told}"
        );
        assert!(
            told.contains("NOT imported: wifi.ssid: a folder, where a file belongs\r\n"),
            "{told}"
        );
        // Mended: taken.
        card.lay("picoclaw.json", b"{\"new\": 1}");
        card.accept();
        assert_eq!(card.stored(), "{\"new\": 1}");
    }

    #[test]
    fn an_interrupted_wipe_changes_no_setting() {
        let card = Card::new("cut", true);
        card.lay("hostname", b"claw");
        card.accept();
        card.lay("hostname", &[0; 4]);
        card.lay("picoclaw.json", b"\0\0\0}");
        card.lay("picoclaw.old", b"secret");
        assert_eq!(card.accept().broken, []);
        assert_eq!(card.on_card(), ["picoclaw.status.txt"]);
        assert_eq!(fs::read(card.0.system.join("hostname")).expect("name"), b"claw");
    }

    #[test]
    fn a_data_partition_that_cannot_be_written_keeps_the_file_on_the_card() {
        let card = Card::new("full", true);
        fs::remove_dir_all(&card.0.home).expect("remove");
        fs::write(&card.0.home, "not a folder").expect("write");
        card.lay("picoclaw.json", b"{}");
        let report = card.accept();
        assert!(report.broken[0].1.starts_with("cannot be stored: "), "{report:?}");
        assert!(card.on_card().contains(&"picoclaw.json".to_owned()));
    }
}
