//! One client connection: scope, route, handshake, frames, close.

mod close;
mod codec;
mod options;
mod origin;
mod route;

pub(crate) use options::{OriginPolicy, RefuseBy, WebSocketOptions};
