//! The heap's budget, kept. Purpose: every allocation is counted, and the one that would go past
//! the limit fails; new work is refused well before that ([`is_tight`]). Non-goal: being a faster
//! allocator: the system's serves. Bound: the limit set at the start. Its `unsafe` is what the
//! trait demands, and nothing here touches memory itself.
//!
//! A failed allocation ends the process, as everywhere in Rust; the supervisor starts it again.
//! That is the last line: what can grow is bounded by `limits`, of which the limit is the sum.

#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// New work is refused while less than this part of the limit is free.
const RESERVE_DIVISOR: usize = 8;

static USED: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);
static LIMIT: AtomicUsize = AtomicUsize::new(usize::MAX);

/// The system's allocator, counted and limited.
pub struct CountedHeap;

/// What the heap holds, bytes as asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HeapUse {
    /// Now.
    pub used_bytes: usize,
    /// At most, since the start.
    pub peak_bytes: usize,
    /// What it may hold.
    pub limit_bytes: usize,
}

/// Sets the limit.
pub fn set_limit(bytes: usize) {
    LIMIT.store(bytes, Relaxed);
}

/// What is used.
pub fn usage() -> HeapUse {
    HeapUse {
        used_bytes: USED.load(Relaxed),
        peak_bytes: PEAK.load(Relaxed),
        limit_bytes: LIMIT.load(Relaxed),
    }
}

/// Whether new work (a viewer, a connection) must be refused, so that what is there can go on.
pub fn is_tight() -> bool {
    let HeapUse { used_bytes, limit_bytes, .. } = usage();
    used_bytes > limit_bytes - limit_bytes / RESERVE_DIVISOR
}

/// Takes `bytes` from the budget, if they are there.
fn take(bytes: usize) -> bool {
    let before = USED.fetch_add(bytes, Relaxed);
    let after = before.saturating_add(bytes);
    if after > LIMIT.load(Relaxed) {
        USED.fetch_sub(bytes, Relaxed);
        return false;
    }
    // A few bytes of another thread's peak may be missed; this is a figure, not a decision.
    if after > PEAK.load(Relaxed) {
        PEAK.store(after, Relaxed);
    }
    true
}

fn give_back(bytes: usize) {
    USED.fetch_sub(bytes, Relaxed);
}

// SAFETY: every call is handed on to the system's allocator with the arguments it came with; a
// null pointer is the trait's way to say that there is no memory.
unsafe impl GlobalAlloc for CountedHeap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if take(layout.size()) {
            returned(System.alloc(layout), layout.size())
        } else {
            std::ptr::null_mut()
        }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if take(layout.size()) {
            returned(System.alloc_zeroed(layout), layout.size())
        } else {
            std::ptr::null_mut()
        }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        System.dealloc(place, layout);
        give_back(layout.size());
    }

    unsafe fn realloc(&self, place: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        if !take(new_size) {
            return std::ptr::null_mut();
        }
        let new_place = returned(System.realloc(place, layout, new_size), new_size);
        if !new_place.is_null() {
            give_back(layout.size());
        }
        new_place
    }
}

/// Gives the bytes back when the system had none after all.
fn returned(place: *mut u8, bytes: usize) -> *mut u8 {
    if place.is_null() {
        give_back(bytes);
    }
    place
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One test, for the counters belong to the whole process; this one does not allocate through
    /// them, because only the program's binary installs the heap.
    #[test]
    fn what_goes_past_the_limit_is_not_there() {
        let heap = CountedHeap;
        let layout = |bytes| Layout::from_size_align(bytes, 8).unwrap();
        set_limit(10_000);
        // SAFETY: each block is freed once, with the layout it was asked for.
        unsafe {
            let first = heap.alloc(layout(6000));
            assert!(!first.is_null());
            assert!(!is_tight());
            assert!(heap.alloc(layout(4001)).is_null());
            assert_eq!(usage().used_bytes, 6000);
            let second = heap.alloc_zeroed(layout(3000));
            assert!(!second.is_null());
            assert!(is_tight());
            assert!(heap.realloc(second, layout(3000), 4001).is_null(), "old and new, for a while");
            assert_eq!(usage().used_bytes, 9000);
            let second = heap.realloc(second, layout(3000), 500);
            assert_eq!((usage().used_bytes, is_tight()), (6500, false));
            heap.dealloc(first, layout(6000));
            heap.dealloc(second, layout(500));
        }
        assert_eq!(usage(), HeapUse { used_bytes: 0, peak_bytes: 9500, limit_bytes: 10_000 });
        set_limit(usize::MAX);
    }
}
