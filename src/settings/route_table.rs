//! A table of a `[[route]]`, read value by value, with the line of each.

use std::time::Duration;

use serde_json::Value;

use super::{
    key,
    kind::Kind,
    layer::Layers,
    origin::Origin,
    problem::{Code, Problem},
    toml_file::{Entry, NodeValue},
};

/// What reads the tables of one route.
pub(super) struct Reader<'a> {
    pub(super) file: &'a str,
    pub(super) layers: &'a mut Layers,
}

impl Reader<'_> {
    /// Reports each name that `table` has not.
    pub(super) fn names(&mut self, entries: &[Entry], table: &str, known: &[&str]) {
        for entry in entries {
            let name = entry.name.as_str();
            if !known.contains(&name) {
                let near = key::nearest(name, known.iter().copied());
                let mend = near.map(|near| format!("Did you mean `{near}`?")).unwrap_or_default();
                self.report(entry.line, Code::UnknownKey, &format!("there is no setting `{table}.{name}`"), &mend);
            }
        }
    }

    /// The value in the form of `kind`; `None` where there is none, or another, which is reported with `mend`.
    pub(super) fn value(
        &mut self,
        entries: &[Entry],
        table: &str,
        name: &str,
        kind: Kind,
        mend: &str,
    ) -> Option<Value> {
        let entry = find(entries, name)?;
        let value = kind.accept(entry.node.to_json());
        if value.is_none() {
            let sentence = format!("`{table}.{name}` takes {}", kind.describe());
            self.report(entry.line, Code::WrongType, &sentence, mend);
        }
        value
    }

    pub(super) fn text(&mut self, entries: &[Entry], table: &str, name: &str) -> Option<String> {
        self.value(entries, table, name, Kind::Text, "")?.as_str().map(str::to_owned)
    }

    pub(super) fn texts(&mut self, entries: &[Entry], table: &str, name: &str) -> Option<Vec<String>> {
        match self.value(entries, table, name, Kind::Texts, "")? {
            Value::Array(texts) => Some(texts.iter().filter_map(Value::as_str).map(str::to_owned).collect()),
            _ => None,
        }
    }

    pub(super) fn boolean(&mut self, entries: &[Entry], table: &str, name: &str) -> bool {
        self.value(entries, table, name, Kind::Bool, "").and_then(|value| value.as_bool()).unwrap_or(false)
    }

    pub(super) fn size(&mut self, entries: &[Entry], table: &str, name: &str, kind: Kind) -> Option<usize> {
        self.value(entries, table, name, kind, "")?.as_u64().and_then(|number| usize::try_from(number).ok())
    }

    pub(super) fn seconds(&mut self, entries: &[Entry], table: &str, name: &str, mend: &str) -> Option<Duration> {
        let seconds = self.value(entries, table, name, Kind::Seconds, mend)?.as_f64()?;
        Duration::try_from_secs_f64(seconds).ok()
    }

    /// The table of this name; another value is reported.
    pub(super) fn table<'e>(&mut self, entries: &'e [Entry], name: &str, mend: &str) -> Option<&'e [Entry]> {
        let entry = find(entries, name)?;
        if let NodeValue::Table(entries) = &entry.node.value {
            return Some(entries);
        }
        self.report(entry.line, Code::Route, &format!("`{name}` is a table"), mend);
        None
    }

    pub(super) fn report(&mut self, line: usize, code: Code, sentence: &str, mend: &str) {
        let origin = Origin::File { path: self.file.to_owned(), line };
        self.layers.problems.push(Problem::new(code, sentence).at(&origin).mend(mend));
    }
}

pub(super) fn find<'a>(entries: &'a [Entry], name: &str) -> Option<&'a Entry> {
    entries.iter().find(|entry| entry.name == name)
}

/// The first of these that is there.
pub(super) fn first<'a>(entries: &'a [Entry], names: &[&str]) -> Option<&'a Entry> {
    entries.iter().find(|entry| names.contains(&entry.name.as_str()))
}
