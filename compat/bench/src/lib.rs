//! What the programs of the load share.

pub mod client;
pub mod members;
pub mod redis_info;
pub mod server;
