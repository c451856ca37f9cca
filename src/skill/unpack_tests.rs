use super::*;
use crate::proto::crc32::crc32;

/// A tar header and content, padded.
pub fn entry(name: &str, flag: u8, content: &[u8]) -> Vec<u8> {
    let mut block = vec![0; 512];
    block[..name.len()].copy_from_slice(name.as_bytes());
    block[100..107].copy_from_slice(if name.ends_with(".sh") { b"0000755" } else { b"0000644" });
    block[124..135].copy_from_slice(format!("{:011o}", content.len()).as_bytes());
    block[156] = flag;
    block[148..156].fill(b' ');
    let sum: u32 = block.iter().map(|b| u32::from(*b)).sum();
    block[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
    block.extend_from_slice(content);
    block.resize(block.len().next_multiple_of(512), 0);
    block
}

/// gzip without compression (RFC 1951, section 3.2.4).
pub fn gzip(content: &[u8]) -> Vec<u8> {
    let mut out = b"\x1f\x8b\x08\0\0\0\0\0\0\xff".to_vec();
    let mut pieces = content.chunks(0xffff).peekable();
    while let Some(piece) = pieces.next() {
        out.push(u8::from(pieces.peek().is_none()));
        out.extend((piece.len() as u16).to_le_bytes());
        out.extend((!(piece.len() as u16)).to_le_bytes());
        out.extend_from_slice(piece);
    }
    out.extend(crc32(&[content]).to_le_bytes());
    out.extend((content.len() as u32).to_le_bytes());
    out
}

/// An archive of these.
pub fn archive(entries: &[(&str, u8, &[u8])]) -> Vec<u8> {
    let mut tar: Vec<u8> = entries.iter().flat_map(|(n, f, c)| entry(n, *f, c)).collect();
    tar.resize(tar.len() + 1024, 0);
    gzip(&tar)
}

/// Where the skill was found and which files came out, or what was wrong.
fn unpacked(name: &str, source: &str, bytes: &[u8]) -> Result<(SkillLocation, Vec<String>)> {
    let dir = crate::sys::scratch::Scratch::named(name);
    fs::create_dir(dir.join("in")).expect("a folder");
    fs::write(dir.join("a"), bytes).expect("an archive");
    let source = SkillSource::parse(source, super::super::source::GITHUB)?;
    let found = find(&dir.join("a"), &source)?;
    let mut sink = SkillWriter::new(dir.join("in"), &dir, found.whole_repository)?;
    unpack(&dir.join("a"), &found, &mut sink)?;
    let mut files = Vec::new();
    let mut folders = vec![dir.join("in")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder").flatten() {
            if entry.path().is_dir() {
                folders.push(entry.path());
            } else {
                let path = entry.path();
                files
                    .push(path.strip_prefix(dir.join("in")).expect("inside").display().to_string());
            }
        }
    }
    files.sort();
    Ok((found, files))
}

const REPO: &[(&str, u8, &[u8])] = &[
    ("pax_global_header", b'g', b"52 comment=0123456789abcdef0123456789abcdef01234567\n"),
    ("r-main/", b'5', b""),
    ("r-main/README.md", b'0', b"about"),
    ("r-main/link", b'2', b""),
    ("r-main/skills/a/SKILL.md", b'0', b"a"),
    ("r-main/skills/a/run.sh", b'0', b"x"),
    ("r-main/skills/a/examples/b/SKILL.md", b'0', b"inner"),
    ("r-main/skills/c/SKILL.md", b'0', b"c"),
];

#[test]
fn a_skill_is_found_in_its_repository() {
    let bytes = archive(REPO);
    let (found, files) = unpacked("u1", "o/r/skills/a", &bytes).expect("a skill");
    assert_eq!(found.folder, "r-main/skills/a");
    assert_eq!(found.commit, "0123456789abcdef0123456789abcdef01234567");
    assert_eq!(files, ["SKILL.md", "examples/b/SKILL.md", "run.sh"]);
    // By its name alone, and by its file.
    assert_eq!(unpacked("u2", "o/r/c", &bytes).expect("a skill").1, ["SKILL.md"]);
    assert_eq!(unpacked("u3", "o/r/skills/c/SKILL.md", &bytes).expect("one").1, ["SKILL.md"]);
    let e = unpacked("u4", "o/r", &bytes).expect_err("two");
    assert!(e.as_str().contains("name one: skills/a, skills/a/examples/b, skills/c"), "{e}");
    let e = unpacked("u5", "o/r/x", &bytes).expect_err("none");
    assert!(e.as_str().contains("no skill \"x\" in it, but skills/a"), "{e}");
}

#[test]
fn the_top_of_a_repository_gives_only_what_belongs_to_a_skill() {
    let bytes = archive(&[
        ("r-main/SKILL.md", b'0', b"s"),
        ("r-main/README.md", b'0', b"x"),
        ("r-main/src/main.c", b'0', b"x"),
        ("r-main/scripts/a.sh", b'0', b"x"),
        ("r-main/latest", b'2', b""),
    ]);
    let (found, files) = unpacked("u6", "o/r", &bytes).expect("a skill");
    assert!(found.whole_repository);
    assert_eq!(files, ["SKILL.md", "scripts/a.sh"]);
    // The same archive as a file is a skill with everything; its link is then refused.
    let e = unpacked("u7", "./x.tar.gz", &bytes).expect_err("a link");
    assert!(e.as_str().contains("latest is a link"), "{e}");
}

#[test]
fn tarballs_with_and_without_a_folder() {
    let flat = archive(&[("./", b'5', b""), ("./SKILL.md", b'0', b"s"), ("./a/b", b'0', b"x")]);
    assert_eq!(unpacked("u8", "./x.tgz", &flat).expect("a skill").1, ["SKILL.md", "a/b"]);
    let deep = archive(&[("s/SKILL.md", b'0', b"s"), ("s/a", b'0', b"x"), ("t", b'0', b"x")]);
    assert_eq!(unpacked("u9", "./x.tgz", &deep).expect("a skill").1, ["SKILL.md", "a"]);
    let none = archive(&[("a", b'0', b"x")]);
    let e = unpacked("u10", "./x.tgz", &none).expect_err("none");
    assert_eq!(e.as_str(), "there is no SKILL.md in it");
}

#[test]
fn ways_out_are_refused() {
    let skill: (&str, u8, &[u8]) = ("s/SKILL.md", b'0', b"s");
    for (n, (name, flag, want)) in [
        ("../evil", b'0', "leads out"),
        ("s/../../evil", b'0', "leads out"),
        ("/etc/evil", b'0', "leads out"),
        ("s/link", b'2', "link or a device"),
        ("s/hard", b'1', "link or a device"),
        ("s/dev", b'3', "link or a device"),
        ("s/fifo", b'6', "link or a device"),
        ("s/a\\b", b'0', "no skill may have"),
        ("s/a\u{202e}b", b'0', "no skill may have"),
        ("s/skill.MD", b'0', "only in case"),
        ("s/SKILL.md", b'0', "twice"),
        ("s/SKILL.md/x", b'0', "Not a directory"),
    ]
    .into_iter()
    .enumerate()
    {
        let bytes = archive(&[skill, (name, flag, b"")]);
        let e = unpacked(&format!("out-{n}"), "./x.tgz", &bytes).expect_err(name);
        assert!(e.as_str().contains(want), "{name}: {e}");
    }
}

#[test]
fn bombs_and_truncated_archives_are_refused() {
    let bytes = archive(REPO);
    let e = unpacked("cut", "o/r/c", &bytes[..bytes.len() - 600]).expect_err("cut off");
    assert!(e.as_str().contains("cut off"), "{e}");
    let e = unpacked("html", "o/r", b"<html>").expect_err("no archive");
    assert_eq!(e.as_str(), "this is not gzip");
    let e = unpacked("noise", "o/r", &gzip(&[7; 2000])).expect_err("no archive");
    assert!(e.as_str().contains("no tar archive"), "{e}");
    // A fixed-Huffman block of one byte and then matches of length 258: 1032 times as much comes out.
    let e = unpacked("bomb", "o/r", &bomb()).expect_err("a bomb");
    assert_eq!(e.as_str(), "the archive unpacks to far too much");
    let many: Vec<u8> = (0..=SKILL_ENTRIES).flat_map(|_| entry("r/a", b'5', b"")).collect();
    let e = unpacked("entries", "o/r", &gzip(&many)).expect_err("too many");
    assert!(e.as_str().contains("entries"), "{e}");
}

/// Zero bytes without end (RFC 1951, section 3.2.6): literal 0, then `length 258, distance 1` in 13 bits each.
fn bomb() -> Vec<u8> {
    let mut bits: Vec<bool> = vec![true, true, false];
    bits.extend([false, false, true, true, false, false, false, false]);
    for _ in 0..40_000 {
        bits.extend([true, true, false, false, false, true, false, true]);
        bits.extend([false; 5]);
    }
    let mut out = b"\x1f\x8b\x08\0\0\0\0\0\0\xff".to_vec();
    out.extend(bits.chunks(8).map(|c| c.iter().rev().fold(0, |b, bit| b << 1 | u8::from(*bit))));
    // A folder's header would have to be first: zeros are none, so only the amount can stop it.
    out
}
