//! What stands behind a socket.

mod options;

pub(crate) use options::{DeclaredReceive, RouteKind, RouteOptions, RoutePattern};
