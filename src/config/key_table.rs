//! The packed table of keys: all texts in one string, and a few bytes per key with the lengths of its texts
//! and its type. Packed at compile time: as structs with pointers the table would take 19 kB more.

use super::key::{Key, Kind, Limits, ZeroMeaning};

/// Buffer size while packing; a compile error shows when it is too small.
const ROOM: usize = 32 * 1024;

const ZERO_IS_DEFAULT: u8 = 1;
const ZERO_IS_OTHER: u8 = 2;
const HAS_LEAST: u8 = 4;
const HAS_MOST: u8 = 8;

/// Start of a key: its path can be compared without unpacking the rest.
#[derive(Clone, Copy)]
pub(super) struct KeyEntry {
    texts: u16,
    forms: u16,
    path: u8,
}

/// A table of `N` keys while the compiler packs it.
pub(super) struct Packed<const N: usize> {
    pub entries: [KeyEntry; N],
    entries_len: usize,
    pub texts: [u8; ROOM],
    pub texts_len: usize,
    pub forms: [u8; ROOM],
    pub forms_len: usize,
}

impl<const N: usize> Packed<N> {
    /// Packs the keys of every configuration, then those of each kind of channel.
    pub(super) const fn new(general: &[&[Key]], kinds: &[[&[Key]; 2]]) -> Packed<N> {
        let mut packed = Packed {
            entries: [KeyEntry { texts: 0, forms: 0, path: 0 }; N],
            entries_len: 0,
            texts: [0; ROOM],
            texts_len: 0,
            forms: [0; ROOM],
            forms_len: 0,
        };
        packed.tables(general);
        let mut i = 0;
        while i < kinds.len() {
            packed.tables(&kinds[i]);
            i += 1;
        }
        packed
    }

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
        self.entries[self.entries_len] = KeyEntry {
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

    /// Appends a byte that says which limits are set, and those limits.
    const fn limits(&mut self, limits: Limits) {
        let (zero, other) = match limits.zero {
            ZeroMeaning::Itself => (0, None),
            ZeroMeaning::Default => (ZERO_IS_DEFAULT, None),
            ZeroMeaning::Means(other) => (ZERO_IS_OTHER, Some(other)),
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

    /// Appends a text and its length.
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

/// The part of a buffer that was filled.
pub(super) const fn head<const N: usize>(bytes: &[u8; ROOM]) -> [u8; N] {
    let mut head = [0; N];
    let mut i = 0;
    while i < N {
        head[i] = bytes[i];
        i += 1;
    }
    head
}

/// All keys, packed at compile time into one string and a few bytes per key.
pub(super) struct KeyTable {
    pub entries: &'static [KeyEntry],
    pub texts: &'static str,
    pub forms: &'static [u8],
    /// End index of each channel kind's keys among the entries.
    pub kind_ends: &'static [usize],
    /// How many keys belong to no kind of channel; they come first.
    pub general: usize,
}

impl KeyTable {
    /// How many keys several tables have together.
    pub(super) const fn count(tables: &[&[Key]]) -> usize {
        let (mut count, mut i) = (0, 0);
        while i < tables.len() {
            count += tables[i].len();
            i += 1;
        }
        count
    }

    /// All of them, section by section.
    pub(super) fn all(&self) -> impl Iterator<Item = KeyEntry> + use<> {
        self.entries.iter().copied()
    }

    /// All of them, each with the kind of channel that alone has it.
    pub(super) fn all_with_kind(&'static self) -> impl Iterator<Item = (Option<usize>, KeyEntry)> {
        let kind = |n: usize| self.kind_ends.iter().position(|end| n < *end);
        self.all().enumerate().map(move |(n, e)| (kind(n).filter(|_| n >= self.general), e))
    }

    /// The key of a kind of channel, by its place in the table of kinds, whose path is `prefix` and `path`.
    pub(super) fn of_kind(&self, kind: usize, prefix: &str, path: &str) -> Option<Key> {
        let begin = kind.checked_sub(1).map_or(self.general, |before| self.kind_ends[before]);
        self.lookup(&self.entries[begin..self.kind_ends[kind]], prefix, path)
    }

    /// The key whose path is `prefix` and `path`.
    pub(super) fn below(&self, prefix: &str, path: &str) -> Option<Key> {
        self.lookup(self.entries, prefix, path)
    }

    /// Compares lengths first: that distinguishes nearly all keys, and every value is looked up.
    fn lookup(&self, entries: &[KeyEntry], prefix: &str, path: &str) -> Option<Key> {
        let length = prefix.len() + path.len();
        let same = |e: &KeyEntry| {
            usize::from(e.path) == length && self.path(*e).strip_prefix(prefix) == Some(path)
        };
        entries.iter().copied().find(same).map(|entry| self.key(entry))
    }

    /// The path of a key.
    pub(super) fn path(&self, entry: KeyEntry) -> &'static str {
        self.texts[usize::from(entry.texts)..].split_at(usize::from(entry.path)).0
    }

    /// Unpacks a row into a [`Key`].
    pub(super) fn key(&self, entry: KeyEntry) -> Key {
        let texts = &self.texts[usize::from(entry.texts)..];
        let (path, texts) = texts.split_at(usize::from(entry.path));
        let mut rest = PackedReader { texts, forms: &self.forms[usize::from(entry.forms)..] };
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

/// Reads the packed fields of a key.
struct PackedReader {
    texts: &'static str,
    forms: &'static [u8],
}

impl PackedReader {
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
            0 => ZeroMeaning::Itself,
            ZERO_IS_DEFAULT => ZeroMeaning::Default,
            _ => ZeroMeaning::Means(self.int()),
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
