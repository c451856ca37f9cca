//! `picoclaw-growpart DEVICE`: makes the last MBR partition of a card reach to its end, before it is mounted.
//!
//! Only the length in the table changes, one sector written in place, so a cut leaves the old or the new table. The
//! file system in it is resize2fs's affair.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::process::ExitCode;

use crate::error::Context;
use crate::sys::board;
use crate::{Error, Result};

/// Bytes of a sector in an MBR.
const SECTOR: u64 = 512;
/// Sectors that a partition may fall short of the card's end without being grown: 8 MiB.
const SLACK: u64 = 8 << 11;

/// Grows `device` (`/dev/vda3`, `/dev/mmcblk0p3`).
pub fn run(device: &str) -> Result<ExitCode> {
    let (disk, number) =
        split(device).ok_or_else(|| Error::new(format!("{device} names no partition")))?;
    let path = PathBuf::from(&disk);
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .open(&path)
        .with_context(|| format!("cannot open {disk}"))?;
    let sectors = board::device_bytes(&file)? / SECTOR;
    let mut table = [0; 512];
    file.read_exact_at(&mut table, 0).with_context(|| format!("cannot read {disk}"))?;
    match grow_entry(&mut table, number, sectors).map_err(Error::new)? {
        None => println!("{device}: nothing to grow"),
        Some((start, length)) => {
            file.write_all_at(&table, 0).with_context(|| format!("cannot write {disk}"))?;
            file.sync_all()?;
            resize_in_kernel(&file, number, start * SECTOR, length * SECTOR).with_context(
                || format!("{device}: grown on {disk}, but the kernel keeps the old size"),
            )?;
            println!("{device}: {} MiB", length / 2048);
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn resize_in_kernel(disk: &File, number: u8, start: u64, length: u64) -> io::Result<()> {
    board::resize_partition(disk, number, start, length)
}

/// Disk and number of a partition's name.
fn split(device: &str) -> Option<(String, u8)> {
    let digits = device.len() - device.trim_end_matches(|c: char| c.is_ascii_digit()).len();
    let (disk, number) = device.split_at(device.len() - digits);
    let number = number.parse().ok().filter(|n| (1..=4).contains(n))?;
    // A disk whose name ends in a digit has a p between.
    let disk = match disk.strip_suffix('p') {
        Some(bare) if bare.ends_with(|c: char| c.is_ascii_digit()) => bare,
        _ => disk,
    };
    (disk.len() > "/dev/".len()).then(|| (disk.to_owned(), number))
}

/// Changes the table; gives start and new length in sectors, None if there is nothing to gain.
fn grow_entry(
    table: &mut [u8; 512],
    number: u8,
    sectors: u64,
) -> Result<Option<(u64, u64)>, &'static str> {
    if table[510..] != [0x55, 0xaa] {
        return Err("the card has no MBR");
    }
    let at = |n: u8| 446 + 16 * (usize::from(n) - 1);
    let read = |table: &[u8; 512], at: usize| {
        u64::from(u32::from_le_bytes([table[at], table[at + 1], table[at + 2], table[at + 3]]))
    };
    let mine = at(number);
    if table[mine + 4] == 0xee {
        return Err("the card has a GPT, which is not grown here");
    }
    let (start, length) = (read(table, mine + 8), read(table, mine + 12));
    if table[mine + 4] == 0 || length == 0 {
        return Err("there is no such partition");
    }
    if (1..=4).any(|n| n != number && read(table, at(n) + 12) > 0 && read(table, at(n) + 8) > start)
    {
        return Err("it is not the last partition");
    }
    // MBR knows 32 bits of sectors: 2 TiB.
    let room = sectors.min(u64::from(u32::MAX)).saturating_sub(start);
    if room <= length + SLACK {
        return Ok(None);
    }
    table[mine + 12..mine + 16].copy_from_slice(&(room as u32).to_le_bytes());
    // The old end in cylinders, heads and sectors means nothing any more.
    table[mine + 5..mine + 8].copy_from_slice(&[0xfe, 0xff, 0xff]);
    Ok(Some((start, room)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(parts: &[(u32, u32)]) -> [u8; 512] {
        let mut table = [0; 512];
        table[510] = 0x55;
        table[511] = 0xaa;
        for (n, (start, length)) in parts.iter().enumerate() {
            let at = 446 + 16 * n;
            table[at + 4] = 0x83;
            table[at + 8..at + 12].copy_from_slice(&start.to_le_bytes());
            table[at + 12..at + 16].copy_from_slice(&length.to_le_bytes());
        }
        table
    }

    #[track_caller]
    fn check(
        parts: &[(u32, u32)],
        number: u8,
        sectors: u64,
        want: Result<Option<(u64, u64)>, &str>,
    ) {
        let mut table = table(parts);
        let before = table;
        let got = grow_entry(&mut table, number, sectors);
        assert_eq!(got, want);
        if let Ok(Some((_, length))) = got {
            let mut twice = table;
            assert_eq!(
                grow_entry(&mut twice, number, sectors),
                Ok(None),
                "a second run does nothing"
            );
            let at = 446 + 16 * (usize::from(number) - 1);
            assert_eq!(table[at + 12..at + 16], (length as u32).to_le_bytes());
            assert_eq!(table[..at], before[..at]);
        } else {
            assert_eq!(table, before);
        }
    }

    #[test]
    fn tables() {
        let parts = [(2048, 1000), (4096, 1000), (8192, 1000)];
        check(&parts, 3, 1_000_000, Ok(Some((8192, 991_808))));
        check(&parts, 3, 9192, Ok(None));
        check(&parts, 3, 9192 + SLACK, Ok(None));
        check(&parts, 3, 100, Ok(None));
        check(&parts, 2, 1_000_000, Err("it is not the last partition"));
        check(&parts, 4, 1_000_000, Err("there is no such partition"));
        check(&parts, 3, 1 << 40, Ok(Some((8192, u64::from(u32::MAX) - 8192))));
        assert_eq!(grow_entry(&mut [0; 512], 3, 1_000_000), Err("the card has no MBR"));
    }

    #[test]
    fn names() {
        assert_eq!(split("/dev/vda3"), Some(("/dev/vda".into(), 3)));
        assert_eq!(split("/dev/mmcblk0p3"), Some(("/dev/mmcblk0".into(), 3)));
        assert_eq!(split("/dev/sdp1"), Some(("/dev/sdp".into(), 1)));
        assert_eq!(split("/dev/vda"), None);
        assert_eq!(split("/dev/vda9"), None);
        assert_eq!(split("3"), None);
    }
}
