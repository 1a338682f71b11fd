//! Where a guest's memory comes from. Each attempt has a fresh instance, and the usual allocator begins by asking for more memory: two calls into the
//! kernel for each attempt, which stop the host's other threads for a moment. A step that does little needs little, so the first bytes are taken from
//! memory that the instance has from its beginning, one behind the other; what is larger comes from the usual allocator.
//!
//! Only what was taken last is given back: most of what a step takes lives as long as the attempt.

#![expect(unsafe_code, reason = "an allocator cannot be written without")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::{Cell, UnsafeCell};
use std::mem::MaybeUninit;
use std::ptr;

/// An allocator for a program with one thread.
pub(crate) struct Heap<const LEN: usize> {
    room: UnsafeCell<Room<LEN>>,
    /// How many bytes of the room are taken.
    used: Cell<usize>,
}

#[repr(align(16))]
struct Room<const LEN: usize>([MaybeUninit<u8>; LEN]);

// SAFETY: it is made where there is one thread: see `HEAP`.
unsafe impl<const LEN: usize> Sync for Heap<LEN> {}

#[cfg(all(target_arch = "wasm32", not(target_feature = "atomics")))]
#[global_allocator]
static HEAP: Heap<{ 64 * 1024 }> = Heap::new();

impl<const LEN: usize> Heap<LEN> {
    pub(crate) const fn new() -> Self {
        Self { room: UnsafeCell::new(Room([MaybeUninit::uninit(); LEN])), used: Cell::new(0) }
    }

    fn base(&self) -> *mut u8 {
        self.room.get().cast()
    }

    /// Where a block begins that is in the room, in bytes from its beginning.
    fn place(&self, block: *mut u8) -> Option<usize> {
        (block as usize).checked_sub(self.base() as usize).filter(|place| *place < LEN)
    }

    /// Takes a block from the room; none if there is not so much.
    fn take(&self, layout: Layout) -> Option<*mut u8> {
        let base = self.base() as usize;
        let place = base.checked_add(self.used.get())?.checked_next_multiple_of(layout.align())? - base;
        let end = place.checked_add(layout.size()).filter(|end| *end <= LEN)?;
        self.used.set(end);
        // SAFETY: `place` is not behind the end of the room.
        Some(unsafe { self.base().add(place) })
    }

    /// Whether the block at `place` was taken last.
    fn is_last(&self, place: usize, len: usize) -> bool {
        place + len == self.used.get()
    }
}

// SAFETY: blocks of the room do not overlap, because `used` is the end of every block that is taken and a block begins behind it; only the block that
// ends there moves it back. They are aligned, because `take` rounds up the address. What is not in the room is the usual allocator's.
unsafe impl<const LEN: usize> GlobalAlloc for Heap<LEN> {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise is that of `System`.
        self.take(layout).unwrap_or_else(|| unsafe { System.alloc(layout) })
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        match self.take(layout) {
            Some(block) => {
                // SAFETY: the block has so many bytes, and nobody else has it.
                unsafe { ptr::write_bytes(block, 0, layout.size()) };
                block
            }
            // SAFETY: the caller's promise is that of `System`.
            None => unsafe { System.alloc_zeroed(layout) },
        }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        match self.place(block) {
            Some(place) if self.is_last(place, layout.size()) => self.used.set(place),
            Some(_) => {}
            // SAFETY: it is not of the room, so it came from `System`.
            None => unsafe { System.dealloc(block, layout) },
        }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, len: usize) -> *mut u8 {
        let Some(place) = self.place(block) else {
            // SAFETY: it is not of the room, so it came from `System`.
            return unsafe { System.realloc(block, layout, len) };
        };
        if self.is_last(place, layout.size()) && len <= LEN - place {
            self.used.set(place + len);
            return block;
        }
        if len <= layout.size() {
            return block;
        }
        // SAFETY: the caller promises that `len` is a size for this alignment, and that the block has `layout`.
        unsafe {
            let larger = self.alloc(Layout::from_size_align_unchecked(len, layout.align()));
            if !larger.is_null() {
                ptr::copy_nonoverlapping(block, larger, layout.size());
                self.dealloc(block, layout);
            }
            larger
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LEN: usize = 512;

    #[derive(Debug, Clone)]
    enum Deed {
        Take { len: usize, align: usize, zeroed: bool },
        Resize { which: usize, len: usize },
        Drop { which: usize },
    }

    fn deed() -> impl Strategy<Value = Deed> {
        let take = (1..200_usize, 0..6_u32, any::<bool>());
        prop_oneof![
            3 => take.prop_map(|(len, align, zeroed)| Deed::Take { len, align: 1 << align, zeroed }),
            2 => (any::<usize>(), 1..300_usize).prop_map(|(which, len)| Deed::Resize { which, len }),
            2 => any::<usize>().prop_map(|which| Deed::Drop { which }),
        ]
    }

    /// A block and the byte that it is filled with.
    struct Block {
        at: *mut u8,
        layout: Layout,
        fill: u8,
    }

    impl Block {
        fn bytes(&mut self) -> &mut [u8] {
            // SAFETY: the block is this long, and only this has it.
            unsafe { std::slice::from_raw_parts_mut(self.at, self.layout.size()) }
        }

        fn is_whole(&mut self) -> bool {
            let fill = self.fill;
            self.bytes().iter().all(|byte| *byte == fill)
        }
    }

    proptest! {
        #[test]
        fn blocks_keep_what_is_in_them_whatever_becomes_of_others(deeds in prop::collection::vec(deed(), 1..60)) {
            let heap = Heap::<LEN>::new();
            let mut blocks: Vec<Block> = Vec::new();
            for (deed, fill) in deeds.into_iter().zip((1..=250_u8).cycle()) {
                match deed {
                    Deed::Take { len, align, zeroed } => {
                        let layout = Layout::from_size_align(len, align).expect("a layout");
                        // SAFETY: no layout is of nothing.
                        let at = unsafe { if zeroed { heap.alloc_zeroed(layout) } else { heap.alloc(layout) } };
                        prop_assert!(!at.is_null() && (at as usize).is_multiple_of(align));
                        let mut block = Block { at, layout, fill };
                        prop_assert!(!zeroed || block.bytes().iter().all(|byte| *byte == 0));
                        block.bytes().fill(fill);
                        blocks.push(block);
                    }
                    Deed::Resize { which, len } if !blocks.is_empty() => {
                        let at = which % blocks.len();
                        let block = &mut blocks[at];
                        let kept = len.min(block.layout.size());
                        // SAFETY: it is a block of this heap with this layout.
                        block.at = unsafe { heap.realloc(block.at, block.layout, len) };
                        block.layout = Layout::from_size_align(len, block.layout.align()).expect("a layout");
                        prop_assert!((block.at as usize).is_multiple_of(block.layout.align()));
                        let was = block.fill;
                        prop_assert!(block.bytes()[..kept].iter().all(|byte| *byte == was));
                        block.fill = fill;
                        block.bytes().fill(fill);
                    }
                    Deed::Drop { which } if !blocks.is_empty() => {
                        let block = blocks.swap_remove(which % blocks.len());
                        // SAFETY: it is a block of this heap with this layout.
                        unsafe { heap.dealloc(block.at, block.layout) };
                    }
                    Deed::Resize { .. } | Deed::Drop { .. } => {}
                }
                for block in &mut blocks {
                    prop_assert!(block.is_whole());
                }
            }
            for block in blocks {
                // SAFETY: it is a block of this heap with this layout.
                unsafe { heap.dealloc(block.at, block.layout) };
            }
        }
    }

    #[test]
    fn what_was_taken_last_is_given_back_and_grows_where_it_is() {
        let heap = Heap::<LEN>::new();
        let layout = |len| Layout::from_size_align(len, 1).expect("a layout");
        // SAFETY: the layouts are those of the blocks.
        unsafe {
            let first = heap.alloc(layout(100));
            let second = heap.alloc(layout(100));
            assert_eq!(heap.realloc(second, layout(100), 200), second);
            heap.dealloc(second, layout(200));
            assert_eq!(heap.alloc(layout(400)), second, "there is room again");
            assert!(heap.place(heap.alloc(layout(100))).is_none(), "the rest comes from elsewhere");
            heap.dealloc(first, layout(100));
        }
    }
}
