//! `json.loads` and `json.dumps`.

mod dumps;
mod encoding;
mod loads;

pub(crate) use dumps::{JsonStyle, Unserializable, dumps, dumps_with};
pub(crate) use loads::{loads, loads_str};
