//! An answer's body on its way to the client.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};

use super::Lease;
use crate::causes::with_causes;

/// The body of Django's answer, as it comes.
#[derive(Debug)]
pub(crate) struct Download {
    body: Incoming,
    /// An answer without a body that may tell the length of the one that it spares (HEAD, 304): hyper would put its own
    /// in place of one that it knows to be empty.
    is_spared: bool,
    _lease: Lease,
}

impl Download {
    pub(super) const fn new(body: Incoming, is_spared: bool, lease: Lease) -> Self {
        Self { body, is_spared, _lease: lease }
    }
}

impl Body for Download {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        if let Poll::Ready(Some(Err(error))) = &polled {
            tracing::warn!(error = with_causes(error), "the upstream's answer broke off");
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        !self.is_spared && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        if self.is_spared { SizeHint::default() } else { self.body.size_hint() }
    }
}
