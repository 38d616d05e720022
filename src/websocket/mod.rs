//! One client connection: scope, route, handshake, frames, close.

mod options;

pub(crate) use options::{OriginPolicy, RefuseBy, WebSocketOptions};
