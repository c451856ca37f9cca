//! Keeps the program's own pages few: the kernel maps 64 kB around each page of a file that is touched, and what start-up
//! or a rare path has touched stays resident although nobody comes back to it.
//!
//! Must never lose data: code and constants come back from the file, dead stack holds nothing.

use std::ops::Range;

use rustix::mm::{Advice, madvise};

use super::heap;

/// Bytes of stack below the caller that are looked at; the kernel's guard gap keeps other mappings further away.
const STACK_BELOW: usize = 256 * 1024;
/// Bytes below this function's frame that stay: the system call's own frames, and the red zone.
const STACK_KEPT: usize = 8 * 1024;
/// The smallest page of the kernels we run on; larger ones make `madvise` refuse, which costs nothing.
const PAGE: usize = 4096;

/// Bytes of the program that one page fault maps at most.
const PIECE: usize = 16 * 1024;

// SAFETY: the linker defines both in every program; only their addresses are used.
unsafe extern "C" {
    /// Defined by the linker: where the program file begins in memory.
    static __executable_start: u8;
    /// Defined by the linker: where its code ends. All before it is read-only.
    static etext: u8;
}

/// Code and constants, in whole pages.
fn program() -> Range<usize> {
    let (start, end) = (&raw const __executable_start as usize, &raw const etext as usize);
    start / PAGE * PAGE..end / PAGE * PAGE
}

/// Makes page faults map small pieces: the kernel does not map around a fault beyond the mapping it is in, so every other
/// piece becomes a mapping of its own, by an advice that changes nothing else (its pages are left out of core dumps, which
/// have the program file anyway). About 90 mappings, 200 bytes of kernel memory each. To be called first thing.
pub fn map_small_pieces() {
    let program = program();
    for start in program.clone().step_by(2 * PIECE) {
        let length = PIECE.min(program.end - start);
        // SAFETY: the range is code and constants, and the advice is about core dumps only. An error means no advice.
        let _ = unsafe { madvise(start as *mut _, length, Advice::LinuxDontDump) };
    }
}

/// Lets go of the program's own pages, the dead part of this thread's stack and the heap's free end. What is needed comes
/// back by page faults that do not reach the disk: about ten a call. Kernels that refuse lose nothing.
pub fn give_back() {
    let program = program();
    discard(program.start, program.end);
    dead_stack();
    heap::trim();
}

#[inline(never)]
fn dead_stack() {
    let here = 0_u8;
    let top = (&raw const here as usize - STACK_KEPT) / PAGE * PAGE;
    discard(top - STACK_BELOW, top);
}

fn discard(start: usize, end: usize) {
    if end <= start {
        return;
    }
    // SAFETY: the callers name pages of a read-only file mapping, which come back as they are, or of stack below every
    // live frame. An error (no such advice, a hole) means that nothing, or less, was done.
    let _ = unsafe { madvise(start as *mut _, end - start, Advice::LinuxDontNeed) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_works_on() {
        let text = "constants of the program".to_string();
        let deep: [u8; 4096] = std::array::from_fn(|i| i as u8);
        map_small_pieces();
        for _ in 0..3 {
            give_back();
        }
        assert_eq!(text, "constants of the program");
        assert!(deep.iter().enumerate().all(|(i, b)| *b == i as u8));
    }
}
