//! Tokenizes a page's characters into tags and text, one at a time (HTML, section 13.2.5, simplified).
//!
//! Holds at most one tag; attribute values beyond [`VALUE_BYTES`] are dropped, so the size of a
//! page, of a `data:` picture in it, or of an unclosed quote does not matter.

use super::emitter::Emitter;
use super::entity;

/// Bytes of an attribute's value that are kept; a longer one counts as absent.
const VALUE_BYTES: usize = 2048;
/// Bytes of a tag's or attribute's name that are kept; a longer one is unknown anyway.
const NAME_BYTES: usize = 24;
/// Bytes of the page's title that are kept.
const TITLE_BYTES: usize = 512;

/// Elements whose content is not markup; only the title's is of use.
const RAW: &[&str] =
    &["iframe", "noembed", "noframes", "noscript", "script", "style", "textarea", "title", "xmp"];

/// A tag with the attributes that are used.
#[derive(Default)]
pub struct Tag {
    /// Lower case.
    pub name: String,
    /// `</name>`.
    pub close: bool,
    /// `<name/>`.
    pub empty: bool,
    /// Values by [`Attribute`]; `None` when absent.
    values: [Option<String>; ATTRIBUTES.len()],
}

/// Which attribute of a tag.
#[derive(Clone, Copy)]
pub enum Attribute {
    /// Target of a link.
    Href,
    /// Picture.
    Src,
    /// Picture that a script loads later.
    DataSrc,
    /// Alternative text of a picture.
    Alt,
    /// First number of an ordered list.
    Start,
}

/// Names in the order of [`Attribute`].
const ATTRIBUTES: [&str; 5] = ["href", "src", "data-src", "alt", "start"];

impl Tag {
    /// The value with its character references replaced.
    pub fn attribute(&self, which: Attribute) -> Option<&str> {
        self.values[which as usize].as_deref()
    }

    fn clear(&mut self, close: bool) {
        self.name.clear();
        self.close = close;
        self.empty = false;
        self.values = Default::default();
    }
}

#[derive(Clone, Copy, PartialEq)]
enum State {
    Text,
    /// After `&`.
    Reference,
    /// After `<`.
    Open,
    /// After `</`.
    CloseOpen,
    Name,
    /// Between attributes.
    Gap,
    AttributeName,
    /// After a name, before a possible `=`.
    AfterName,
    /// After `=`.
    BeforeValue,
    Value(Option<char>),
    /// After `<!`, with the number of dashes.
    Declaration(u8),
    /// In a comment, with the number of dashes just seen.
    Comment(u8),
    /// Up to the next `>`.
    Skip,
    /// In an element of [`RAW`], with the number of characters of its end tag just seen.
    Raw(usize),
}

/// The state of the tokenizer.
pub struct Tokenizer {
    state: State,
    tag: Tag,
    /// Name of the attribute being read.
    name: String,
    /// Its value, or a character reference of the text.
    value: String,
    overlong: bool,
    title: String,
    /// Whether the raw element is the first title.
    in_title: bool,
}

impl Tokenizer {
    /// At the beginning of a page.
    pub fn new() -> Tokenizer {
        Tokenizer {
            state: State::Text,
            tag: Tag::default(),
            name: String::new(),
            value: String::new(),
            overlong: false,
            title: String::new(),
            in_title: false,
        }
    }

    /// The content of the first title element.
    pub fn title(&self) -> String {
        entity::decode(&self.title)
    }

    /// The next character of the page.
    pub fn feed(&mut self, c: char, out: &mut Emitter) {
        self.state = match self.state {
            State::Text => self.text(c, out),
            State::Reference => self.reference(c, out),
            State::Open | State::CloseOpen => self.open(c, out),
            State::Name | State::Gap => self.tag(c, out),
            State::AttributeName | State::AfterName => self.attribute_name(c, out),
            State::BeforeValue | State::Value(_) => self.attribute_value(c, out),
            State::Declaration(dashes) => declaration(c, dashes),
            State::Comment(dashes) => comment(c, dashes),
            State::Skip if c == '>' => State::Text,
            State::Skip => State::Skip,
            State::Raw(seen) => self.raw(c, seen),
        };
    }

    /// The end of the page: unfinished markup becomes text or is dropped, as in browsers.
    pub fn end(&mut self, out: &mut Emitter) {
        match self.state {
            State::Open => out.text('<'),
            State::Reference => {
                self.end_reference(false, out);
            }
            _ => {}
        }
        self.state = State::Text;
    }

    fn text(&mut self, c: char, out: &mut Emitter) -> State {
        match c {
            '<' => State::Open,
            '&' => {
                self.value.clear();
                State::Reference
            }
            _ => {
                out.text(c);
                State::Text
            }
        }
    }

    fn reference(&mut self, c: char, out: &mut Emitter) -> State {
        if (c.is_ascii_alphanumeric() || c == '#') && self.value.len() < entity::REFERENCE_BYTES {
            self.value.push(c);
            return State::Reference;
        }
        if self.end_reference(c == ';', out) {
            return State::Text;
        }
        self.text(c, out)
    }

    /// Emits the collected reference; true when the closing semicolon was used up by it.
    fn end_reference(&mut self, closed: bool, out: &mut Emitter) -> bool {
        let found = match closed {
            true => entity::lookup(&self.value),
            false => entity::lookup_unfinished(&self.value),
        };
        match found {
            Some(c) => out.text(c),
            None => {
                out.text('&');
                self.value.chars().for_each(|c| out.text(c));
            }
        }
        self.value.clear();
        closed && found.is_some()
    }

    /// After `<` and after `</`.
    fn open(&mut self, c: char, out: &mut Emitter) -> State {
        let close = self.state == State::CloseOpen;
        match c {
            'a'..='z' | 'A'..='Z' => self.begin(c, close),
            '>' if close => State::Text,
            _ if close => State::Skip,
            '/' => State::CloseOpen,
            '!' => State::Declaration(0),
            '?' => State::Skip,
            _ => {
                out.text('<');
                self.text(c, out)
            }
        }
    }

    fn begin(&mut self, c: char, close: bool) -> State {
        self.tag.clear(close);
        push_name(&mut self.tag.name, c);
        State::Name
    }

    /// In a tag's name, and between its attributes.
    fn tag(&mut self, c: char, out: &mut Emitter) -> State {
        match c {
            _ if self.state == State::Gap => self.gap(c, out),
            '>' | '/' => self.gap(c, out),
            _ if c.is_ascii_whitespace() => State::Gap,
            _ => {
                push_name(&mut self.tag.name, c);
                State::Name
            }
        }
    }

    fn gap(&mut self, c: char, out: &mut Emitter) -> State {
        match c {
            '>' => self.finish_tag(out),
            '/' => {
                self.tag.empty = true;
                State::Gap
            }
            _ if c.is_ascii_whitespace() => State::Gap,
            _ => {
                self.tag.empty = false;
                self.name.clear();
                self.value.clear();
                self.overlong = false;
                push_name(&mut self.name, c);
                State::AttributeName
            }
        }
    }

    /// In an attribute's name, and behind it.
    fn attribute_name(&mut self, c: char, out: &mut Emitter) -> State {
        match c {
            '=' => State::BeforeValue,
            _ if c.is_ascii_whitespace() => State::AfterName,
            _ if self.state == State::AttributeName && !matches!(c, '>' | '/') => {
                push_name(&mut self.name, c);
                State::AttributeName
            }
            _ => self.end_attribute(c, out),
        }
    }

    /// Behind the `=`, and in an attribute's value.
    fn attribute_value(&mut self, c: char, out: &mut Emitter) -> State {
        let quote = match self.state {
            State::BeforeValue if matches!(c, '"' | '\'') => return State::Value(Some(c)),
            State::BeforeValue if c == '>' => return self.end_attribute(c, out),
            State::BeforeValue if c.is_ascii_whitespace() => return State::BeforeValue,
            State::Value(quote) => quote,
            _ => None,
        };
        if quote == Some(c) {
            self.keep_attribute();
            return State::Gap;
        }
        if quote.is_none() && (c == '>' || c.is_ascii_whitespace()) {
            return self.end_attribute(c, out);
        }
        self.push_value(c);
        State::Value(quote)
    }

    fn end_attribute(&mut self, c: char, out: &mut Emitter) -> State {
        self.keep_attribute();
        self.gap(c, out)
    }

    fn push_value(&mut self, c: char) {
        if self.value.len() + c.len_utf8() > VALUE_BYTES {
            self.overlong = true;
        } else {
            self.value.push(c);
        }
    }

    /// Stores the attribute just read; the first of a name counts.
    fn keep_attribute(&mut self) {
        let known = ATTRIBUTES.iter().position(|name| *name == self.name);
        if let (Some(i), false, false) = (known, self.overlong, self.tag.close) {
            let place = &mut self.tag.values[i];
            if place.is_none() {
                *place = Some(entity::decode(&self.value));
            }
        }
        self.value.clear();
        self.overlong = false;
    }

    fn finish_tag(&mut self, out: &mut Emitter) -> State {
        if !self.tag.close && !self.tag.empty && RAW.contains(&self.tag.name.as_str()) {
            self.in_title = self.tag.name == "title" && self.title.is_empty();
            return State::Raw(0);
        }
        out.tag(&self.tag);
        State::Text
    }

    /// Inside script, style, title...: looks for the end tag of the element whose name is in `tag`.
    fn raw(&mut self, c: char, seen: usize) -> State {
        let name = &self.tag.name;
        let wanted = match seen {
            0 => Some('<'),
            1 => Some('/'),
            _ => name[(seen - 2).min(name.len())..].chars().next(),
        };
        match wanted {
            Some(wanted) if c.to_ascii_lowercase() == wanted => State::Raw(seen + 1),
            None if c == '>' => State::Text,
            None if c == '/' || c.is_ascii_whitespace() => State::Skip,
            _ => {
                if self.in_title && self.title.len() + 40 < TITLE_BYTES {
                    // The supposed end tag was text.
                    self.title.extend("</title".chars().take(seen).chain((c != '<').then_some(c)));
                }
                if c == '<' { State::Raw(1) } else { State::Raw(0) }
            }
        }
    }
}

/// After `<!`.
fn declaration(c: char, dashes: u8) -> State {
    match c {
        '-' if dashes == 1 => State::Comment(2),
        '-' => State::Declaration(1),
        '>' => State::Text,
        _ => State::Skip,
    }
}

fn comment(c: char, dashes: u8) -> State {
    match c {
        '>' if dashes >= 2 => State::Text,
        '-' => State::Comment((dashes + 1).min(2)),
        // `--!>` ends a comment as well.
        '!' if dashes >= 2 => State::Comment(2),
        _ => State::Comment(0),
    }
}

fn push_name(name: &mut String, c: char) {
    if name.len() < NAME_BYTES {
        name.push(c.to_ascii_lowercase());
    }
}
