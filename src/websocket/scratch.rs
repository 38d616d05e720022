//! What a worker thread reads into, so that no socket holds a buffer while it waits.

use std::cell::RefCell;

const LENGTH: usize = 32 * 1024;

thread_local! {
    static BUFFER: RefCell<Box<[u8]>> = RefCell::new(vec![0; LENGTH].into_boxed_slice());
}

/// Lends the thread's buffer. What is in it is to be used before the thread does anything else.
pub(super) fn with_buffer<T>(use_it: impl FnOnce(&mut [u8]) -> T) -> T {
    BUFFER.with_borrow_mut(|buffer| use_it(buffer))
}
