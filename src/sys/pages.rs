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

/// Calls with each run of whole pages that is code or constants, of the program and of the libraries it has loaded: what
/// their headers have loaded and nobody may write. Linkers differ in whether the constants come before the code or after it.
fn read_only(each: &mut dyn FnMut(Range<usize>)) {
    // SAFETY: to be called by libc's dl_iterate_phdr alone, with the pointer that it is given below.
    unsafe extern "C" fn object(
        info: *mut libc::dl_phdr_info,
        _size: libc::size_t,
        data: *mut libc::c_void,
    ) -> libc::c_int {
        // SAFETY: libc hands over an object's description for the time of the call, and the pointer given below.
        let (info, each) = unsafe { (&*info, &mut *data.cast::<&mut dyn FnMut(Range<usize>)>()) };
        for at in 0..usize::from(info.dlpi_phnum) {
            // SAFETY: there are so many headers.
            let header = unsafe { &*info.dlpi_phdr.add(at) };
            if header.p_type == libc::PT_LOAD && header.p_flags & libc::PF_W == 0 {
                let start = info.dlpi_addr as usize + header.p_vaddr as usize;
                let end = start + header.p_memsz as usize;
                // The last page may be shared with what follows.
                each(start / PAGE * PAGE..end / PAGE * PAGE);
            }
        }
        0
    }
    let mut each = each;
    // SAFETY: the function takes what is given here, during this call only.
    unsafe { libc::dl_iterate_phdr(Some(object), (&raw mut each).cast()) };
}

/// Makes page faults map small pieces: the kernel does not map around a fault beyond the mapping it is in, so every other
/// piece becomes a mapping of its own, by an advice that changes nothing else (its pages are left out of core dumps, which
/// have the program file anyway). About 90 mappings, 200 bytes of kernel memory each. To be called first thing.
pub fn map_small_pieces() {
    read_only(&mut |pages| {
        for start in pages.clone().step_by(2 * PIECE) {
            let length = PIECE.min(pages.end - start);
            // SAFETY: the range is code and constants, and the advice is about core dumps only. An error means no advice.
            let _ = unsafe { madvise(start as *mut _, length, Advice::LinuxDontDump) };
        }
    });
}

/// Lets go of the program's and its libraries' own pages, the dead part of this thread's stack and the heap's free end.
/// What is needed comes back by page faults that do not reach the disk: about ten a call. Kernels that refuse lose nothing.
pub fn release() {
    read_only(&mut |pages| discard(pages.start, pages.end));
    release_stack();
    heap::trim();
}

#[inline(never)]
fn release_stack() {
    let here = 0_u8;
    let top = (&raw const here as usize - STACK_KEPT) / PAGE * PAGE;
    discard(top - STACK_BELOW, top);
}

fn discard(start: usize, end: usize) {
    if end <= start {
        return;
    }
    // SAFETY: the callers name pages of stack below every live frame, or of a file mapping that nobody writes: these come back
    // as they are in the file, which is as they were, since linkers refuse relocations in code unless told (`-z notext`), and
    // neither we nor the C libraries tell them. An error (no such advice, a hole) means that nothing, or less, was done.
    let _ = unsafe { madvise(start as *mut _, end - start, Advice::LinuxDontNeed) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_constants_and_libraries_are_found() {
        let (mut code, mut constant, mut library, mut data) = (false, false, false, false);
        let written = Box::new(1_u8);
        read_only(&mut |pages| {
            code |= pages.contains(&(everything_works_on as fn() as usize));
            constant |= pages.contains(&("text of the program".as_ptr() as usize));
            library |= pages.contains(&(libc::getpid as unsafe extern "C" fn() -> i32 as usize));
            data |= pages.contains(&(&raw const *written as usize));
        });
        assert!(code && constant && library && !data, "{code} {constant} {library} {data}");
    }

    #[test]
    fn everything_works_on() {
        let text = "constants of the program".to_string();
        let deep: [u8; 4096] = std::array::from_fn(|i| i as u8);
        map_small_pieces();
        for _ in 0..3 {
            release();
        }
        assert_eq!(text, "constants of the program");
        assert!(deep.iter().enumerate().all(|(i, b)| *b == i as u8));
    }
}
