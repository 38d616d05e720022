//! One connection from Django's location forms: plain, TLS, unix socket, Sentinel; time-outs and reconnect.

mod client;
mod dedicated;
mod error;
mod inspect;
mod link;
mod options;
mod primary;
mod stream;
mod subscription;
mod tls;

pub(crate) use client::Redis;
pub(crate) use dedicated::Dedicated;
pub(crate) use error::{Cause, RedisError};
pub(crate) use inspect::ServerInfo;
pub(crate) use options::{RedisAddress, RedisOptions, RedisTls, RedisTopology};
pub(crate) use subscription::{Published, Subscriber};
