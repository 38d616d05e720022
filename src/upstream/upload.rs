//! A request's body on its way to Django.

use std::{
    error::Error,
    fmt,
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::{Body, Frame, SizeHint};
use tokio::time::{Instant, Sleep, sleep};

/// The client's body.
pub(crate) type ClientBody = UnsyncBoxBody<Bytes, Box<dyn Error + Send + Sync>>;

/// How long a client may send nothing of a body that it has begun.
pub(super) const IDLE: Duration = Duration::from_mins(1);

/// A body that is still whole where a server was not reached, so that the next one can be tried.
#[derive(Clone, Debug)]
pub(super) struct Source(Option<Arc<Mutex<Progress>>>);

#[derive(Debug)]
struct Progress {
    /// Until it is read for the first time.
    whole: Option<ClientBody>,
    /// When a part of it was last passed on.
    moved: Instant,
    failure: Option<UploadFailure>,
}

/// Why the client's body did not come to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum UploadFailure {
    #[error("the client sent nothing more of its body")]
    TooSlow,
    #[error("the client's body broke off")]
    Broken,
}

impl Source {
    pub(super) fn new(body: ClientBody) -> Self {
        if body.is_end_stream() {
            return Self(None);
        }
        Self(Some(Arc::new(Mutex::new(Progress { whole: Some(body), moved: Instant::now(), failure: None }))))
    }

    /// Whether there is no body at all.
    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// The body, for one attempt to send it.
    pub(super) fn upload(&self) -> Upload {
        Upload { source: self.clone(), reading: None, waiting: None }
    }

    /// When a part of it was last passed on.
    pub(super) fn moved(&self) -> Option<Instant> {
        self.with(|progress| progress.moved)
    }

    pub(super) fn failure(&self) -> Option<UploadFailure> {
        self.with(|progress| progress.failure).flatten()
    }

    fn with<T>(&self, read: impl FnOnce(&mut Progress) -> T) -> Option<T> {
        let progress = self.0.as_ref()?;
        Some(read(&mut progress.lock().unwrap_or_else(PoisonError::into_inner)))
    }
}

/// One attempt to send a body: read as the server takes it, and given up where the client sends nothing for [`IDLE`].
pub(super) struct Upload {
    source: Source,
    reading: Option<ClientBody>,
    /// Runs while the client is waited for.
    waiting: Option<Pin<Box<Sleep>>>,
}

impl fmt::Debug for Upload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upload").finish_non_exhaustive()
    }
}

impl Upload {
    fn fail(&mut self, failure: UploadFailure) -> Poll<Option<Result<Frame<Bytes>, UploadFailure>>> {
        self.reading = None;
        self.source.with(|progress| progress.failure = Some(failure));
        Poll::Ready(Some(Err(failure)))
    }
}

impl Body for Upload {
    type Data = Bytes;
    type Error = UploadFailure;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, UploadFailure>>> {
        let this = &mut *self;
        if this.reading.is_none() {
            this.reading = this.source.with(|progress| progress.whole.take()).flatten();
        }
        let Some(body) = &mut this.reading else { return Poll::Ready(None) };
        match Pin::new(body).poll_frame(context) {
            Poll::Ready(Some(Err(_))) => this.fail(UploadFailure::Broken),
            Poll::Ready(frame) => {
                this.waiting = None;
                this.source.with(|progress| progress.moved = Instant::now());
                Poll::Ready(frame.and_then(Result::ok).map(Ok))
            }
            Poll::Pending => {
                let waiting = this.waiting.get_or_insert_with(|| Box::pin(sleep(IDLE)));
                ready!(waiting.as_mut().poll(context));
                this.fail(UploadFailure::TooSlow)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.source.is_empty()
    }

    /// Unknown: the request's headers say it.
    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}

#[cfg(test)]
mod tests {
    use futures_util::stream;
    use http_body_util::{BodyExt, StreamBody};

    use super::*;

    fn source(
        parts: Vec<Result<&'static str, &'static str>>,
        rest: impl Body<Data = Bytes> + Send + 'static,
    ) -> Source {
        let parts = parts.into_iter().map(|part| part.map(|part| Frame::data(Bytes::from(part))).map_err(Into::into));
        let rest = rest.into_data_stream();
        let rest = futures_util::StreamExt::map(rest, |part| Ok(Frame::data(part.unwrap_or_default())));
        Source::new(StreamBody::new(futures_util::StreamExt::chain(stream::iter(parts), rest)).boxed_unsync())
    }

    fn nothing_more() -> impl Body<Data = Bytes, Error = UploadFailure> + Send + 'static {
        StreamBody::new(stream::pending())
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_sends_nothing_more_is_given_up_after_a_minute() {
        let source = source(vec![Ok("half")], nothing_more());
        let mut upload = source.upload();
        assert_eq!(upload.frame().await.unwrap().unwrap().into_data().unwrap(), "half");
        let begun = Instant::now();
        assert_eq!(upload.frame().await.unwrap().unwrap_err(), UploadFailure::TooSlow);
        assert_eq!(begun.elapsed(), IDLE);
        assert_eq!(source.failure(), Some(UploadFailure::TooSlow));
        assert!(upload.frame().await.is_none(), "nothing comes behind a failure");
    }

    #[tokio::test]
    async fn a_body_that_breaks_off_is_the_clients_failure() {
        let source = source(vec![Err("connection reset")], nothing_more());
        assert_eq!(source.upload().frame().await.unwrap().unwrap_err(), UploadFailure::Broken);
        assert_eq!(source.failure(), Some(UploadFailure::Broken));
    }

    #[tokio::test]
    async fn a_body_stays_whole_until_it_is_read() {
        let source = source(vec![Ok("whole")], http_body_util::Empty::new());
        drop(source.upload());
        let body = source.upload().collect().await.unwrap().to_bytes();
        assert_eq!(body, "whole");
        assert!(
            !source.is_empty()
                && Source::new(http_body_util::Empty::new().map_err(Into::into).boxed_unsync()).is_empty()
        );
    }
}
