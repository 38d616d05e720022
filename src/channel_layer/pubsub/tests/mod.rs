//! The layer against real servers.

mod contract;
