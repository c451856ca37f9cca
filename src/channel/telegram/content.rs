//! The content of a message besides its text: files, places, contacts, quotes, origin.

use crate::bus::Attachment;
use crate::limits;
use crate::proto::json::Json;
use crate::proto::{text, utf16};

/// Characters of a name that are shown.
const NAME_CHARS: usize = 64;

/// First and last name, or a chat's title, on one line.
pub fn name(user: Json) -> String {
    clean(&["first_name", "last_name", "title"].map(|part| user.get(part).str()).join(" "))
}

// A name must not be able to imitate the marks around it.
fn clean(name: &str) -> String {
    let words = text::sanitize(name).replace(['[', ']'], "");
    let words: Vec<&str> = words.split_whitespace().collect();
    text::truncate(&words.join(" "), NAME_CHARS)
}

/// Others wrote it: it was forwarded, or another bot made it for its sender.
pub fn is_forwarded(message: Json) -> bool {
    !message.get("forward_origin").is_null() || !message.get("via_bot").is_null()
}

/// Text of others goes with it: it was forwarded, it quotes somebody but us, or it holds somebody's contact, place or poll.
pub fn is_of_others(message: Json, me: i64) -> bool {
    let earlier = message.get("reply_to_message").non_null();
    let earlier = earlier.filter(|earlier| earlier.get("forum_topic_created").is_null());
    let quotes = earlier.is_some_and(|earlier| !is_own(earlier, me));
    let parts = ["contact", "venue", "poll", "external_reply", "story"];
    is_forwarded(message) || quotes || parts.iter().any(|part| !message.get(part).is_null())
}

/// We wrote it.
fn is_own(message: Json, me: i64) -> bool {
    message.get("from").non_null().is_some_and(|from| from.get("id").int() == me)
}

/// Whom a forwarded message is from.
pub fn origin(origin: Json) -> String {
    let chat =
        ["sender_user", "sender_chat", "chat"].iter().find_map(|who| origin.get(who).non_null());
    let name = chat.map_or_else(|| clean(&origin.get("sender_user_name").str()), name);
    if name.is_empty() { "somebody".into() } else { name }
}

/// Appends `[quoted user message from NAME]: text` and a line break.
pub fn quote(earlier: Json, part: Json, me: i64, out: &mut String) {
    let from = earlier.get("from").non_null();
    let own = is_own(earlier, me);
    let author = from.or(earlier.get("sender_chat").non_null()).map(name);
    let author = author.filter(|name| !name.is_empty()).unwrap_or_else(|| "somebody".into());
    let mut text = part.get("text").str().trim().to_string();
    if text.is_empty() {
        text.push_str(earlier.get("text").str().trim());
        text.push_str(earlier.get("caption").str().trim());
        describe(earlier, &mut text);
    }
    let end = utf16::floor(&text, limits::QUOTED_UNITS);
    let more = if end < text.len() { "..." } else { "" };
    let role = if own { "assistant" } else { "user" };
    out.push_str(&format!("[quoted {role} message from {author}]: {}{more}\n", &text[..end]));
}

/// Appends a mark for each part that is not text, each on a line of its own.
pub fn describe(message: Json, out: &mut String) {
    let mut mark = |mark: String| {
        if !out.is_empty() && !out.ends_with('\n') {
            out.push('\n');
        }
        out.push_str(&mark);
    };
    if message.get("photo").items().next().is_some() {
        mark("[image: photo]".into());
    }
    for (file, kind) in files(message) {
        let name = word(file, "file_name");
        let what = match kind {
            "document" => "file",
            kind => kind,
        };
        mark(if name.is_empty() { format!("[{what}]") } else { format!("[{what}: {name}]") });
    }
    let thing = |key: &str| message.get(key).non_null();
    if let Some(sticker) = thing("sticker") {
        mark(format!("[sticker {}]", word(sticker, "emoji")));
    }
    if let Some(venue) = thing("venue") {
        mark(format!("[place: {}, {}]", word(venue, "title"), word(venue, "address")));
    }
    // A venue contains its location twice.
    if let Some(at) = thing("location") {
        mark(format!(
            "[location: {}, {}]",
            degrees(at.get("latitude")),
            degrees(at.get("longitude"))
        ));
    }
    if let Some(contact) = thing("contact") {
        let both = ["first_name", "last_name"].map(|part| contact.get(part).str()).join(" ");
        mark(format!("[contact: {}, {}]", clean(&both), word(contact, "phone_number")));
    }
    if let Some(poll) = thing("poll") {
        mark(format!("[poll: {}]", word(poll, "question")));
    }
    if let Some(dice) = thing("dice") {
        mark(format!("[dice {}: {}]", word(dice, "emoji"), dice.get("value").int()));
    }
}

fn word(thing: Json, key: &str) -> String {
    clean(&thing.get(key).str())
}

/// With six decimals: about ten centimetres. The standard library's float formatting would add 10 kB to the program.
fn degrees(number: Json) -> String {
    let millionths = (number.float() * 1e6).round() as i64;
    let sign = if millionths < 0 { "-" } else { "" };
    let all = millionths.unsigned_abs();
    format!("{sign}{}.{:06}", all / 1_000_000, all % 1_000_000)
}

fn files(message: Json<'_>) -> impl Iterator<Item = (Json<'_>, &'static str)> {
    const KINDS: [(&str, &str); 6] = [
        ("document", "document"),
        ("voice", "voice"),
        ("audio", "audio"),
        ("video", "video"),
        ("video_note", "video"),
        ("animation", "video"),
    ];
    // An animation is also sent as a document.
    let skipped = usize::from(!message.get("animation").is_null());
    let named = move |&(key, kind)| Some((message.get(key).non_null()?, kind));
    KINDS.get(skipped..).unwrap_or_default().iter().filter_map(named)
}

/// The files, of a photo the largest size.
pub fn attachments(message: Json) -> Vec<Attachment> {
    // Sizes come in ascending order.
    let photo = message.get("photo").items().last().map(|file| (file, "photo"));
    let all = photo.into_iter().chain(files(message));
    all.map(|(file, kind)| Attachment {
        kind: kind.into(),
        id: file.get("file_id").string(),
        name: file.get("file_name").string(),
        size: file.get("file_size").uint(),
    })
    .filter(|file| !file.id.is_empty())
    .collect()
}
