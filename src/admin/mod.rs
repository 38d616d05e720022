//! The address for those who run the server: what is going on, and the page that shows it.

mod options;

pub(crate) use options::AdminOptions;
