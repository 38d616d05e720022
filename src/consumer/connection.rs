//! One client's connection, as its consumer sees it.

use std::{fmt, sync::Arc};

use serde::Serialize;

use super::{
    Cause, Frame, OutboxOptions, SharedFrame, Tally,
    ask::{Ask, AskScope},
    json,
};
use crate::{
    channel_layer::{self, Channel, ChannelLayer, ChannelLayerError, Sink},
    python::Value,
    user::UserId,
};

/// Where a consumer's messages go, and its events come from: an open socket, or a test.
pub(crate) trait Outlet: Sink {
    /// Queues a text message. Dropped if the socket is closing.
    fn send_text(&self, text: &str);
    /// Queues a binary message. Dropped if the socket is closing.
    fn send_bytes(&self, bytes: &[u8]);
    /// Queues a message that other sockets send, too.
    fn send_shared(&self, frame: &SharedFrame);
    /// Closes after what is queued. The first close counts.
    fn close(&self, close: Close);
}

/// A connection's code and reason for closing. `Close::new(4001, "why")` is `await self.close(4001, "why")`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Close {
    code: u16,
    reason: String,
}

impl Close {
    /// The longest reason, in bytes of UTF-8: what a control frame holds besides the code.
    const MAX_REASON: usize = 123;

    /// `None` for a code that must not be sent (1005, 1006, 1015, below 1000, 1016 to 2999, 5000 and more) or a reason
    /// of more than 123 bytes. uvicorn closes the TCP connection without a frame where a consumer asks for such.
    #[must_use]
    pub fn new(code: u16, reason: impl Into<String>) -> Option<Self> {
        let reason = reason.into();
        let is_valid = matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999) && reason.len() <= Self::MAX_REASON;
        is_valid.then_some(Self { code, reason })
    }

    /// The code.
    #[must_use]
    pub const fn code(&self) -> u16 {
        self.code
    }

    pub(crate) fn into_reason(self) -> String {
        self.reason
    }
}

impl Default for Close {
    /// `await self.close()`: 1000, without a reason.
    fn default() -> Self {
        Self { code: 1000, reason: String::new() }
    }
}

/// Everything that a consumer knows of its client: plain data, small, and all of it there from the start, so that a
/// connection can be written down and taken up by another process.
#[derive(Clone)]
pub(crate) struct ConnectionState {
    /// Which of the routes.
    pub(crate) route: usize,
    /// What the route's groups captured, in the order of its names.
    pub(crate) captures: Box<[Option<Value>]>,
    pub(crate) user: UserId,
    pub(crate) username: Option<Box<str>>,
    /// What `[websocket] user_fields` names.
    pub(crate) user_fields: Box<[(Box<str>, Value)]>,
    /// The query without the ticket, where the route's templates read it.
    pub(crate) query: Option<Box<Value>>,
    /// The handshake's headers, where the route's templates read them.
    pub(crate) headers: Option<Box<Value>>,
    /// What the asked view keeps with the connection.
    pub(crate) context: Option<Box<Value>>,
    /// What questions say of the handshake, until they are made.
    pub(crate) asked: Option<Box<AskScope>>,
}

/// What all connections of a route have in common.
#[derive(Default)]
pub(crate) struct RouteContext {
    /// The route, as written.
    pub(crate) route: String,
    /// The names of its captures, in their order.
    pub(crate) captures: Vec<String>,
    /// The project's channel layer, where it has one that is used.
    pub(crate) layer: Option<Arc<dyn ChannelLayer>>,
    /// The route's `[route.ask]`.
    pub(crate) ask: Option<Arc<Ask>>,
    /// What may wait for each client.
    pub(crate) outbox: OutboxOptions,
    /// What befell its sockets.
    pub(crate) tally: Arc<Tally>,
}

impl fmt::Debug for RouteContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RouteContext").field("route", &self.route).field("tally", &self.tally).finish_non_exhaustive()
    }
}

impl RouteContext {
    pub(crate) fn count(&self, cause: Cause, more: usize) {
        self.tally.count(&self.route, cause, more);
    }
}

/// One client's connection.
pub struct Connection {
    pub(crate) state: ConnectionState,
    outlet: Arc<dyn Outlet>,
    context: Arc<RouteContext>,
    /// Dropped with the connection, so that it leaves its groups.
    channel: Option<Channel>,
    subprotocol: Option<Box<str>>,
}

impl Connection {
    /// `channel`: this connection's own, where there is a layer.
    pub(crate) fn new(
        state: ConnectionState,
        outlet: Arc<dyn Outlet>,
        context: Arc<RouteContext>,
        channel: Option<Channel>,
    ) -> Self {
        Self { state, outlet, context, channel, subprotocol: None }
    }

    /// `await self.send(text_data=...)`.
    pub fn send_text(&self, text: &str) {
        self.outlet.send_text(text);
    }

    /// Sends a message as it is.
    pub fn send(&self, frame: Frame) {
        match frame {
            Frame::Text(text) => self.send_text(&text),
            Frame::Binary(bytes) => self.send_bytes(&bytes),
        }
    }

    /// `await self.send_json(content)`: JSON as Python's `json.dumps` writes it.
    ///
    /// # Errors
    ///
    /// The value has no form in JSON.
    pub fn send_json(&self, content: &impl Serialize) -> Result<(), serde_json::Error> {
        self.send_text(&json::dumps(content)?);
        Ok(())
    }

    /// `await self.send(bytes_data=...)`.
    pub fn send_bytes(&self, bytes: &[u8]) {
        self.outlet.send_bytes(bytes);
    }

    /// A message that others send, too.
    pub(crate) fn send_shared(&self, frame: &SharedFrame) {
        self.outlet.send_shared(frame);
    }

    /// `await self.close(code, reason)`.
    pub fn close(&self, close: Close) {
        self.outlet.close(close);
    }

    /// `self.channel_name`: by it, anybody in the channel layer can send to this connection. `None` without a layer.
    #[must_use]
    pub fn channel_name(&self) -> Option<String> {
        self.channel.as_ref().map(Channel::name)
    }

    /// Whether `name` is [`channel_name`](Self::channel_name).
    pub(crate) fn is_called(&self, name: &str) -> bool {
        self.channel.as_ref().is_some_and(|channel| channel.is_called(name))
    }

    /// `self.channel_layer`.
    #[must_use]
    pub fn channel_layer(&self) -> Option<&Arc<dyn ChannelLayer>> {
        self.context.layer.as_ref()
    }

    /// `await self.channel_layer.group_add(group, self.channel_name)`.
    ///
    /// # Errors
    ///
    /// [`ChannelLayerError`]: no layer, a name that Channels refuses, or no answer.
    pub async fn group_add(&self, group: &str) -> Result<(), ChannelLayerError> {
        let (layer, channel) = self.membership()?;
        layer.group_add(group, &channel.name()).await
    }

    /// `await self.channel_layer.group_discard(group, self.channel_name)`. At the end of the connection all groups are
    /// left without it.
    ///
    /// # Errors
    ///
    /// As [`group_add`](Self::group_add).
    pub async fn group_discard(&self, group: &str) -> Result<(), ChannelLayerError> {
        let (layer, channel) = self.membership()?;
        layer.group_discard(group, &channel.name()).await
    }

    /// `await self.channel_layer.group_send(group, event)`.
    ///
    /// # Errors
    ///
    /// [`ChannelLayerError`]: no layer, a name or message that Channels refuses, or no answer.
    pub async fn group_send(&self, group: &str, event: &channel_layer::Value) -> Result<(), ChannelLayerError> {
        self.layer()?.group_send(group, event).await
    }

    /// `await self.channel_layer.send(channel, event)`.
    ///
    /// # Errors
    ///
    /// As [`group_send`](Self::group_send), or the channel is full.
    pub async fn channel_send(&self, channel: &str, event: &channel_layer::Value) -> Result<(), ChannelLayerError> {
        self.layer()?.send(channel, event).await
    }

    /// Chooses a subprotocol, in `connect`: `await self.accept(subprotocol=...)`.
    pub fn set_subprotocol(&mut self, subprotocol: impl Into<Box<str>>) {
        self.subprotocol = Some(subprotocol.into());
    }

    /// The subprotocol that was chosen, taken out.
    pub(crate) fn take_subprotocol(&mut self) -> Option<Box<str>> {
        self.subprotocol.take()
    }

    /// What all connections of the route have in common.
    pub(crate) fn context(&self) -> &Arc<RouteContext> {
        &self.context
    }

    fn layer(&self) -> Result<&Arc<dyn ChannelLayer>, ChannelLayerError> {
        self.context.layer.as_ref().ok_or(ChannelLayerError::NotConfigured)
    }

    fn membership(&self) -> Result<(&Arc<dyn ChannelLayer>, &Channel), ChannelLayerError> {
        Ok((self.layer()?, self.channel.as_ref().ok_or(ChannelLayerError::NotConfigured)?))
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("route", &self.state.route)
            .field("user", &self.state.user)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_close_that_may_be_sent_can_be_made() {
        assert!(Close::new(1000, "").is_some() && Close::new(4001, "x".repeat(123)).is_some());
        for code in [0, 999, 1005, 1006, 1015, 2999, 5000] {
            assert_eq!(Close::new(code, ""), None, "{code}");
        }
        assert_eq!(Close::new(4000, "é".repeat(62)), None);
    }
}
