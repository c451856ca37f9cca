//! What a message holds besides its text: files, places, contacts, what it answers, where it comes from.

use super::wire::{File, Item, Message, Origin, Quote, User};
use crate::bus::Attachment;
use crate::limits;
use crate::proto::{text, utf16};

/// Characters of a name that are shown.
const NAME_CHARS: usize = 64;

/// First and last name, or a chat's title, on one line.
pub fn name(user: &User) -> String {
    let all = format!("{} {} {}", user.first_name, user.last_name, user.title);
    clean(&all)
}

// A name must not be able to look like the marks around it.
fn clean(name: &str) -> String {
    let words = text::sanitize(name).replace(['[', ']'], "");
    let words: Vec<&str> = words.split_whitespace().collect();
    text::truncate(&words.join(" "), NAME_CHARS)
}

/// Whom a forwarded message is from.
pub fn origin(origin: &Origin) -> String {
    let chat = origin.sender_user.as_ref().or(origin.sender_chat.as_ref()).or(origin.chat.as_ref());
    let name = chat.map_or_else(|| clean(&origin.sender_user_name), name);
    if name.is_empty() { "somebody".into() } else { name }
}

/// Appends `[quoted user message from NAME]: text` and a line break.
pub fn quote(earlier: &Message, part: Option<&Quote>, me: i64, out: &mut String) {
    let own = earlier.from.as_ref().is_some_and(|from| from.id == me);
    let author = earlier.from.as_ref().or(earlier.sender_chat.as_ref()).map(name);
    let author = author.filter(|name| !name.is_empty()).unwrap_or_else(|| "somebody".into());
    let mut text = part.map_or(String::new(), |part| part.text.trim().to_string());
    if text.is_empty() {
        text.push_str(earlier.text.trim());
        text.push_str(earlier.caption.trim());
        describe(earlier, &mut text);
    }
    let end = utf16::floor(&text, limits::QUOTED_UNITS);
    let more = if end < text.len() { "..." } else { "" };
    let role = if own { "assistant" } else { "user" };
    out.push_str(&format!("[quoted {role} message from {author}]: {}{more}\n", &text[..end]));
}

/// Appends a mark for each thing that is not text, on lines of their own.
pub fn describe(message: &Message, out: &mut String) {
    let mut mark = |mark: String| {
        if !out.is_empty() && !out.ends_with('\n') {
            out.push('\n');
        }
        out.push_str(&mark);
    };
    if !message.photo.is_empty() {
        mark("[image: photo]".into());
    }
    for (file, kind) in files(message) {
        let name = clean(&file.file_name);
        let what = match kind {
            "document" => "file",
            kind => kind,
        };
        mark(if name.is_empty() { format!("[{what}]") } else { format!("[{what}: {name}]") });
    }
    if let Some(sticker) = &message.sticker {
        mark(format!("[sticker {}]", clean(&sticker.emoji)));
    }
    match (&message.venue, &message.location) {
        // A venue carries its location twice.
        (Some(venue), _) => {
            mark(format!("[place: {}, {}]{}", clean(&venue.title), clean(&venue.address), {
                message.location.as_ref().map_or(String::new(), |at| format!("\n{}", place(at)))
            }));
        }
        (None, Some(location)) => mark(place(location)),
        (None, None) => {}
    }
    if let Some(contact) = &message.contact {
        let name = clean(&format!("{} {}", contact.first_name, contact.last_name));
        mark(format!("[contact: {name}, {}]", clean(&contact.phone_number)));
    }
    if let Some(poll) = &message.poll {
        mark(format!("[poll: {}]", clean(&poll.question)));
    }
    if let Some(dice) = &message.dice {
        mark(format!("[dice {}: {}]", clean(&dice.emoji), dice.value));
    }
}

fn place(item: &Item) -> String {
    format!("[location: {:.6}, {:.6}]", item.latitude, item.longitude)
}

fn files<'m, 'a>(message: &'m Message<'a>) -> impl Iterator<Item = (&'m File<'a>, &'static str)> {
    // An animation comes as a document as well.
    let document = message.document.as_ref().filter(|_| message.animation.is_none());
    let all = [
        (document, "document"),
        (message.voice.as_ref(), "voice"),
        (message.audio.as_ref(), "audio"),
        (message.video.as_ref(), "video"),
        (message.video_note.as_ref(), "video"),
        (message.animation.as_ref(), "video"),
    ];
    all.into_iter().filter_map(|(file, kind)| file.map(|file| (file, kind)))
}

/// The files, of a photo the largest size.
pub fn attachments(message: &Message) -> Vec<Attachment> {
    // Sizes come in ascending order.
    let photo = message.photo.last().map(|file| (file, "photo"));
    let all = photo.into_iter().chain(files(message));
    all.filter(|(file, _)| !file.file_id.is_empty())
        .map(|(file, kind)| Attachment {
            kind: kind.into(),
            id: file.file_id.clone().into_owned(),
            name: file.file_name.clone().into_owned(),
            size: file.file_size,
        })
        .collect()
}
