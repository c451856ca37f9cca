//! The files that the boot partition may hold, and what each may contain. Pure: bytes in, what to store out.
//!
//! Nothing of a file is ever run or sourced: values are checked here and stored as values.

use std::borrow::Cow;

/// Where a file's contents go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Destination {
    /// The user's home.
    Home(&'static str),
    /// Root's folder on the data partition.
    System(&'static str),
}

/// What becomes of one file.
#[derive(Debug, PartialEq, Eq)]
pub enum Validity {
    /// Store these bytes.
    Store(Vec<u8>),
    /// An empty file takes the setting back.
    Remove,
    /// Left over from a wipe that power loss cut short: nothing in it any more.
    Wiped,
    /// What is wrong, for a person; with line and column where there are any.
    Broken(String),
}

/// One line of the table.
pub struct BootFile {
    /// Name on the boot partition.
    pub name: &'static str,
    /// Where it goes.
    pub place: Destination,
    /// Imported on vendor images too.
    pub everywhere: bool,
    /// Reads the contents, byte order mark taken off.
    read: fn(&str) -> Result<Vec<u8>, String>,
    /// An empty file is a value (a flag), not a removal.
    flag: bool,
}

/// Every file that is looked at; anything else on the partition is left alone.
pub static TABLE: &[BootFile] = &[
    BootFile::of("picoclaw.json", Destination::Home("config.d/50-boot.json"), json).everywhere(),
    BootFile::of("wifi.ssid", Destination::System("wifi.ssid"), ssid),
    BootFile::of("wifi.pass", Destination::System("wifi.pass"), passphrase),
    BootFile::of("wifi.sta", Destination::System("wifi.sta"), flag).flag(),
    BootFile::of("hostname", Destination::System("hostname"), hostname),
    BootFile::of("resolv.conf", Destination::System("resolv.conf"), resolv_conf),
    BootFile::of("usb.ncm", Destination::System("usb.ncm"), flag).flag(),
    BootFile::of("authorized_keys", Destination::System("authorized_keys"), authorized_keys),
    BootFile::of("root.hash", Destination::System("root.hash"), hash),
];

impl BootFile {
    const fn of(
        name: &'static str,
        place: Destination,
        read: fn(&str) -> Result<Vec<u8>, String>,
    ) -> BootFile {
        BootFile { name, place, everywhere: false, read, flag: false }
    }
    const fn everywhere(self) -> BootFile {
        BootFile { everywhere: true, ..self }
    }
    const fn flag(self) -> BootFile {
        BootFile { flag: true, ..self }
    }

    /// Judges a file's contents.
    pub fn validate(&self, bytes: &[u8]) -> Validity {
        // Overwritten from the front; no text begins with NUL.
        if bytes.first() == Some(&0) && bytes.get(1).is_none_or(|b| *b == 0) {
            return Validity::Wiped;
        }
        let text = match text(bytes) {
            Ok(text) => text,
            Err(e) => return Validity::Broken(e),
        };
        if text.trim().is_empty() && !self.flag {
            return match self.place {
                Destination::Home(_) => Validity::Broken("empty".to_owned()),
                Destination::System(_) => Validity::Remove,
            };
        }
        if self.flag && text.trim() == "off" {
            return Validity::Remove;
        }
        match (self.read)(&text) {
            Ok(bytes) => Validity::Store(bytes),
            Err(e) => Validity::Broken(e),
        }
    }
}

/// UTF-8 without byte order mark, or UTF-16 with one (Notepad's "Unicode").
fn text(bytes: &[u8]) -> Result<Cow<'_, str>, String> {
    let unit: fn([u8; 2]) -> u16 = match bytes {
        [0xff, 0xfe, ..] => u16::from_le_bytes,
        [0xfe, 0xff, ..] => u16::from_be_bytes,
        _ => {
            let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
            return match std::str::from_utf8(bytes) {
                Ok(text) => Ok(Cow::Borrowed(text)),
                Err(e) => {
                    let (line, column) = position(&bytes[..e.valid_up_to()]);
                    Err(format!("not UTF-8 text (line {line}, column {column}): save it as UTF-8"))
                }
            };
        }
    };
    let units = bytes[2..].chunks_exact(2).map(|pair| unit([pair[0], pair[1]]));
    char::decode_utf16(units)
        .collect::<Result<String, _>>()
        .map(Cow::Owned)
        .map_err(|_| "broken UTF-16 text".to_owned())
}

fn position(before: &[u8]) -> (usize, usize) {
    let line = before.iter().filter(|b| **b == b'\n').count() + 1;
    let column = before.iter().rev().take_while(|b| **b != b'\n').count() + 1;
    (line, column)
}

/// Only the form is judged here; the daemon judges the meaning, with the names of the keys.
fn json(text: &str) -> Result<Vec<u8>, String> {
    match serde_json::from_str::<serde::de::IgnoredAny>(text) {
        Err(e) => Err(format!("not JSON: {e}")),
        Ok(_) if !text.trim_start().starts_with('{') => {
            Err("not a JSON object: it must begin with {".to_owned())
        }
        Ok(_) => Ok(text.as_bytes().to_vec()),
    }
}

/// The one value of a file: its first line, unchanged. A password may begin or end with a space.
fn value(text: &str) -> Result<&str, String> {
    let mut lines = text.lines();
    let first = lines.next().unwrap_or_default();
    if lines.any(|line| !line.trim().is_empty()) {
        return Err("line 2: one line only".to_owned());
    }
    match first.chars().position(char::is_control) {
        Some(at) => Err(format!("line 1, column {}: a control character", at + 1)),
        None => Ok(first),
    }
}

fn ssid(text: &str) -> Result<Vec<u8>, String> {
    let value = value(text)?;
    if value.len() > 32 { Err("longer than 32 bytes".to_owned()) } else { Ok(value.into()) }
}

fn passphrase(text: &str) -> Result<Vec<u8>, String> {
    let value = value(text)?;
    let key = value.len() == 64 && value.bytes().all(|b| b.is_ascii_hexdigit());
    if key || (8..=63).contains(&value.len()) {
        Ok(value.into())
    } else {
        Err(format!("{} characters; a Wi-Fi password has 8 to 63", value.len()))
    }
}

fn flag(_: &str) -> Result<Vec<u8>, String> {
    Ok(b"on\n".to_vec())
}

fn hostname(text: &str) -> Result<Vec<u8>, String> {
    let value = value(text)?.trim();
    let good = (1..=63).contains(&value.len())
        && value.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        && !value.starts_with('-')
        && !value.ends_with('-');
    if good {
        Ok(value.into())
    } else {
        Err("a host name has 1 to 63 letters, digits and inner hyphens".to_owned())
    }
}

/// Name servers and search domains, one a line; what follows a value is dropped.
fn resolv_conf(text: &str) -> Result<Vec<u8>, String> {
    let mut out = String::new();
    for (n, line) in text.lines().enumerate() {
        let line = line.split(['#', ';']).next().unwrap_or_default();
        let mut words = line.split_whitespace();
        let (key, value) = match (words.next(), words.next()) {
            (None, _) => continue,
            (Some(key), Some(value)) => (key, value),
            (Some(key), None) => return Err(format!("line {}: {key} has no value", n + 1)),
        };
        let good = match key {
            "nameserver" => value.parse::<std::net::IpAddr>().is_ok(),
            "search" | "domain" | "options" => {
                value.bytes().all(|b| b.is_ascii_alphanumeric() || b".-_:".contains(&b))
            }
            _ => return Err(format!("line {}: unknown word {key}", n + 1)),
        };
        if !good {
            return Err(format!("line {}: {key} {value}: not an address or name", n + 1));
        }
        out.push_str(key);
        out.push(' ');
        out.push_str(value);
        out.push('\n');
    }
    if out.is_empty() { Err("no name server in it".to_owned()) } else { Ok(out.into_bytes()) }
}

fn authorized_keys(text: &str) -> Result<Vec<u8>, String> {
    let mut out = String::new();
    for (n, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let mut words = line.split_whitespace();
        let kind = words.next().unwrap_or_default();
        let known = ["ssh-ed25519", "ssh-rsa", "ecdsa-sha2-", "sk-ssh-", "sk-ecdsa-"]
            .iter()
            .any(|k| kind.starts_with(k));
        let body = words.next().unwrap_or_default();
        if !known
            || body.len() < 32
            || !body.bytes().all(|b| b.is_ascii_alphanumeric() || b"+/=".contains(&b))
        {
            return Err(format!("line {}: not a public SSH key", n + 1));
        }
        out.push_str(line);
        out.push('\n');
    }
    if out.is_empty() { Err("no key in it".to_owned()) } else { Ok(out.into_bytes()) }
}

/// A crypt(3) string, as `openssl passwd -6` prints it: never a password itself.
fn hash(text: &str) -> Result<Vec<u8>, String> {
    let value = value(text)?.trim();
    let good = value.starts_with('$')
        && value.matches('$').count() >= 3
        && (20..=256).contains(&value.len())
        && value.bytes().all(|b| b.is_ascii_alphanumeric() || b"$./=,".contains(&b));
    if good {
        Ok(value.into())
    } else {
        Err("not a password hash: make one with `openssl passwd -6`".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(name: &str, bytes: &[u8], want: &str) {
        let entry = TABLE.iter().find(|e| e.name == name).expect("in the table");
        let got = match entry.validate(bytes) {
            Validity::Store(bytes) => format!("= {}", String::from_utf8(bytes).expect("text")),
            Validity::Remove => "removed".to_owned(),
            Validity::Wiped => "wiped".to_owned(),
            Validity::Broken(e) => e,
        };
        assert_eq!(got, want);
    }

    #[test]
    fn json_files() {
        check("picoclaw.json", b"{}", "= {}");
        check(
            "picoclaw.json",
            b"\xef\xbb\xbf{\"a\": \"$x'`\\\"\"}\r\n",
            "= {\"a\": \"$x'`\\\"\"}\r\n",
        );
        check("picoclaw.json", b"\xff\xfe{\0}\0", "= {}");
        check("picoclaw.json", b"\xfe\xff\0{\0}", "= {}");
        check(
            "picoclaw.json",
            b"{\n  \"a\": 1,\n}",
            "not JSON: key must be a string at line 3 column 1",
        );
        check("picoclaw.json", b"[1]", "not a JSON object: it must begin with {");
        check("picoclaw.json", b"", "empty");
        check("picoclaw.json", b" \r\n", "empty");
        check("picoclaw.json", &[0; 100], "wiped");
        check(
            "picoclaw.json",
            b"{\n\"\xff\": 1}",
            "not UTF-8 text (line 2, column 2): save it as UTF-8",
        );
        check(
            "picoclaw.json",
            &vec![b'['; 60_000],
            "not JSON: EOF while parsing a list at line 1 column 60000",
        );
    }

    #[test]
    fn one_value_files() {
        check("wifi.ssid", b"My Net \r\n", "= My Net ");
        check("wifi.ssid", "K\u{e4}se".as_bytes(), "= K\u{e4}se");
        check("wifi.ssid", b"", "removed");
        check("wifi.ssid", &[b'x'; 33], "longer than 32 bytes");
        check("wifi.pass", b"pa$$ \"word\" `x`", "= pa$$ \"word\" `x`");
        check("wifi.pass", b"short\n", "5 characters; a Wi-Fi password has 8 to 63");
        check("wifi.pass", b"password\nsecond", "line 2: one line only");
        check("wifi.pass", b"pass\tword", "line 1, column 5: a control character");
        check("wifi.pass", &[b'f'; 64], &format!("= {}", "f".repeat(64)));
        check("hostname", b"claw-1\r\n", "= claw-1");
        check("hostname", b"../etc", "a host name has 1 to 63 letters, digits and inner hyphens");
        check("usb.ncm", b"", "= on\n");
        check("usb.ncm", b"off\n", "removed");
    }

    #[test]
    fn lists() {
        check(
            "resolv.conf",
            b"nameserver 10.0.1.1 # eth0\r\n\r\n; x\nnameserver fd00::1\n",
            "= nameserver 10.0.1.1\nnameserver fd00::1\n",
        );
        check(
            "resolv.conf",
            b"nameserver dns.example",
            "line 1: nameserver dns.example: not an address or name",
        );
        check("resolv.conf", b"\nnameserver", "line 2: nameserver has no value");
        check("resolv.conf", b"# nothing\n", "no name server in it");
        let key = format!("ssh-ed25519 {} me@here", "A".repeat(68));
        check("authorized_keys", format!("# mine\r\n{key}\r\n").as_bytes(), &format!("= {key}\n"));
        check("authorized_keys", b"command=\"x\" ssh-rsa AAAA", "line 1: not a public SSH key");
        check("authorized_keys", b"", "removed");
    }

    #[test]
    fn hashes() {
        let hash = "$6$saltsalt$aaaaaaaaaaaaaaaaaaaaaaaaaaaa";
        check("root.hash", hash.as_bytes(), &format!("= {hash}"));
        check("root.hash", b"secret", "not a password hash: make one with `openssl passwd -6`");
        check(
            "root.hash",
            b"$6$a:0:0:$aaaaaaaaaaaaaaaaaaaa",
            "not a password hash: make one with `openssl passwd -6`",
        );
    }
}
