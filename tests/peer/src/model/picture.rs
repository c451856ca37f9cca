//! Pictures in a request, checked as servers do: base64, and really of the type they say.

/// Bytes of a picture that are looked at for its type.
const HEAD: usize = 12;

/// A data URL of a picture.
pub fn check_url(url: &str) -> Result<(), String> {
    let parts = url.strip_prefix("data:").and_then(|u| u.split_once(";base64,"));
    let (mime, data) = parts.ok_or("invalid image_url: it is no data URL")?;
    check(mime, data)
}

/// A picture of this type in base64.
pub fn check(mime: &str, data: &str) -> Result<(), String> {
    let digits = data.trim_end_matches('=');
    let padding = data.len() - digits.len();
    if data.is_empty()
        || data.len() % 4 != 0
        || padding > 2
        || digits.bytes().any(|b| digit(b).is_none())
    {
        return Err("invalid image: it is no base64".to_owned());
    }
    let mut head = Vec::new();
    for four in digits.as_bytes()[..digits.len().min(HEAD / 3 * 4)].chunks(4) {
        let bits = four.iter().fold(0_u32, |bits, b| bits << 6 | digit(*b).unwrap_or(0));
        let bits = bits << (6 * (4 - four.len()));
        head.extend_from_slice(&bits.to_be_bytes()[1..four.len()]);
    }
    let magic: &[u8] = match mime {
        "image/jpeg" => b"\xff\xd8\xff",
        "image/png" => b"\x89PNG\r\n\x1a\n",
        "image/gif" => b"GIF8",
        "image/webp" => b"RIFF",
        _ => return Err(format!("invalid image: {mime} is not supported")),
    };
    if head.starts_with(magic) { Ok(()) } else { Err(format!("invalid image: it is no {mime}")) }
}

fn digit(b: u8) -> Option<u32> {
    let value = match b {
        b'A'..=b'Z' => b - b'A',
        b'a'..=b'z' => b - b'a' + 26,
        b'0'..=b'9' => b - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    };
    Some(value.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_it(url: &str, want: &str) {
        assert_eq!(check_url(url).err().unwrap_or_default(), want);
    }

    #[test]
    fn pictures_are_what_they_say() {
        check_it("data:image/png;base64,iVBORw0KGgoAAAAN", "");
        check_it("data:image/jpeg;base64,/9j/4A==", "");
        check_it("data:image/png;base64,/9j/4A==", "invalid image: it is no image/png");
        check_it("data:image/png;base64,/9j/4A=", "invalid image: it is no base64");
        check_it("data:image/png;base64,", "invalid image: it is no base64");
        check_it("data:image/tiff;base64,/9j/4A==", "invalid image: image/tiff is not supported");
        check_it("https://example.org/a.png", "invalid image_url: it is no data URL");
    }
}
