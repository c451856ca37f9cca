//! The allocator, and the count behind `PICOCLAW_MEM_LIMIT` and `simulate`'s "heap in use".
//!
//! The libc of the board's toolchain rounds each request up to a power of two and keeps a slab of 64 kB for each such
//! size: half of what it holds is nobody's (docs/memory.md). Here dlmalloc holds the small blocks and merges what is freed.

use std::alloc::{GlobalAlloc, Layout};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::limits::{HEAP_PAUSE, HEAP_TRIES};
use dlmalloc::Dlmalloc;
use rustix::mm::{MapFlags, MremapFlags, ProtFlags, mmap_anonymous, mremap, munmap};

/// Bytes from which a block is a mapping of its own: futures of a turn, buffers, a handshake, which leave no hole behind
/// then. A block just above it leaves a third of its page unused; from 8 kB on only, holes took 56 kB more (docs/memory.md).
const LARGE: usize = 2560;
/// What mappings are aligned to at least.
const PAGE: usize = 4096;

/// dlmalloc under one lock (there are two threads, one of which sleeps), and a counter.
pub struct CountingAllocator;

static HEAP: Mutex<Dlmalloc> = Mutex::new(Dlmalloc::new());
static IN_USE: AtomicUsize = AtomicUsize::new(0);

/// Bytes allocated and not yet freed.
pub fn in_use() -> usize {
    IN_USE.load(Ordering::Relaxed)
}

/// Gives free pages at the heap's end back to the kernel.
pub fn trim() {
    // SAFETY: HEAP is only used under its lock.
    unsafe { heap().trim(0) };
}

fn heap() -> MutexGuard<'static, Dlmalloc> {
    HEAP.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether blocks of this layout are mappings of their own.
fn is_large(layout: Layout) -> bool {
    layout.size() >= LARGE && layout.align() <= PAGE
}

// SAFETY: a block comes from dlmalloc, under one lock, or is a mapping of its own; its layout, which the caller has to
// repeat, tells which. Both uphold the contract.
unsafe impl GlobalAlloc for CountingAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let pointer = patiently(&mut || match is_large(layout) {
            true => map(layout.size()),
            // SAFETY: the caller's promise is dlmalloc's condition.
            false => unsafe { heap().malloc(layout.size(), layout.align()) },
        });
        if !pointer.is_null() {
            IN_USE.fetch_add(layout.size(), Ordering::Relaxed);
        }
        pointer
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise; the block has the layout's size.
        unsafe {
            let pointer = self.alloc(layout);
            // New mappings are zero.
            if !pointer.is_null() && !is_large(layout) {
                pointer.write_bytes(0, layout.size());
            }
            pointer
        }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        IN_USE.fetch_sub(layout.size(), Ordering::Relaxed);
        if is_large(layout) {
            // SAFETY: `map` made it, with this size, and the caller does not use it any more.
            let unmapped = unsafe { munmap(pointer.cast(), layout.size()) };
            debug_assert!(unmapped.is_ok());
        } else {
            // SAFETY: the caller's promise is dlmalloc's condition.
            unsafe { heap().free(pointer, layout.size(), layout.align()) }
        }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller promises that the size is one for this alignment.
        let wanted = unsafe { Layout::from_size_align_unchecked(size, layout.align()) };
        let moved = match (is_large(layout), is_large(wanted)) {
            // SAFETY: the caller's promise is dlmalloc's condition; the block stays as it is if there is no memory.
            (false, false) => patiently(&mut || unsafe {
                heap().realloc(pointer, layout.size(), layout.align(), size)
            }),
            // SAFETY: `map` made it, with this size; the caller uses only what is returned.
            (true, true) => patiently(&mut || unsafe {
                mremap(pointer.cast(), layout.size(), size, MremapFlags::MAYMOVE)
                    .map_or(std::ptr::null_mut(), |p| p.cast())
            }),
            // SAFETY: two different blocks, each as long as is copied; the old one is not used any more.
            _ => unsafe {
                let new = self.alloc(wanted);
                if !new.is_null() {
                    new.copy_from_nonoverlapping(pointer, layout.size().min(size));
                    self.dealloc(pointer, layout);
                }
                return new;
            },
        };
        if !moved.is_null() {
            IN_USE.fetch_add(size, Ordering::Relaxed);
            IN_USE.fetch_sub(layout.size(), Ordering::Relaxed);
        }
        moved
    }
}

/// Tries again while the kernel has no memory: without it the process would end.
fn patiently(make: &mut dyn FnMut() -> *mut u8) -> *mut u8 {
    for _ in 1..HEAP_TRIES {
        let made = make();
        if !made.is_null() {
            return made;
        }
        std::thread::sleep(HEAP_PAUSE);
    }
    make()
}

fn map(size: usize) -> *mut u8 {
    let protection = ProtFlags::READ | ProtFlags::WRITE;
    // SAFETY: a new mapping where the kernel likes.
    let mapped =
        unsafe { mmap_anonymous(std::ptr::null_mut(), size, protection, MapFlags::PRIVATE) };
    mapped.map_or(std::ptr::null_mut(), |p| p.cast())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_that_is_refused_once_is_asked_for_again() {
        let mut asked = 0;
        let mut make = || {
            asked += 1;
            if asked == 3 { 4096 as *mut u8 } else { std::ptr::null_mut() }
        };
        assert_eq!(patiently(&mut make) as usize, 4096);
        assert_eq!(asked, 3);
        let mut asked = 0;
        let mut none = || {
            asked += 1;
            std::ptr::null_mut()
        };
        assert!(patiently(&mut none).is_null());
        assert_eq!(asked, HEAP_TRIES);
    }

    #[test]
    fn blocks_keep_their_contents_and_alignment() {
        for align in [1, 8, 16, 64, 4096] {
            for size in [1, 24, 4000, 300_000] {
                let layout = Layout::from_size_align(size, align).unwrap();
                // SAFETY: the layout is not empty; each block is freed once, with the layout it has.
                unsafe {
                    let block = CountingAllocator.alloc_zeroed(layout);
                    assert_eq!(block as usize % align, 0);
                    assert_eq!((*block, *block.add(size - 1)), (0, 0));
                    block.add(size - 1).write(7);
                    let block = CountingAllocator.realloc(block, layout, size * 2);
                    assert_eq!(block as usize % align, 0);
                    assert_eq!(*block.add(size - 1), 7);
                    CountingAllocator
                        .dealloc(block, Layout::from_size_align(size * 2, align).unwrap());
                }
            }
        }
        trim();
    }
}
