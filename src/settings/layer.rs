//! One layer's values, each checked against what its setting takes.

use serde_json::Value;

use super::{
    key::{self, Key, State},
    kind::Kind,
    mask::is_secret,
    origin::Origin,
    problem::{Code, Problem, Problems},
    values::Values,
};

/// A value as its layer writes it.
pub(super) enum Offered<'a> {
    /// From TOML or JSON.
    Typed(Value),
    /// From a variable or a flag.
    Text(&'a str),
}

/// What reading the layers has given so far.
#[derive(Debug, Default)]
pub(super) struct Layers {
    pub(super) values: Values,
    pub(super) problems: Problems,
    pub(super) notes: Vec<String>,
}

impl Layers {
    /// Takes a value that a person gave for the setting `path`.
    pub(super) fn offer(&mut self, path: &str, offered: Offered<'_>, origin: Origin) {
        let Some(key) = key::find(path).filter(|key| key.state != State::DjangoOnly) else {
            self.problems.push(unknown(path).at(&origin));
            return;
        };
        match key.state {
            State::NotYet if asks_for_nothing(&offered) => {}
            State::NotYet => self.problems.push(not_yet(path).at(&origin)),
            State::Ignored(reason) => self.notes.push(format!("{origin}: {path} is ignored: {reason}")),
            State::Read | State::DjangoOnly => self.take(key, offered, origin),
        }
    }

    /// Takes a value that the project gave; `None` in Python means that it gave none, except where it is a value.
    pub(super) fn offer_django(&mut self, path: &str, value: Value) {
        let Some(key) = key::find(path).filter(|key| matches!(key.state, State::Read | State::DjangoOnly)) else {
            return;
        };
        let nullable = matches!(key.kind, Kind::TextOrNone | Kind::TextOrTexts | Kind::PairOrNone);
        if !value.is_null() || nullable {
            self.take(key, Offered::Typed(value), Origin::Django(key.django.to_owned()));
        }
    }

    fn take(&mut self, key: &'static Key, offered: Offered<'_>, origin: Origin) {
        let shown = match (&offered, key.kind) {
            (
                Offered::Typed(Value::String(text)),
                Kind::Word(_) | Kind::BoolOr(_) | Kind::Seconds | Kind::SecondsOrOff | Kind::Bytes,
            ) => {
                format!(", not {text:?}")
            }
            (Offered::Text(text), _) if !is_secret(key) && text.len() < 40 => format!(", not {text:?}"),
            _ => String::new(),
        };
        let bounds = match &offered {
            Offered::Typed(value) => key.kind.bounds(value),
            Offered::Text(text) => key.kind.bounds(&Value::from(*text)),
        };
        let accepted = match offered {
            Offered::Typed(value) => key.kind.accept(value),
            Offered::Text(text) => key.kind.accept_text(text),
        };
        if let Some(value) = accepted {
            self.values.set(key, value, origin);
        } else {
            let sentence = format!("`{}` takes {}{bounds}{shown}", key.path, key.kind.describe());
            self.problems.push(Problem::new(Code::WrongType, sentence).at(&origin));
        }
    }
}

/// Whether the value leaves the planned thing off: `false`, an empty text or an empty list.
fn asks_for_nothing(offered: &Offered<'_>) -> bool {
    match offered {
        Offered::Typed(Value::Bool(false)) => true,
        Offered::Typed(Value::String(text)) => text.is_empty(),
        Offered::Typed(Value::Array(list)) => list.is_empty(),
        Offered::Typed(_) => false,
        Offered::Text(text) => text.is_empty() || text.eq_ignore_ascii_case("false") || *text == "0",
    }
}

/// A setting that is planned.
fn not_yet(path: &str) -> Problem {
    let why = match path.split('.').next().unwrap_or_default() {
        "token" => "the token views stay at Django in this version",
        _ => "it does nothing in this version",
    };
    Problem::new(Code::NotInThisVersion, format!("`{path}`: {why}")).mend("Remove it.")
}

/// A setting of no known name, with the nearest one.
pub(super) fn unknown(path: &str) -> Problem {
    let (section, name) = path.rsplit_once('.').unwrap_or(("", path));
    let problem = |sentence: String| Problem::new(Code::UnknownKey, sentence);
    if !section.is_empty() && !key::is_section(section) {
        let sections = key::KEYS.iter().map(Key::section).filter(|section| !section.is_empty());
        return match key::nearest(section, sections) {
            Some(near) => problem(format!("there is no section [{section}]")).mend(format!("Did you mean [{near}]?")),
            None => problem(format!("there is no section [{section}]")),
        };
    }
    let sentence = format!("there is no setting `{path}`");
    let elsewhere = || key::KEYS.iter().find(|key| key.name() == name && key.state != State::DjangoOnly);
    match (key::nearest(name, key::names_in(section)), elsewhere()) {
        (Some(near), _) if !section.is_empty() => problem(sentence).mend(format!("Did you mean `{section}.{near}`?")),
        // On top of the file, the name of a setting of a section lacks its section.
        (_, Some(key)) => problem(sentence).mend(format!("Did you mean `{}`?", key.path)),
        (Some(near), None) => problem(sentence).mend(format!("Did you mean `{near}`?")),
        (None, None) => problem(sentence),
    }
}
