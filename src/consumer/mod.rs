//! What stands behind a socket.

mod connection;
mod declared;
mod options;

use std::sync::Arc;

use async_trait::async_trait;

pub(crate) use connection::{Close, Connection, ConnectionState, Outlet};
pub(crate) use declared::compile;
pub(crate) use options::{
    AskOptions, AskSettings, AskUrl, DeclaredAction, DeclaredClose, DeclaredEvent, DeclaredOptions, DeclaredOutput,
    DeclaredReceive, FrameKind, OnError, OutboxOptions, RouteKind, RouteOptions, RoutePattern, RustConsumer,
    SlowClient,
};

/// What a route leads to: makes a consumer for each socket, as `Consumer.as_asgi()` does.
pub(crate) trait Application: Send + Sync {
    /// A consumer for one more socket.
    fn consumer(self: Arc<Self>) -> Box<dyn Consumer>;

    /// Whether its consumers read `query` or `headers`: only then does a connection keep them.
    fn reads(&self, name: &str) -> bool;
}

/// One client's consumer, with the methods of Channels' `AsyncWebsocketConsumer`. There is one per open socket.
///
/// The frames of a socket come one after the other: the next one waits until `receive` is done.
#[async_trait]
pub(crate) trait Consumer: Send {
    /// The socket is open, as after `await self.accept()`.
    ///
    /// # Errors
    ///
    /// The [`Close`] that ends the connection.
    async fn connect(&mut self, connection: &Connection) -> Result<(), Close> {
        let _ = connection;
        Ok(())
    }

    /// A message from the client.
    ///
    /// # Errors
    ///
    /// The [`Close`] that ends the connection.
    async fn receive(&mut self, frame: Frame, connection: &Connection) -> Result<(), Close> {
        let _ = (frame, connection);
        Ok(())
    }

    /// The conversation is over: the client's code; 1005 where it sent none or vanished; ours where we closed.
    async fn disconnect(&mut self, code: u16, connection: &Connection) {
        let _ = (code, connection);
    }
}

/// A message from the client: `text_data` or `bytes_data`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Frame {
    Text(String),
    Binary(Vec<u8>),
}
