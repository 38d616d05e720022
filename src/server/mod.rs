//! The accept loop on hyper: time-outs, sizes, limits; the upgrade.

mod options;

pub(crate) use options::{LimitOptions, ServerOptions};
