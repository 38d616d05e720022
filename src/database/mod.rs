//! Pools of the three engines.

mod options;

pub(crate) use options::{DatabaseOptions, DatabaseServer, DatabaseTls, Prepared};
