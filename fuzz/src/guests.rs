//! Feeds for what clients, cameras and servers of others send, and for what other homes and backups hold.

#[cfg(feature = "backup")]
use std::path::Path;
#[cfg(feature = "encryption")]
use std::path::PathBuf;

#[cfg(any(
    feature = "backup",
    feature = "encryption",
    feature = "maixcam",
    feature = "media",
    feature = "migrate",
    feature = "pico"
))]
use super::feeds::lossy;
#[cfg(feature = "encryption")]
use picoclaw::config::enc::{Keys, PREFIX};
#[cfg(feature = "backup")]
use picoclaw::proto::tar_writer;

/// Names, types and words of media, and the form that carries them.
#[cfg(feature = "media")]
pub fn feed_media(data: &[u8]) {
    use picoclaw::channel::media;
    use picoclaw::limits::VOICE_CHARS;
    use std::sync::Arc;
    let text = lossy(data);
    if let Some(head) = data.first_chunk() {
        picoclaw::provider::picture::kind(head);
    }
    if let Ok(words) = picoclaw::provider::voice::parse(data) {
        assert!((1..=VOICE_CHARS).contains(&words.chars().count()));
        assert!(!words.contains(char::is_control));
    }
    let (first, second) = text.split_once('\n').unwrap_or((&text, ""));
    let kind = media::kind(first, second);
    let name = media::file_name(7, first, kind);
    assert!(name.len() <= 64 && !name.contains('/') && name.starts_with("7_"));
    assert!(media::inject(first, &format!("[{kind}:/{name}]")).contains(&name));
    // Whatever a file is called, the form has two parts, and the file is the second.
    let file = Arc::new(std::fs::File::open("/dev/null").expect("a file"));
    let form = picoclaw::net::upload::MultipartForm::new(&[("model", "m")], "file", first, file, 0);
    let mark = form.kind.split_once("boundary=").expect("a boundary").1.to_owned();
    let body = String::from_utf8(form.body).expect("text");
    let parts: Vec<&str> = body.split(&format!("--{mark}")).collect();
    assert_eq!((parts.len(), parts[0], parts[3]), (4, "", "--\r\n"));
    let head = parts[2].strip_suffix("\r\n\r\n\r\n").expect("a head and no content");
    let lines: Vec<&str> = head.trim_start().split("\r\n").collect();
    assert!(lines.len() == 2 && lines[0].matches('"').count() == 4, "{lines:?}");
}

/// An envelope is understood or answered with an error; what is to be said has something in it.
#[cfg(feature = "pico")]
pub fn feed_pico(data: &[u8]) {
    use picoclaw::channel::pico::envelope::{self, PicoRequest};
    let text = lossy(data);
    for text in [&*text, &format!(r#"{{"type":"message.send","payload":{text}}}"#)] {
        match envelope::read(text, "s") {
            (_, PicoRequest::Message(words)) => assert!(!words.trim().is_empty()),
            (id, PicoRequest::Ping) => drop(id),
            (_, PicoRequest::Wrong(code, why)) => assert!(!code.is_empty() && !why.is_empty()),
        }
    }
}

/// A camera's event is five lines, however it names what it saw.
#[cfg(feature = "maixcam")]
pub fn feed_maixcam(data: &[u8]) {
    let text = lossy(data);
    for text in [&*text, &format!(r#"{{"data":{{"class_name":{text}}}}}"#)] {
        let Ok(event) = serde_json::from_str(text) else { continue };
        let words = picoclaw::channel::maixcam::text(&event, 0);
        assert_eq!(words.lines().count(), 5, "{words}");
        assert!(words.chars().count() < picoclaw::limits::CAMERA_CLASS + 200);
    }
}

/// What is sealed opens; what is not, or was changed, is an error.
#[cfg(feature = "encryption")]
pub fn feed_enc(data: &[u8]) {
    let text = lossy(data);
    // Any file does for a key.
    let file = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"));
    let keys = Keys { passphrase: "p".to_owned(), file };
    assert!(keys.decrypt(&text).is_err());
    if text.is_empty() {
        return;
    }
    let sealed = keys.encrypt(&text).expect("a key file");
    let sealed = sealed.strip_prefix(PREFIX).expect("marked");
    assert_eq!(keys.decrypt(sealed).ok(), Some(text));
    let mut other = sealed.to_owned().into_bytes();
    let at = data.len() * 7 % other.len();
    other[at] = if other[at] == b'A' { b'B' } else { b'A' };
    // The last sign may carry bits that mean nothing; such a text is refused, too.
    assert!(keys.decrypt(&String::from_utf8(other).expect("text")).is_err());
}

/// Any of their four files at a time: no more entries than allowed, each of them whole.
#[cfg(feature = "migrate")]
pub fn feed_openclaw(data: &[u8]) {
    use picoclaw::command::migrate::{from_openclaw, report::MigrationReport};
    use picoclaw::limits::MIGRATE_MODELS;
    let Ok(theirs) = from_openclaw::read(&lossy(data)) else { return };
    for place in 0..4 {
        let mut files: [serde_json::Value; 4] = Default::default();
        // The others' keys and addresses are looked up for a model.
        files[0] = serde_json::json!({"agents": {"defaults": {"model": "openai/x"}}});
        files[place] = theirs.clone();
        let [config, more @ ..] = files;
        let ours = from_openclaw::convert(&config, &more, &mut MigrationReport::new(true));
        let models = ours["model_list"].as_array().expect("a list");
        assert!(models.len() <= MIGRATE_MODELS);
        assert!(models.iter().all(|m| m["model_name"].is_string() && m["provider"].is_string()));
        assert!(ours["channel_list"].is_object() && ours["version"] == 3);
    }
}

/// As a whole archive, and each line as an entry of a good one (`PATH CONTENT`): nothing is written elsewhere.
#[cfg(feature = "backup")]
pub fn feed_backup(data: &[u8]) {
    let name = format!("picoclaw-fuzz-{}-{:?}", std::process::id(), std::thread::current().id());
    let top = std::env::temp_dir().join(name);
    for archive in [data.to_vec(), backup(&lossy(data))] {
        std::fs::create_dir_all(top.join("new")).expect("a folder");
        let unpacked = picoclaw::command::restore::unpack(&mut &*archive, top.join("new"), None);
        let mut files = 0;
        count(&top.join("new"), &mut files);
        // A later copy stands for an earlier one.
        assert!(unpacked.is_err() || unpacked.is_ok_and(|there| files <= there.files));
        let beside = std::fs::read_dir(&top).expect("a folder").count();
        assert_eq!(beside, 1, "something lies beside it");
        std::fs::remove_dir_all(&top).expect("removed");
    }
}

/// An archive of these lines behind a good manifest.
#[cfg(feature = "backup")]
pub fn backup(lines: &str) -> Vec<u8> {
    let mut plain = Vec::new();
    let mut add = |name: &str, content: &str| {
        let folder = content.is_empty() && name.ends_with('/');
        let size = (!folder).then_some(content.len() as u64);
        assert!(tar_writer::header(&name.replace('\0', "x"), size, 0o640, 7, &mut plain));
        plain.extend_from_slice(content.as_bytes());
        plain.resize(plain.len() + tar_writer::padding(content.len() as u64), 0);
    };
    add("picoclaw-backup.json", r#"{"version": 1, "workspace": null}"#);
    for line in lines.lines().take(9) {
        let (name, content) = line.split_once(' ').unwrap_or((line, ""));
        add(name, content);
    }
    plain.extend(tar_writer::END);
    let mut gzip = tar_writer::Gzip::default();
    let mut archive = tar_writer::Gzip::HEAD.to_vec();
    for part in plain.chunks(tar_writer::BLOCK) {
        archive.extend(gzip.block(part));
        archive.extend(part);
    }
    archive.extend(gzip.end());
    archive
}

#[cfg(feature = "backup")]
fn count(folder: &Path, files: &mut u64) {
    for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
        match entry.file_type().expect("a type") {
            kind if kind.is_dir() => count(&entry.path(), files),
            kind => {
                assert!(kind.is_file(), "a link or a device");
                *files += 1;
            }
        }
    }
}
