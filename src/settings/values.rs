//! The merged layers: each setting's value and where it came from.

use std::{cell::RefCell, collections::BTreeMap, time::Duration};

use serde_json::Value;

use super::{key, origin::Origin};

/// The value of each setting that some layer gave, and, for `sluicegate settings`, of each default that was used.
#[derive(Debug, Default)]
pub(super) struct Values {
    given: BTreeMap<&'static str, (Value, Origin)>,
    defaults: RefCell<BTreeMap<&'static str, Value>>,
}

impl Values {
    /// Gives `key` a value that its kind has accepted; a later layer calls this later, and wins.
    pub(super) fn set(&mut self, key: &'static key::Key, value: Value, origin: Origin) {
        self.given.insert(key.path, (value, origin));
    }

    /// The value that some layer gave, and its origin.
    pub(super) fn given(&self, path: &str) -> Option<(&Value, &Origin)> {
        self.given.get(path).map(|(value, origin)| (value, origin))
    }

    /// Where the value comes from.
    pub(super) fn origin(&self, path: &str) -> &Origin {
        self.given.get(path).map_or(&Origin::Default, |(_, origin)| origin)
    }

    /// Whether someone said this to sluicegate itself.
    pub(super) fn is_stated(&self, path: &str) -> bool {
        self.origin(path).is_stated()
    }

    /// The first of `paths` that someone said to sluicegate itself.
    pub(super) fn first_stated<'a>(&self, paths: &[&'a str]) -> Option<&'a str> {
        paths.iter().copied().find(|path| self.is_stated(path))
    }

    /// The text, where there is one.
    pub(super) fn text(&self, path: &str) -> Option<&str> {
        self.given(path).and_then(|(value, _)| value.as_str())
    }

    /// The text, or the default.
    pub(super) fn text_or(&self, path: &'static str, default: &str) -> String {
        if let Some(text) = self.text(path) {
            return text.to_owned();
        }
        self.note_default(path, Value::from(default));
        default.to_owned()
    }

    /// The text, `None` where none was asked for, or the default.
    pub(super) fn text_or_none(&self, path: &'static str, default: Option<&str>) -> Option<String> {
        if let Some((value, _)) = self.given(path) {
            return value.as_str().map(str::to_owned);
        }
        self.note_default(path, default.map_or(Value::Bool(false), Value::from));
        default.map(str::to_owned)
    }

    /// The list, where there is one.
    pub(super) fn texts(&self, path: &str) -> Option<Vec<String>> {
        let (value, _) = self.given(path)?;
        Some(match value {
            Value::Array(list) => list.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
            Value::String(text) => vec![text.clone()],
            _ => Vec::new(),
        })
    }

    /// The list, or the default.
    pub(super) fn texts_or(&self, path: &'static str, default: &[String]) -> Vec<String> {
        self.texts(path).unwrap_or_else(|| {
            self.note_default(path, default.into());
            default.to_owned()
        })
    }

    pub(super) fn boolean(&self, path: &'static str, default: bool) -> bool {
        self.given(path).and_then(|(value, _)| value.as_bool()).unwrap_or_else(|| {
            self.note_default(path, Value::Bool(default));
            default
        })
    }

    /// The whole number, where there is one.
    pub(super) fn integer(&self, path: &str) -> Option<i64> {
        self.given(path).and_then(|(value, _)| value.as_i64())
    }

    pub(super) fn integer_or(&self, path: &'static str, default: i64) -> i64 {
        self.integer(path).unwrap_or_else(|| {
            self.note_default(path, Value::from(default));
            default
        })
    }

    /// A whole number that is not negative, as a count or size.
    pub(super) fn count_or(&self, path: &'static str, default: u64) -> u64 {
        let default_shown = i64::try_from(default).unwrap_or(i64::MAX);
        u64::try_from(self.integer_or(path, default_shown)).unwrap_or(default)
    }

    pub(super) fn seconds(&self, path: &'static str, default: Duration) -> Duration {
        let given = self.given(path).and_then(|(value, _)| value.as_f64());
        if let Some(duration) = given.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()) {
            return duration;
        }
        self.note_default(path, Value::from(default.as_secs()));
        default
    }

    /// Every setting that has a value, in the order of the table: value, origin.
    pub(super) fn effective(&self) -> Vec<(&'static key::Key, Value, Origin)> {
        let defaults = self.defaults.borrow();
        key::KEYS
            .iter()
            .filter_map(|key| match (self.given.get(key.path), defaults.get(key.path)) {
                (Some((value, origin)), _) => Some((key, value.clone(), origin.clone())),
                (None, Some(value)) => Some((key, value.clone(), Origin::Default)),
                (None, None) => None,
            })
            .collect()
    }

    /// Remembers a default that was used.
    pub(super) fn note_default(&self, path: &'static str, value: Value) {
        self.defaults.borrow_mut().insert(path, value);
    }
}
