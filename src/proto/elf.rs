//! The build id of an ELF file: it connects a crash report with the debug file of its build.

/// Note type of a build id (GNU ABI, `NT_GNU_BUILD_ID`).
const BUILD_ID: u32 = 3;
/// Program header type of notes.
const NOTE: u32 = 4;

/// The build id in hex, from the head of a 64-bit little-endian ELF file (program headers and notes must be inside
/// `head`; with the usual linkers they are in the first page). `None` for anything else.
pub fn build_id(head: &[u8]) -> Option<String> {
    if head.get(..6)? != [0x7f, b'E', b'L', b'F', 2, 1] {
        return None;
    }
    let table = usize::try_from(u64_at(head, 32)?).ok()?;
    let (size, count) = (usize::from(u16_at(head, 54)?), usize::from(u16_at(head, 56)?));
    for i in 0..count {
        let header = head.get(table.checked_add(i * size)?..)?;
        if u32_at(header, 0)? != NOTE {
            continue;
        }
        let (from, length) =
            (usize::try_from(u64_at(header, 8)?).ok()?, usize::try_from(u64_at(header, 32)?).ok()?);
        let notes = head.get(from..from.checked_add(length)?)?;
        if let Some(id) = find(notes) {
            return Some(id);
        }
    }
    None
}

fn find(mut notes: &[u8]) -> Option<String> {
    loop {
        let (name, value, kind) =
            (u32_at(notes, 0)? as usize, u32_at(notes, 4)? as usize, u32_at(notes, 8)?);
        let value_at = 12usize.checked_add(name.checked_next_multiple_of(4)?)?;
        let bytes = notes.get(value_at..value_at.checked_add(value)?)?;
        if kind == BUILD_ID && notes.get(12..16) == Some(b"GNU\0") {
            return Some(super::text::hex(bytes));
        }
        notes = notes.get(value_at + value.checked_next_multiple_of(4)?..)?;
    }
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..at + 2)?.try_into().ok().map(u16::from_le_bytes)
}
fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at + 4)?.try_into().ok().map(u32::from_le_bytes)
}
fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..at + 8)?.try_into().ok().map(u64::from_le_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An ELF header with one note segment after the program header.
    fn elf(notes: &[u8]) -> Vec<u8> {
        let mut file = vec![0; 64 + 56];
        file[..6].copy_from_slice(&[0x7f, b'E', b'L', b'F', 2, 1]);
        file[32] = 64;
        file[54] = 56;
        file[56] = 1;
        file[64] = NOTE as u8;
        file[72] = 120;
        file[96] = notes.len() as u8;
        file.extend_from_slice(notes);
        file
    }

    fn note(name: &[u8], kind: u8, value: &[u8]) -> Vec<u8> {
        let mut note = vec![name.len() as u8, 0, 0, 0, value.len() as u8, 0, 0, 0, kind, 0, 0, 0];
        note.extend_from_slice(name);
        note.resize(note.len().next_multiple_of(4), 0);
        note.extend_from_slice(value);
        note.resize(note.len().next_multiple_of(4), 0);
        note
    }

    #[track_caller]
    fn check(file: &[u8], want: Option<&str>) {
        assert_eq!(build_id(file).as_deref(), want);
    }

    #[test]
    fn ids() {
        let id = note(b"GNU\0", 3, &[0xab, 0x01, 0xff]);
        check(&elf(&id), Some("ab01ff"));
        check(&elf(&[note(b"Linux\0", 1, &[1, 2]), id.clone()].concat()), Some("ab01ff"));
        check(&elf(&note(b"GNU\0", 1, &[1])), None);
        check(&elf(&[]), None);
        check(b"\x7fELF", None);
        check(b"#!/bin/sh\n", None);
    }

    #[test]
    fn no_cut_of_a_good_file_is_misread() {
        let file = elf(&note(b"GNU\0", 3, &[1, 2, 3, 4]));
        for n in 0..file.len() {
            check(&file[..n], None);
        }
    }
}
