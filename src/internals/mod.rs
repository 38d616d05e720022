//! Promises about any bytes, as functions that panic where one is broken.
//!
//! Fuzz targets call them (`fuzz/`, docs/fuzzing.md), and a test below calls them with every input that fuzzing kept.
//! Bound by no version.

mod frames;
mod pickle;
mod query_string;
mod route;
mod settings;
mod templates;
mod token;

pub use frames::frames;
pub use pickle::pickle;
pub use query_string::query_string;
pub use route::route;
pub use settings::settings;
pub use templates::templates;
pub use token::token;

use crate::python::Value;

/// Whether two values are the same, NaN being the same as itself.
fn is_same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Float(one), Value::Float(other)) => one.to_bits() == other.to_bits() || one.is_nan() && other.is_nan(),
        (Value::List(one), Value::List(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| is_same(one, other))
        }
        (Value::Dict(one), Value::Dict(other)) => {
            let entries = one.iter().zip(other);
            one.len() == other.len()
                && entries.into_iter().all(|(one, other)| one.0 == other.0 && is_same(&one.1, &other.1))
        }
        _ => one == other,
    }
}

/// The two parts of `data` around its first byte `separator`; without one, the second part is empty.
fn halves(data: &[u8], separator: u8) -> (&[u8], &[u8]) {
    match data.iter().position(|&byte| byte == separator) {
        Some(at) => (&data[..at], &data[at + 1..]),
        None => (data, &[]),
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    /// Calls `target` with every file of `fuzz/corpus/<name>`.
    fn replay(name: &str, target: fn(&[u8])) {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(name);
        let mut files: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        assert!(!files.is_empty(), "{} is empty", folder.display());
        for file in files {
            // What a failing test printed last is the input that failed.
            println!("{}", file.display());
            target(&fs::read(&file).unwrap());
        }
    }

    #[test]
    fn tokens_that_fuzzing_kept_keep_every_promise() {
        replay("token", super::token);
    }

    #[test]
    fn query_strings_that_fuzzing_kept_keep_every_promise() {
        replay("query_string", super::query_string);
    }

    #[test]
    fn cached_values_that_fuzzing_kept_keep_every_promise() {
        replay("pickle", super::pickle);
    }

    #[test]
    fn settings_that_fuzzing_kept_keep_every_promise() {
        replay("settings", super::settings);
    }

    #[test]
    fn frames_that_fuzzing_kept_keep_every_promise() {
        replay("frames", super::frames);
    }

    #[test]
    fn routes_that_fuzzing_kept_keep_every_promise() {
        replay("route", super::route);
    }

    #[test]
    fn templates_that_fuzzing_kept_keep_every_promise() {
        replay("templates", super::templates);
    }
}
