//! The tables of keys as the program holds them: their texts one behind the other, and a few bytes a key that say where each ends
//! and what the key takes. Packed by the compiler: as structures of pointers the tables would take 19 kB more.

use super::keys::{Key, Kind, Limits, Zero};
use super::{channels, table};

/// Room while packing; the compiler says when it is too little.
const ROOM: usize = 32 * 1024;

/// Keys that do not belong to a kind of channel; they stand before those that do.
const GENERAL: usize = behind(0, table::ALL, table::ALL.len());

const KINDS: usize = channels::KEYS.len();

/// Behind the last key of each kind of channel.
static KIND_ENDS: [usize; KINDS] = {
    let (mut ends, mut i) = ([0; KINDS], 0);
    while i < ends.len() {
        ends[i] = behind(GENERAL, channels::KEYS, i + 1);
        i += 1;
    }
    ends
};

const KEYS: usize = behind(GENERAL, channels::KEYS, KINDS);

/// Where the first `tables` of `all` end that begin at `begin`.
const fn behind(begin: usize, all: &[&[Key]], tables: usize) -> usize {
    let (mut end, mut i) = (begin, 0);
    while i < tables {
        end += all[i].len();
        i += 1;
    }
    end
}

const ZERO_IS_DEFAULT: u8 = 1;
const ZERO_IS_OTHER: u8 = 2;
const HAS_LEAST: u8 = 4;
const HAS_MOST: u8 = 8;

const TABLES: Packed = {
    let mut packed = Packed {
        entries: [Entry { texts: 0, forms: 0, path: 0 }; KEYS],
        entries_len: 0,
        texts: [0; ROOM],
        texts_len: 0,
        forms: [0; ROOM],
        forms_len: 0,
    };
    packed.tables(table::ALL);
    packed.tables(channels::KEYS);
    packed
};

static TEXTS: &str = match std::str::from_utf8(&TEXT_BYTES) {
    Ok(texts) => texts,
    Err(_) => panic!("keys are text"),
};
static TEXT_BYTES: [u8; TABLES.texts_len] = head(&TABLES.texts);
static FORMS: [u8; TABLES.forms_len] = head(&TABLES.forms);
static ENTRIES: [Entry; KEYS] = TABLES.entries;

/// Where a key stands: its path can be looked at without unpacking the rest.
#[derive(Clone, Copy)]
pub(super) struct Entry {
    texts: u16,
    forms: u16,
    path: u8,
}

struct Packed {
    entries: [Entry; KEYS],
    entries_len: usize,
    texts: [u8; ROOM],
    texts_len: usize,
    forms: [u8; ROOM],
    forms_len: usize,
}

impl Packed {
    const fn tables(&mut self, all: &[&[Key]]) {
        let mut i = 0;
        while i < all.len() {
            self.table(all[i]);
            i += 1;
        }
    }

    const fn table(&mut self, keys: &[Key]) {
        let mut i = 0;
        while i < keys.len() {
            self.key(&keys[i]);
            i += 1;
        }
    }

    const fn key(&mut self, key: &Key) {
        assert!(self.texts_len <= u16::MAX as usize && key.path.len() <= u8::MAX as usize);
        self.entries[self.entries_len] = Entry {
            texts: self.texts_len as u16,
            forms: self.forms_len as u16,
            path: key.path.len() as u8,
        };
        self.entries_len += 1;
        copy(key.path.as_bytes(), &mut self.texts, self.texts_len);
        self.texts_len += key.path.len();
        self.text(key.v0);
        self.text(key.v3);
        self.text(key.doc);
        let tag = match key.kind {
            Kind::Bool => 0,
            Kind::Int(..) => 1,
            Kind::Num(..) => 2,
            Kind::Text => 3,
            Kind::Url => 4,
            Kind::Proxy => 5,
            Kind::Secret => 6,
            Kind::Secrets => 7,
            Kind::List => 8,
            Kind::Word(_) => 9,
            Kind::Free => 10,
            Kind::Unsupported => 11,
            Kind::UnsupportedWarn => 12,
        };
        self.form(&[tag]);
        match key.kind {
            Kind::Int(low, high) => {
                self.form(&low.to_le_bytes());
                self.form(&high.to_le_bytes());
                self.limits(key.limits);
            }
            Kind::Num(low, high) => {
                self.form(&low.to_le_bytes());
                self.form(&high.to_le_bytes());
            }
            Kind::Word(words) => self.text(words),
            _ => {}
        }
    }

    /// A byte that says which of them are set, and those.
    const fn limits(&mut self, limits: Limits) {
        let (zero, other) = match limits.zero {
            Zero::Itself => (0, None),
            Zero::Default => (ZERO_IS_DEFAULT, None),
            Zero::Means(other) => (ZERO_IS_OTHER, Some(other)),
        };
        let least = if limits.least == i64::MIN { 0 } else { HAS_LEAST };
        let most = if limits.most == i64::MAX { 0 } else { HAS_MOST };
        self.form(&[zero | least | most]);
        if let Some(other) = other {
            self.form(&other.to_le_bytes());
        }
        if least != 0 {
            self.form(&limits.least.to_le_bytes());
        }
        if most != 0 {
            self.form(&limits.most.to_le_bytes());
        }
    }

    /// A text behind the others, and its length.
    const fn text(&mut self, text: &str) {
        assert!(text.len() <= u8::MAX as usize, "a text of the table is too long");
        copy(text.as_bytes(), &mut self.texts, self.texts_len);
        self.texts_len += text.len();
        self.form(&[text.len() as u8]);
    }

    const fn form(&mut self, bytes: &[u8]) {
        copy(bytes, &mut self.forms, self.forms_len);
        self.forms_len += bytes.len();
    }
}

const fn copy(from: &[u8], to: &mut [u8; ROOM], at: usize) {
    let mut i = 0;
    while i < from.len() {
        to[at + i] = from[i];
        i += 1;
    }
}

const fn head<const N: usize>(bytes: &[u8; ROOM]) -> [u8; N] {
    let mut head = [0; N];
    let mut i = 0;
    while i < N {
        head[i] = bytes[i];
        i += 1;
    }
    head
}

/// All of them, section by section.
pub(super) fn all() -> impl Iterator<Item = Entry> {
    ENTRIES.iter().copied()
}

/// The keys of a kind of channel, by its place in the table of kinds.
pub(super) fn of_kind(kind: usize) -> &'static [Entry] {
    let begin = kind.checked_sub(1).map_or(GENERAL, |before| KIND_ENDS[before]);
    &ENTRIES[begin..KIND_ENDS[kind]]
}

/// All of them, each with the kind of channel that alone has it.
pub(super) fn all_with_kind() -> impl Iterator<Item = (Option<usize>, Entry)> {
    let kind = |n: usize| KIND_ENDS.iter().position(|end| n < *end).filter(|_| n >= GENERAL);
    all().enumerate().map(move |(n, entry)| (kind(n), entry))
}

/// The key whose path is `prefix` and `path`. By length first: nearly all keys are told apart by it, and this is asked for every
/// value there is.
pub(super) fn below(prefix: &str, path: &str) -> Option<Entry> {
    let length = prefix.len() + path.len();
    all().find(|e| usize::from(e.path) == length && e.path().strip_prefix(prefix) == Some(path))
}

impl Entry {
    /// Its path.
    pub(super) fn path(self) -> &'static str {
        TEXTS[usize::from(self.texts)..].split_at(usize::from(self.path)).0
    }

    /// The whole key.
    pub(super) fn key(self) -> Key {
        let (path, texts) = TEXTS[usize::from(self.texts)..].split_at(usize::from(self.path));
        let mut rest = Rest { texts, forms: &FORMS[usize::from(self.forms)..] };
        let (v0, v3, doc) = (rest.text(), rest.text(), rest.text());
        let [tag] = rest.form();
        let mut limits = Limits::NONE;
        let kind = match tag {
            0 => Kind::Bool,
            1 => {
                let range = Kind::Int(rest.int(), rest.int());
                limits = rest.limits();
                range
            }
            2 => Kind::Num(f64::from_le_bytes(rest.form()), f64::from_le_bytes(rest.form())),
            3 => Kind::Text,
            4 => Kind::Url,
            5 => Kind::Proxy,
            6 => Kind::Secret,
            7 => Kind::Secrets,
            8 => Kind::List,
            9 => Kind::Word(rest.text()),
            10 => Kind::Free,
            11 => Kind::Unsupported,
            _ => Kind::UnsupportedWarn,
        };
        Key { path, kind, v0, v3, limits, doc }
    }
}

/// What of a key is not yet read.
struct Rest {
    texts: &'static str,
    forms: &'static [u8],
}

impl Rest {
    fn text(&mut self) -> &'static str {
        let [len] = self.form();
        let (text, rest) = self.texts.split_at(usize::from(len));
        self.texts = rest;
        text
    }

    fn int(&mut self) -> i64 {
        i64::from_le_bytes(self.form())
    }

    fn limits(&mut self) -> Limits {
        let [set] = self.form();
        let zero = match set & (ZERO_IS_DEFAULT | ZERO_IS_OTHER) {
            0 => Zero::Itself,
            ZERO_IS_DEFAULT => Zero::Default,
            _ => Zero::Means(self.int()),
        };
        let mut limits = Limits { zero, ..Limits::NONE };
        if set & HAS_LEAST != 0 {
            limits.least = self.int();
        }
        if set & HAS_MOST != 0 {
            limits.most = self.int();
        }
        limits
    }

    fn form<const N: usize>(&mut self) -> [u8; N] {
        let Some((form, rest)) = self.forms.split_first_chunk() else { return [0; N] };
        self.forms = rest;
        *form
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_key_comes_back_as_it_was() {
        let written = table::ALL.iter().chain(channels::KEYS).copied().flatten().copied();
        assert!(all().map(Entry::key).eq(written), "packed or read wrongly");
        assert!(all().all(|e| below("", e.path()).is_some_and(|found| found.path() == e.path())));
        assert!(all().count() > 200);
    }
}
