//! A block device whose writes are recorded: one file in a FUSE file system that this process serves, below a loop device.
//!
//! The kernel's ext4 uses it like a card. A write is certain once a flush came after it; of the writes since the last
//! flush a card may have kept any when its power goes ([`Recorder::cut`]). dm-log-writes and dm-flakey do that in the
//! kernel; this needs no module.
//!
//! FUSE's messages: `include/uapi/linux/fuse.h`, version 7.31; integers in the machine's own byte order.

use std::fs::File;
use std::io::{Read, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::Random;
use crate::pause;

/// The largest write of one request.
const MAX_WRITE: usize = 128 * 1024;
/// What a card keeps whole.
const SECTOR: usize = 512;
/// Bytes of a request's header.
const HEADER: usize = 40;
/// Errors as FUSE wants them.
const ENOSYS: i32 = 38;

/// What becomes of writes and flushes.
#[derive(Clone, Copy, PartialEq)]
enum Mode {
    /// They are done and recorded.
    Record,
    /// They wait: nobody is told that a write is done that will be undone.
    Hold,
    /// They are forgotten; what is read still shows them, so that the file system can be taken down.
    Forget,
}

struct Disk {
    /// What reads show.
    now: Vec<u8>,
    /// What is on the card for certain.
    certain: Vec<u8>,
    /// Writes since the last flush.
    open: Vec<(usize, Vec<u8>)>,
    mode: Mode,
    /// How long a flush takes.
    slow: Duration,
    writes: u64,
    flushes: u64,
}

/// The device; it lives as long as its mount.
#[derive(Clone)]
pub struct Recorder {
    disk: Arc<(Mutex<Disk>, Condvar)>,
}

impl Recorder {
    /// Serves `image` on an open `/dev/fuse` that `mount -t fuse -o fd=...,rootmode=100600` has taken.
    pub fn serve(image: Vec<u8>, mut fuse: File) -> Recorder {
        let disk = Disk {
            certain: image.clone(),
            now: image,
            open: Vec::new(),
            mode: Mode::Record,
            slow: Duration::ZERO,
            writes: 0,
            flushes: 0,
        };
        let recorder = Recorder { disk: Arc::new((Mutex::new(disk), Condvar::new())) };
        let served = recorder.clone();
        std::thread::spawn(move || {
            let mut buffer = vec![0; MAX_WRITE + 4096];
            // It ends with the mount.
            while let Ok(n) = fuse.read(&mut buffer) {
                let Some(answer) = served.answer(&buffer[..n]) else { continue };
                // Who asked may be gone.
                let _ = fuse.write(&answer);
            }
        });
        recorder
    }

    /// From here on each flush takes so long, as on a card that cleans up.
    pub fn slow(&self, flush: Duration) {
        self.lock().slow = flush;
    }

    /// From here on nothing reaches the card, and nobody is told that it did.
    pub fn hold(&self) {
        self.lock().mode = Mode::Hold;
    }

    /// The power is gone: what a card may then hold. Waiting writes go nowhere.
    pub fn cut(&self, random: &mut Random) -> Vec<u8> {
        let mut disk = self.lock();
        disk.mode = Mode::Forget;
        let mut card = std::mem::take(&mut disk.certain);
        let open = std::mem::take(&mut disk.open);
        self.disk.1.notify_all();
        let n = open.len() as u64;
        // All, none, the first ones, or any.
        let (first, any) = match random.below(4) {
            0 => (n, false),
            1 => (0, false),
            2 => (random.below(n + 1), false),
            _ => (n, true),
        };
        for (i, (at, bytes)) in (0..first).zip(&open) {
            if any && random.below(2) == 0 {
                continue;
            }
            // The last one may be cut between two sectors.
            let last = i + 1 == first && random.below(2) == 0;
            let sectors = (bytes.len() / SECTOR) as u64;
            let kept = if last { random.below(sectors + 1) as usize * SECTOR } else { bytes.len() };
            card[*at..*at + kept].copy_from_slice(&bytes[..kept]);
        }
        card
    }

    /// Writes, flushes, and writes since the last flush, so far.
    pub fn counts(&self) -> (u64, u64, u64) {
        let disk = self.lock();
        (disk.writes, disk.flushes, disk.open.len() as u64)
    }

    fn lock(&self) -> MutexGuard<'_, Disk> {
        self.disk.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The disk, once writes are not held.
    fn lock_for_writing(&self) -> MutexGuard<'_, Disk> {
        let waiting = self.disk.1.wait_while(self.lock(), |d| d.mode == Mode::Hold);
        waiting.unwrap_or_else(PoisonError::into_inner)
    }

    /// The answer to a request; `None` where none is wanted.
    fn answer(&self, request: &[u8]) -> Option<Vec<u8>> {
        let number = u32_at(request, 4);
        let body = &request[HEADER..];
        let mut out = vec![0; 16];
        out[8..16].copy_from_slice(&request[8..16]);
        let mut error = 0;
        match number {
            // FORGET, INTERRUPT, BATCH_FORGET
            2 | 36 | 42 => return None,
            // GETATTR, SETATTR: valid for ever
            3 | 4 => {
                out.extend(3600u64.to_ne_bytes());
                out.extend([0; 8]);
                self.attributes(&mut out);
            }
            // OPEN: no handle, the page cache may stay
            14 => out.extend([0; 16]),
            // READ
            15 => {
                let (at, size) = (u64_at(body, 8) as usize, u32_at(body, 16) as usize);
                let disk = self.lock();
                let end = (at + size).min(disk.now.len());
                out.extend(&disk.now[at.min(end)..end]);
            }
            // WRITE
            16 => {
                let (at, size) = (u64_at(body, 8) as usize, u32_at(body, 16) as usize);
                let bytes = &body[40..40 + size];
                let mut disk = self.lock_for_writing();
                disk.now[at..at + size].copy_from_slice(bytes);
                if disk.mode == Mode::Record {
                    disk.writes += 1;
                    disk.open.push((at, bytes.to_vec()));
                }
                out.extend((size as u32).to_ne_bytes());
                out.extend([0; 4]);
            }
            // STATFS
            17 => out.extend([0; 80]),
            // FSYNC
            20 => {
                let slow = self.lock().slow;
                pause::slow(slow);
                let mut disk = self.lock_for_writing();
                if disk.mode == Mode::Record {
                    disk.flushes += 1;
                    for (at, bytes) in std::mem::take(&mut disk.open) {
                        disk.certain[at..at + bytes.len()].copy_from_slice(&bytes);
                    }
                }
            }
            // RELEASE, FLUSH, ACCESS, DESTROY
            18 | 25 | 34 | 38 => {}
            // INIT: version, read-ahead, flags (BIG_WRITES, MAX_PAGES), background, congestion, write, time, pages
            26 => {
                for n in [7, 31, 65536, 1 << 5 | 1 << 22, 12 | 9 << 16, MAX_WRITE as u32, 1] {
                    out.extend(n.to_ne_bytes());
                }
                out.extend((MAX_WRITE as u32 / 4096).to_ne_bytes());
                out.extend([0; 32]);
            }
            _ => error = ENOSYS,
        }
        let length = out.len() as u32;
        out[..4].copy_from_slice(&length.to_ne_bytes());
        out[4..8].copy_from_slice(&(-error).to_ne_bytes());
        Some(out)
    }

    /// `struct fuse_attr` of the one file.
    fn attributes(&self, out: &mut Vec<u8>) {
        let size = self.lock().now.len() as u64;
        for n in [1, size, size / SECTOR as u64, 0, 0, 0] {
            out.extend(n.to_ne_bytes());
        }
        // Nanoseconds of three times, mode, links, user, group, device, block size, flags.
        for n in [0u32, 0, 0, 0o100_600, 1, 0, 0, 0, 4096, 0] {
            out.extend(n.to_ne_bytes());
        }
    }
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_ne_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_ne_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}
