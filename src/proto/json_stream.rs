//! Splits a stream of concatenated JSON objects, with or without blanks between them.
//!
//! Only finds the boundaries; the consumer validates the JSON.

/// Takes pieces of any size; holds one object.
pub struct Objects {
    bytes: Vec<u8>,
    /// Brackets that are open.
    depth: usize,
    quoted: bool,
    escaped: bool,
    most: usize,
}

impl Objects {
    /// For objects of at most `most` bytes.
    pub fn new(most: usize) -> Objects {
        Objects { bytes: Vec::new(), depth: 0, quoted: false, escaped: false, most }
    }

    /// Consumes bytes from `input` up to the end of an object; returns the object once it is complete.
    ///
    /// # Errors
    /// Half a sentence; the rest of the stream is unusable.
    pub fn feed(&mut self, input: &mut &[u8]) -> Result<Option<Vec<u8>>, &'static str> {
        for (i, &byte) in input.iter().enumerate() {
            match (self.depth, byte) {
                (0, b' ' | b'\t' | b'\r' | b'\n') => continue,
                (0, b'{') | (1.., _) => {}
                (0, _) => return Err("what it sent is no JSON object"),
            }
            if self.bytes.len() >= self.most {
                return Err("its object is too long");
            }
            self.bytes.push(byte);
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' if self.quoted => self.escaped = true,
                b'"' => self.quoted = !self.quoted,
                b'{' | b'[' if !self.quoted => self.depth += 1,
                b'}' | b']' if !self.quoted => self.depth -= 1,
                _ => {}
            }
            if self.depth == 0 {
                *input = &input[i + 1..];
                return Ok(Some(std::mem::take(&mut self.bytes)));
            }
        }
        *input = &[];
        Ok(None)
    }

    /// Whether an object is incomplete.
    pub fn is_inside(&self) -> bool {
        self.depth > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The objects of `stream` however it is cut, and the error behind them or an empty text.
    #[track_caller]
    fn check(stream: &str, want: &[&str], error: &str) {
        for step in 1..=stream.len().max(1) {
            let mut objects = Objects::new(32);
            let (mut found, mut wrong) = (Vec::new(), "");
            'pieces: for mut piece in stream.as_bytes().chunks(step) {
                loop {
                    match objects.feed(&mut piece) {
                        Ok(Some(object)) => found.push(String::from_utf8(object).expect("text")),
                        Ok(None) => break,
                        Err(e) => {
                            wrong = e;
                            break 'pieces;
                        }
                    }
                }
            }
            assert_eq!(found, want, "{stream} by {step}");
            assert_eq!(wrong, error, "{stream} by {step}");
        }
    }

    #[test]
    fn any_separator_or_none() {
        check("{}{}", &["{}", "{}"], "");
        check(" {\"a\":1}\r\n\t{\"b\":[{}]}\n", &["{\"a\":1}", "{\"b\":[{}]}"], "");
        check("", &[], "");
        check("{\"a\":", &[], "");
    }

    #[test]
    fn brackets_in_texts_are_text() {
        check(r#"{"a":"}{"}{"b":"\"}\\"}"#, &[r#"{"a":"}{"}"#, r#"{"b":"\"}\\"}"#], "");
    }

    #[test]
    fn other_json_ends_the_stream() {
        const NONE: &str = "what it sent is no JSON object";
        check("GET / HTTP/1.1\r\n", &[], NONE);
        check("{},{}", &["{}"], NONE);
        check("[1]", &[], NONE);
        check("}", &[], NONE);
        check("\u{0}", &[], NONE);
        check(&["{\"a\":\"", &"x".repeat(40), "\"}"].concat(), &[], "its object is too long");
        check(&"{".repeat(40), &[], "its object is too long");
    }

    #[test]
    fn the_longest_is_still_an_object() {
        let longest = ["{\"a\":\"", &"x".repeat(24), "\"}"].concat();
        assert_eq!(longest.len(), 32);
        check(&longest, &[&longest], "");
    }
}
