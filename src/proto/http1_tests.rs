use super::*;

/// Reads the response given as `pieces`: status, body, bytes left over.
fn read(method: &str, pieces: &[&[u8]]) -> Result<(u16, Vec<u8>, Vec<u8>), Malformed> {
    let mut reader = HeadReader::default();
    let mut head = None;
    let mut body = BodyState::Length(0);
    let mut out = Vec::new();
    let mut left = Vec::new();
    for piece in pieces {
        let mut input = *piece;
        if head.is_none() {
            let Some(got) = reader.feed(&mut input)? else { continue };
            body = got.body(method)?;
            head = Some(got);
        }
        loop {
            let data = body.feed(&mut input)?;
            if data.is_empty() {
                break;
            }
            out.extend_from_slice(data);
        }
        left.extend_from_slice(input);
    }
    let head = head.ok_or("no head")?;
    body.end()?;
    Ok((head.status, out, left))
}

/// Whole, cut in two at every offset, and byte by byte: always the same.
#[track_caller]
fn check(method: &str, response: &str, want: Result<(u16, &str, &str), Malformed>) {
    let bytes = response.as_bytes();
    let want = want.map(|(status, body, left)| (status, body.into(), left.into()));
    assert_eq!(read(method, &[bytes]), want);
    for at in 0..=bytes.len() {
        assert_eq!(read(method, &[&bytes[..at], &bytes[at..]]), want, "cut at {at}");
    }
    assert_eq!(read(method, &bytes.chunks(1).collect::<Vec<_>>()), want, "byte by byte");
}

#[test]
fn lengths() {
    check("GET", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", Ok((200, "hello", "")));
    check("GET", "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhello", Ok((200, "he", "llo")));
    check("GET", "HTTP/1.1 200\nContent-Length: 1\n\nx", Ok((200, "x", "")));
    check("GET", "HTTP/1.1 200 OK\r\nContent-Length: 3, 3\r\n\r\nabc", Ok((200, "abc", "")));
    check("GET", "HTTP/1.1 200 OK\r\n\r\nall of it", Ok((200, "all of it", "")));
    check("GET", "HTTP/1.0 404 Not Found\r\nA: b\r\n\r\n", Ok((404, "", "")));
    let cut = Err("the response was cut off");
    check("GET", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell", cut);
    let number = Err("the response's length is not a number");
    check("GET", "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", number);
    check("GET", "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n", number);
    let two = Err("the response has two different lengths");
    check("GET", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx", two);
}

#[test]
fn responses_without_body() {
    check("HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", Ok((200, "", "")));
    check("GET", "HTTP/1.1 204 No Content\r\n\r\n", Ok((204, "", "")));
    check("GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n", Ok((304, "", "")));
    check("GET", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200", Ok((100, "", "HTTP/1.1 200")));
}

#[test]
fn chunks() {
    const HEAD: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n";
    #[track_caller]
    fn chunked(coded: &str, want: Result<(&str, &str), Malformed>) {
        check("GET", &format!("{HEAD}{coded}"), want.map(|(body, left)| (200, body, left)));
    }
    chunked("5\r\nhello\r\n0\r\n\r\n", Ok(("hello", "")));
    chunked("5;x=\"y\"\r\nhello\r\n00A \r\n0123456789\r\n0;z\r\n\r\n", Ok(("hello0123456789", "")));
    chunked("1\na\n0\n\n", Ok(("a", "")));
    chunked("1\r\na\r\n0\r\nTrailer: x\r\nB: y\r\n\r\nrest", Ok(("a", "rest")));
    let cut = Err("the response was cut off");
    chunked("5\r\nhello\r\n", cut);
    chunked("5\r\nhel", cut);
    chunked("0\r\n", cut);
    let wrong = Err("the response's chunks are malformed");
    chunked("x\r\n", wrong);
    chunked("\r\n", wrong);
    chunked("1\r\nab\r\n0\r\n\r\n", wrong);
    chunked("ffffffffffffffff1\r\n", wrong);
    let coding = Err("the response has an unknown transfer coding");
    check("GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", coding);
}

#[test]
fn limits_of_the_head() {
    let long = format!("HTTP/1.1 200 OK\r\nA: {}\r\n\r\n", "x".repeat(HTTP_HEAD_BYTES));
    assert_eq!(read("GET", &[long.as_bytes()]), Err("the response's head is too long"));
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "A: b\r\n".repeat(HTTP_HEADERS + 1));
    assert_eq!(read("GET", &[many.as_bytes()]), Err("the response has too many fields"));
    let most = format!("HTTP/1.1 200 OK\r\n{}\r\n", "A: b\r\n".repeat(HTTP_HEADERS));
    assert_eq!(read("GET", &[most.as_bytes()]), Ok((200, vec![], vec![])));
    let extension = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;".to_owned()
        + &"x".repeat(HTTP_HEAD_BYTES + 1);
    let wrong = Err("the response's chunks are malformed");
    assert_eq!(read("GET", &[extension.as_bytes()]), wrong);
    let wrong = Err("the answer is not HTTP");
    assert_eq!(read("GET", &[b"SSH-2.0-x\r\n\r\n"]), wrong);
    assert_eq!(read("GET", &[b"HTTP/1.1 099 X\r\n\r\n"]), wrong);
    assert_eq!(read("GET", &[b"HTTP/1.1 200 OK\r\nA: b\r\n folded\r\n\r\n"]), wrong);
}

#[track_caller]
fn check_keep(head: &str, want: bool) {
    let head = HeadReader::default().feed(&mut head.as_bytes()).expect("HTTP").expect("a head");
    assert_eq!(head.keep_alive(), want);
}

#[test]
fn keep_alive() {
    check_keep("HTTP/1.1 200 OK\r\n\r\n", true);
    check_keep("HTTP/1.1 200 OK\r\nConnection: x, Close\r\n\r\n", false);
    check_keep("HTTP/1.0 200 OK\r\n\r\n", false);
    check_keep("HTTP/1.0 200 OK\r\nconnection: Keep-Alive\r\n\r\n", true);
    check_keep("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", false);
}

#[test]
fn fields() {
    let mut bytes = &b"HTTP/1.1 200 a: b\r\nX-One:  1 \r\nx-one: 2\r\nBad: \xff\r\n\r\n"[..];
    let head = HeadReader::default().feed(&mut bytes).expect("HTTP").expect("a head");
    assert_eq!(head.value("x-ONE"), Some("1"));
    assert_eq!(head.values("X-One").collect::<Vec<_>>(), [b"1", b"2"]);
    assert_eq!(head.value("bad"), None);
    assert_eq!(head.value("HTTP/1.1 200 a"), None);
}

#[test]
fn requests() {
    #[track_caller]
    fn check(head: &str, method: &str, path: &str, bearer: Option<&str>) {
        let (method, path) = (method.as_bytes(), path.as_bytes());
        let want = RequestHead { method, path, bearer: bearer.map(str::as_bytes) };
        assert_eq!(request(head.as_bytes()), want, "{head:?}");
    }
    check("GET /a?b HTTP/1.1\r\nAuthorization: Bearer x y \r\n\r\n", "GET", "/a", Some("x y"));
    check("GET /a HTTP/1.1\nhost: a\nAUTHORIZATION:bearer t", "GET", "/a", Some("t"));
    check("GET /a HTTP/1.1\r\nAuthorization: Basic t\r\n\r\n", "GET", "/a", None);
    check("GET /a\r\nAuthorization: Bearer\r\n", "GET", "/a", None);
    check("POST", "POST", "", None);
    check("", "", "", None);
}
