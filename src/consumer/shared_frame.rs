//! One message to many clients.

use std::sync::OnceLock;

use bytes::Bytes;

use super::Frame;

/// A message that many sockets send: each way to encode it is gone once for all of them.
#[derive(Debug)]
pub(crate) struct SharedFrame {
    frame: Frame,
    plain: OnceLock<Bytes>,
    compressed: OnceLock<Bytes>,
}

impl SharedFrame {
    pub(crate) const fn new(frame: Frame) -> Self {
        Self { frame, plain: OnceLock::new(), compressed: OnceLock::new() }
    }

    /// The message itself.
    #[cfg(any(test, feature = "internals"))]
    pub(crate) const fn frame(&self) -> &Frame {
        &self.frame
    }

    /// The frame's bytes, by whoever encodes it first.
    pub(crate) fn plain(&self, encode: impl FnOnce(&Frame) -> Bytes) -> Bytes {
        self.plain.get_or_init(|| encode(&self.frame)).clone()
    }

    /// The same for clients that take it compressed.
    pub(crate) fn compressed(&self, encode: impl FnOnce(&Frame) -> Bytes) -> Bytes {
        self.compressed.get_or_init(|| encode(&self.frame)).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_encoding_is_made_once() {
        let shared = SharedFrame::new(Frame::Text("x".to_owned()));
        assert_eq!(shared.plain(|_| Bytes::from_static(b"first")), "first");
        assert_eq!(shared.plain(|_| Bytes::from_static(b"second")), "first");
        assert_eq!(shared.compressed(|_| Bytes::from_static(b"third")), "third");
    }
}
