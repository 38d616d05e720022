//! What stands behind a socket.

pub(crate) mod ask;
mod connection;
mod declared;
mod error;
mod json;
mod options;
#[cfg(test)]
mod recorder;
mod route;
mod scope;
mod shared_frame;
mod tally;

use std::sync::Arc;

use async_trait::async_trait;

pub use connection::{Close, Connection};
pub(crate) use connection::{ConnectionState, Outlet, RouteContext};
#[cfg(any(test, feature = "internals"))]
pub(crate) use declared::Declared;
pub(crate) use declared::{Table as DeclaredTable, compile, problems as declared_problems};
pub use error::ConsumerError;
pub(crate) use error::{Failure, Panicked, guarded};
pub(crate) use options::{
    AskOptions, AskSettings, AskUrl, DeclaredAction, DeclaredClose, DeclaredEvent, DeclaredOptions, DeclaredOutput,
    DeclaredReceive, FrameKind, OnError, RouteKind, RouteOptions, RoutePattern, RustConsumer,
};
pub use options::{OutboxOptions, SlowClient};
#[cfg(test)]
pub(crate) use recorder::Recorder;
pub use route::Route;
pub(crate) use shared_frame::SharedFrame;
pub(crate) use tally::{Cause, Tally};

use crate::{channel_layer::Message, python::Value, reason::Reason};

/// What a route leads to: makes a consumer for each socket, as `Consumer.as_asgi()` does.
pub(crate) trait Application: Send + Sync {
    /// A consumer for one more socket.
    fn consumer(self: Arc<Self>) -> Box<dyn Consumer>;

    /// Whether its consumers read `query` or `headers`: only then does a connection keep them.
    fn reads(&self, name: &str) -> bool;

    /// Whether its consumers have channels of the channel layer.
    fn has_channels(&self) -> bool {
        false
    }

    /// The groups that a connection joins when it is let in, as far as they are known before a view was asked.
    fn groups(&self, connection: &Connection) -> Vec<Result<String, Reason>> {
        let _ = connection;
        Vec::new()
    }

    /// What can be said of a handshake before its ticket is redeemed.
    ///
    /// # Errors
    ///
    /// The handshake is refused, and its ticket still good.
    fn check(&self, captures: &[Option<Value>]) -> Result<(), Reason> {
        let _ = captures;
        Ok(())
    }
}

/// One client's consumer, with the methods of Channels' `AsyncWebsocketConsumer`. There is one per open socket.
///
/// Frames and events of a socket come one after the other: the next one waits until the method is done.
#[async_trait]
pub trait Consumer: Send {
    /// The handshake is let in, but not answered: what is done here is done when the client sees its socket open, and what
    /// is sent here is the first that it reads. `Ok` is `await self.accept()`.
    ///
    /// # Errors
    ///
    /// The handshake is refused: with 403 for a [`Close`], as where a consumer of Channels closes before it accepts, with
    /// 500 for any other error.
    async fn connect(&mut self, connection: &mut Connection) -> Result<(), ConsumerError> {
        let _ = connection;
        Ok(())
    }

    /// A message from the client.
    ///
    /// # Errors
    ///
    /// The connection is closed.
    async fn receive(&mut self, frame: Frame, connection: &mut Connection) -> Result<(), ConsumerError> {
        let _ = (frame, connection);
        Ok(())
    }

    /// A message from the channel layer, for one of the connection's groups or its own channel.
    ///
    /// # Errors
    ///
    /// The connection is closed.
    async fn event(&mut self, event: Arc<Message>, connection: &mut Connection) -> Result<(), ConsumerError> {
        let _ = (event, connection);
        Ok(())
    }

    /// The conversation is over: the client's code; 1005 where it sent none or vanished; 1006 where it left before it was
    /// answered; ours where we closed. Groups are left after it. Not called where `connect` failed.
    async fn disconnect(&mut self, code: u16, connection: &mut Connection) {
        let _ = (code, connection);
    }
}

/// A message from the client: `text_data` or `bytes_data`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// A text message.
    Text(String),
    /// A binary message.
    Binary(Vec<u8>),
}
