use super::*;

/// A header and its content, padded.
fn entry(name: &str, flag: u8, mode: &str, content: &[u8]) -> Vec<u8> {
    let mut block = vec![0; BLOCK];
    block[..name.len()].copy_from_slice(name.as_bytes());
    block[100..100 + mode.len()].copy_from_slice(mode.as_bytes());
    block[124..135].copy_from_slice(format!("{:011o}", content.len()).as_bytes());
    block[156] = flag;
    block[257..263].copy_from_slice(b"ustar\0");
    sealed(block, content)
}

fn sealed(mut block: Vec<u8>, content: &[u8]) -> Vec<u8> {
    block[148..156].fill(b' ');
    let sum: u32 = block.iter().map(|b| u32::from(*b)).sum();
    block[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
    block.extend_from_slice(content);
    block.resize(block.len().next_multiple_of(BLOCK), 0);
    block
}

fn pax(key: &str, value: &str) -> Vec<u8> {
    let bare = key.len() + value.len() + 3;
    let length = bare + (bare + 2).to_string().len();
    format!("{length} {key}={value}\n").into_bytes()
}

/// Entries as `kind path size x`, contents, and whether the end was seen.
fn read(archive: &[u8], step: usize) -> Result<(Vec<String>, Vec<u8>, bool), &'static str> {
    let (mut tar, mut entries, mut data) = (Tar::default(), Vec::new(), Vec::new());
    for mut piece in archive.chunks(step) {
        while let Some(event) = tar.feed(&mut piece)? {
            match event {
                TarEvent::Entry(e) => {
                    let x = if e.mode & 0o100 != 0 { " x" } else { "" };
                    entries.push(format!("{:?} {} {}{x}", e.kind, e.path, e.size));
                }
                TarEvent::Data(piece) => data.extend_from_slice(piece),
            }
        }
    }
    Ok((entries, data, tar.is_whole()))
}

fn end() -> Vec<u8> {
    vec![0; 2 * BLOCK]
}

#[test]
fn entries_however_the_archive_is_cut() {
    let archive = [
        entry("r/", b'5', "0000755", b""),
        entry("r/a", b'0', "0000644", b"text"),
        entry("r/run", b'0', "0000755", &[7; 600]),
        entry("r/link", b'2', "0000777", b""),
        entry("r/hard", b'1', "0000644", b""),
        entry("r/dev", b'3', "0000644", b""),
        entry("r/old", 0, "0000644", b""),
        entry("r/sparse", b'S', "0000644", b"sp"),
        end(),
        b"what follows counts for nothing".to_vec(),
    ]
    .concat();
    let want = [
        "Folder r/ 0 x",
        "File r/a 4",
        "File r/run 600 x",
        "Link r/link 0 x",
        "Link r/hard 0",
        "Other r/dev 0",
        "File r/old 0",
        "Other r/sparse 2",
    ];
    for step in [1, 100, 511, 512, 513, 100_000] {
        let (entries, data, whole) = read(&archive, step).expect("an archive");
        assert_eq!(entries, want, "{step}");
        assert_eq!(data.len(), 606);
        assert!(whole);
    }
    assert!(!read(&archive[..2000], 512).expect("so far").2);
}

#[test]
fn long_names_in_every_style() {
    let long = "d/".repeat(100) + "file";
    let mut split = vec![0; BLOCK];
    split[..4].copy_from_slice(b"file");
    split[124..135].copy_from_slice(b"00000000000");
    split[156] = b'0';
    split[257..263].copy_from_slice(b"ustar\0");
    split[345..350].copy_from_slice(b"d/e/f");
    let archive = [
        entry("././@LongLink", b'L', "0", format!("{long}\0").as_bytes()),
        entry("cut", b'0', "0", b""),
        entry("././@LongLink", b'K', "0", b"target\0"),
        entry("x", b'x', "0", &[pax("path", &long), pax("mtime", "1.5")].concat()),
        entry("cut", b'0', "0", b""),
        entry("x", b'x', "0", &pax("size", "3")),
        entry("sized", b'0', "0", b"abc"),
        sealed(split, b""),
        end(),
    ]
    .concat();
    let (entries, _, whole) = read(&archive, 77).expect("an archive");
    let file = format!("File {long} 0");
    assert_eq!(entries, [&*file, &*file, "File sized 3", "File d/e/f/file 0"]);
    assert!(whole);
}

#[test]
fn the_commit_is_in_the_global_comment() {
    let hash = "0123456789abcdef0123456789abcdef01234567";
    let archive = entry("pax_global_header", b'g', "0", &pax("comment", hash));
    let mut tar = Tar::default();
    assert_eq!(tar.feed(&mut &archive[..]), Ok(None));
    assert_eq!(tar.comment(), hash);
}

#[test]
fn errors_are_specific() {
    let broken = "this is no tar archive, or it is broken";
    let mut bad = entry("a", b'0', "0", b"");
    bad[0] = b'b';
    assert_eq!(read(&bad, 512), Err(broken));
    assert_eq!(read(&[b'x'; 512], 512), Err(broken));
    let mut size = vec![0; BLOCK];
    size[124..136].copy_from_slice(b"9          9");
    assert_eq!(read(&sealed(size, b""), 512), Err("a size in the archive is wrong"));
    assert_eq!(read(&entry("a", b'x', "0", b"5 x\n"), 512), Err("a pax header is broken"));
    assert_eq!(read(&entry("a", b'x', "0", b"99 a=b\n"), 512), Err("a pax header is broken"));
    let size = "a size in the archive is wrong";
    assert_eq!(read(&entry("a", b'x', "0", &pax("size", "-1")), 512), Err(size));
    let endless = entry("a", b'L', "0", &vec![b'a'; EXTENSION_BYTES as usize + 1]);
    assert_eq!(read(&endless, 512), Err("a name in the archive is too long"));
}

#[test]
fn numbers_in_octal_and_binary() {
    for (bytes, want) in [
        (&b"0000644\0"[..], Some(0o644)),
        (b"   17 \0\0", Some(0o17)),
        (b"\0\0\0\0\0\0\0\0", Some(0)),
        (b"00008\0\0\0", None),
        (b"\x80\0\0\0\0\0\0\0\0\0\x01\0", Some(256)),
        (b"\x80\0\0\0\xff\0\0\0\0\0\0\0", None),
        (b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", None),
        // No room for a binary number: the checksum's field.
        (b"\x80\0\0\0\0\0\0\x01", None),
    ] {
        assert_eq!(number(bytes), want, "{bytes:?}");
    }
}
