//! One connection from Django's location forms: plain, TLS, unix socket, Sentinel; time-outs and reconnect.

mod options;

pub(crate) use options::{RedisAddress, RedisOptions, RedisTls, RedisTopology};
