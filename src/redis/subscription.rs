//! A connection that is subscribed to names, and what is published on them.

use std::{sync::Arc, time::Duration};

use futures_util::StreamExt as _;
use redis::{
    RedisResult,
    aio::{PubSub, PubSubSink, PubSubStream},
};
use tokio::time::timeout;

use super::{
    error::{Cause, RedisError},
    link::Link,
};

/// Changes what a connection is subscribed to.
#[derive(Clone)]
pub(crate) struct Subscriber {
    sink: PubSubSink,
    address: Arc<str>,
    timeout: Duration,
}

/// What is published on the names that a connection is subscribed to. The connection ends with it.
pub(crate) struct Published {
    stream: PubSubStream,
}

/// Opens a connection to where `link` leads, as its user.
pub(super) async fn open(link: &Link, limit: Duration) -> Result<(Subscriber, Published), RedisError> {
    let error = |cause| RedisError { address: Arc::clone(&link.address), cause };
    let opening = async {
        let stream = link.endpoint.open().await.map_err(|error| Cause::Connect(Arc::new(error)))?;
        PubSub::new(&link.login.resp2(), stream).await.map_err(|error| Cause::of(&error, "SUBSCRIBE"))
    };
    let pubsub = timeout(limit, opening).await.unwrap_or(Err(Cause::TimedOut(limit))).map_err(error)?;
    let (sink, stream) = pubsub.split();
    Ok((Subscriber { sink, address: Arc::clone(&link.address), timeout: limit }, Published { stream }))
}

impl Subscriber {
    /// Where it leads, for messages.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// `SUBSCRIBE`; done when Redis has confirmed it.
    ///
    /// # Errors
    ///
    /// [`RedisError`]: it may have been done.
    pub(crate) async fn subscribe(&mut self, names: &[String]) -> Result<(), RedisError> {
        let done = timeout(self.timeout, self.sink.subscribe(names)).await;
        self.outcome(done, "SUBSCRIBE")
    }

    /// `UNSUBSCRIBE`.
    ///
    /// # Errors
    ///
    /// As [`subscribe`](Self::subscribe).
    pub(crate) async fn unsubscribe(&mut self, names: &[String]) -> Result<(), RedisError> {
        let done = timeout(self.timeout, self.sink.unsubscribe(names)).await;
        self.outcome(done, "UNSUBSCRIBE")
    }

    /// `PSUBSCRIBE`.
    ///
    /// # Errors
    ///
    /// As [`subscribe`](Self::subscribe).
    pub(crate) async fn psubscribe(&mut self, pattern: &str) -> Result<(), RedisError> {
        let done = timeout(self.timeout, self.sink.psubscribe(pattern)).await;
        self.outcome(done, "PSUBSCRIBE")
    }

    fn outcome(
        &self,
        done: Result<RedisResult<()>, tokio::time::error::Elapsed>,
        command: &'static str,
    ) -> Result<(), RedisError> {
        let cause = match done {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(error)) => Cause::of(&error, command),
            Err(_) => Cause::TimedOut(self.timeout),
        };
        Err(RedisError { address: Arc::clone(&self.address), cause })
    }
}

impl Published {
    /// The next message and the name that it was published on; `None` once the connection has ended.
    pub(crate) async fn next(&mut self) -> Option<(Vec<u8>, Vec<u8>)> {
        let message = self.stream.next().await?;
        Some((message.get_channel().unwrap_or_default(), message.get_payload_bytes().to_vec()))
    }
}
