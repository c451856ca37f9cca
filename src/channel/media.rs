//! Names and marks of files that come with messages.

use crate::proto::text;

/// `image`, `audio`, `video` or `file`, by MIME type, else by the name's ending.
pub fn kind(name: &str, mime: &str) -> &'static str {
    let mime = mime.to_ascii_lowercase();
    match mime.split('/').next().unwrap_or("") {
        _ if mime == "application/ogg" => return "audio",
        "image" if !mime.starts_with("image/svg") => return "image",
        "audio" => return "audio",
        "video" => return "video",
        _ => {}
    }
    let ending = name.rsplit_once('.').map_or("", |(_, ending)| ending).to_ascii_lowercase();
    match ending.as_str() {
        "jpg" | "jpeg" | "png" | "gif" | "webp" | "bmp" => "image",
        "mp3" | "wav" | "ogg" | "oga" | "opus" | "m4a" | "flac" | "aac" | "wma" => "audio",
        "mp4" | "avi" | "mov" | "webm" | "mkv" | "m4v" => "video",
        _ => "file",
    }
}

/// Replaces the first mark of its kind (`[image]`, `[image: name]`) without a path by `tag` (`[image:/path]`), or appends
/// it.
pub fn inject(content: &str, tag: &str) -> String {
    let kind = tag.trim_start_matches('[').split(':').next().unwrap_or("");
    put(content, kind, tag)
}

/// The same with any text in place of the mark of `kind`.
pub fn put(content: &str, kind: &str, tag: &str) -> String {
    let mut from = 0;
    while let Some(found) = content[from..].find('[') {
        let start = from + found;
        let mark = &content[start + 1..];
        let end = mark.find(']').unwrap_or(mark.len());
        let rest = mark[..end].strip_prefix(kind);
        if rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(": ")) && end < mark.len() {
            return format!("{}{tag}{}", &content[..start], &mark[end + 1..]);
        }
        from = start + 1;
    }
    if content.is_empty() { tag.into() } else { format!("{content}\n{tag}") }
}

/// A name for a file on disk: the sender's extension, nothing that leads out of a folder, and a number in front to avoid
/// collisions. At most 64 bytes.
pub fn file_name(number: i64, name: &str, kind: &str) -> String {
    let name = name.rsplit(['/', '\\']).next().unwrap_or("");
    let safe = |c: char| if c.is_alphanumeric() || matches!(c, '.' | '-' | '_') { c } else { '_' };
    let clean: String = name.trim_matches(['.', ' ']).chars().map(safe).collect();
    let clean = match (clean.is_empty(), kind) {
        (false, _) => clean.as_str(),
        (true, "photo") => "photo.jpg",
        (true, "voice") => "voice.ogg",
        (true, "audio") => "audio.mp3",
        (true, "video") => "video.mp4",
        (true, _) => "file",
    };
    format!("{number}_{}", text::tail(clean, 40))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(content: &str, tag: &str, want: &str) {
        assert_eq!(inject(content, tag), want);
    }

    #[test]
    fn marks_are_replaced() {
        check("[image]", "[image:/a.png]", "[image:/a.png]");
        check("look\n[image: photo] x", "[image:/a.png]", "look\n[image:/a.png] x");
        check("[image:/a] [image]", "[image:/b]", "[image:/a] [image:/b]");
        check("[file: x", "[file:/x]", "[file: x\n[file:/x]");
        check("[images]", "[image:/x]", "[images]\n[image:/x]");
        check("", "[file:/x]", "[file:/x]");
        assert_eq!(put("a [voice] b", "voice", "[voice: x]"), "a [voice: x] b");
    }

    #[test]
    fn kinds() {
        assert_eq!(kind("a.bin", "image/png"), "image");
        assert_eq!(kind("a.svg", "image/svg+xml"), "file");
        assert_eq!(kind("A.OGG", ""), "audio");
        assert_eq!(kind("a", "VIDEO/mp4"), "video");
        assert_eq!(kind("a.tar.gz", ""), "file");
    }

    #[test]
    fn names_stay_in_their_folder() {
        assert_eq!(file_name(7, "../../etc/passwd", "document"), "7_passwd");
        assert_eq!(file_name(7, "..", "document"), "7_file");
        assert_eq!(file_name(7, "", "voice"), "7_voice.ogg");
        assert_eq!(file_name(7, "a b\n;$(x).txt", "document"), "7_a_b____x_.txt");
        assert!(file_name(i64::MIN, &"é".repeat(99), "document").len() <= 64);
    }
}
