//! How much memory a piece of work asks for at a time: everything that this thread allocates is counted. Resident memory would not do:
//! what is reserved and not touched is not in it, and other threads are.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::ptr::null_mut;

/// No thread gets more. Far above what a case may have: whoever asks for it would take the whole machine, and the process ends instead.
const LIVE_MAX: isize = 3 << 30;

/// Counts, and leaves the rest to the system.
struct Counting;

#[global_allocator]
static COUNTING: Counting = Counting;

thread_local! {
    /// Bytes that this thread asked for and did not give back. Below zero if it gives back what another one asked for.
    static LIVE: Cell<isize> = const { Cell::new(0) };
    /// The most of it since it was set.
    static MOST: Cell<isize> = const { Cell::new(0) };
}

/// False if it would be too much; then nothing is counted.
fn count(more: usize, less: usize) -> bool {
    // A thread that is ending has no counters any more, and nobody asks for them.
    let counted = LIVE.try_with(|live| {
        let now = live.get().wrapping_add_unsigned(more).wrapping_sub_unsigned(less);
        if now > LIVE_MAX && more > less {
            return false;
        }
        live.set(now);
        let _ = MOST.try_with(|most| most.set(most.get().max(now)));
        true
    });
    counted.unwrap_or(true)
}

// SAFETY: every call goes to the system's allocator as it came; counting neither allocates nor panics.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if !count(layout.size(), 0) {
            return null_mut();
        }
        // SAFETY: as promised by the caller.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if !count(layout.size(), 0) {
            return null_mut();
        }
        // SAFETY: as promised by the caller.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if !count(size, layout.size()) {
            return null_mut();
        }
        // SAFETY: as promised by the caller.
        unsafe { System.realloc(at, layout, size) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        count(0, layout.size());
        // SAFETY: as promised by the caller.
        unsafe { System.dealloc(at, layout) }
    }
}

/// Does something; the second answer is the most bytes that this thread had for it at a time.
pub(crate) fn most_of<T>(work: impl FnOnce() -> T) -> (T, usize) {
    let before = LIVE.get();
    MOST.set(before);
    let done = work();
    (done, usize::try_from(MOST.get() - before).unwrap_or(0))
}

#[test]
fn what_is_asked_for_is_counted_even_if_it_is_not_used() {
    let ((), most) = most_of(|| drop(std::hint::black_box(Vec::<u8>::with_capacity(40 << 20))));
    assert!((40 << 20..41 << 20).contains(&most), "{most}");
    let (_, most) = most_of(|| std::hint::black_box(vec![1_u8; 1000]));
    assert!(most < 1 << 20, "{most}");
}
