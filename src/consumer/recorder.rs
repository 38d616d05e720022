//! An outlet that keeps what it gets, for tests of consumers.

use std::sync::{Arc, Mutex};

use super::{Close, Connection, ConnectionState, Frame, Outlet, RouteContext, SharedFrame};
use crate::{
    channel_layer::{Channel, ChannelLayer, Message, Sink},
    python::Value,
    user::UserId,
};

#[derive(Default)]
pub(crate) struct Recorder {
    pub(crate) frames: Mutex<Vec<Frame>>,
    pub(crate) events: Mutex<Vec<Arc<Message>>>,
    pub(crate) closed: Mutex<Option<Close>>,
}

impl Recorder {
    /// The texts that were sent; binary messages are not among them.
    pub(crate) fn texts(&self) -> Vec<String> {
        let frames = self.frames.lock().unwrap();
        let texts = frames.iter().filter_map(|frame| match frame {
            Frame::Text(text) => Some(text.clone()),
            Frame::Binary(_) => None,
        });
        texts.collect()
    }

    /// A connection of user 1, alice, on a route with these captures, which sends here.
    pub(crate) fn connection(self: &Arc<Self>, captures: &[(&str, Value)]) -> Connection {
        self.with_channel(captures, None)
    }

    /// The same, with a channel of `layer`.
    pub(crate) async fn member(
        self: &Arc<Self>,
        captures: &[(&str, Value)],
        layer: &Arc<dyn ChannelLayer>,
    ) -> Connection {
        let channel = layer.new_channel(Arc::clone(self) as _).await.unwrap();
        self.with_channel(captures, Some((Arc::clone(layer), channel)))
    }

    fn with_channel(
        self: &Arc<Self>,
        captures: &[(&str, Value)],
        channel: Option<(Arc<dyn ChannelLayer>, Channel)>,
    ) -> Connection {
        let state = ConnectionState {
            route: 0,
            captures: captures.iter().map(|(_, value)| Some(value.clone())).collect(),
            user: UserId::Int(1),
            username: Some("alice".into()),
            user_fields: Box::default(),
            query: Some(Box::new(Value::Dict(vec![("lang".to_owned(), Value::Str("de".to_owned()))]))),
            headers: Some(Box::new(Value::Dict(vec![("user-agent".to_owned(), Value::Str("test".to_owned()))]))),
            context: None,
            asked: None,
        };
        let (layer, channel) = channel.unzip();
        let captures = captures.iter().map(|(name, _)| (*name).to_owned()).collect();
        let context = RouteContext { route: "ws/test/".to_owned(), captures, layer, ..RouteContext::default() };
        Connection::new(state, Arc::clone(self) as _, Arc::new(context), channel)
    }
}

impl Sink for Recorder {
    fn deliver(&self, message: &Arc<Message>) {
        self.events.lock().unwrap().push(Arc::clone(message));
    }
}

impl Outlet for Recorder {
    fn send_text(&self, text: &str) {
        self.frames.lock().unwrap().push(Frame::Text(text.to_owned()));
    }

    fn send_bytes(&self, bytes: &[u8]) {
        self.frames.lock().unwrap().push(Frame::Binary(bytes.to_vec()));
    }

    fn send_shared(&self, frame: &SharedFrame) {
        self.frames.lock().unwrap().push(frame.frame().clone());
    }

    fn close(&self, close: Close) {
        self.closed.lock().unwrap().get_or_insert(close);
    }
}
