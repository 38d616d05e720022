//! What can be wrong with settings: one table of codes, and the report of all problems at once.

use std::{borrow::Cow, fmt};

use super::origin::Origin;

/// A kind of problem. Codes are never renamed or reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Code {
    NotToml,
    UnknownKey,
    WrongType,
    BadValue,
    NotInThisVersion,
    UnreadableFile,
    NothingToRead,
    ConflictingSources,
    PythonMissing,
    DjangoMissing,
    TargetNotImportable,
    ScriptFailed,
    NotTheDocument,
    TargetUnknown,
    DjangoItemFailed,
    NotWithoutPython,
    DatabaseMissing,
    DatabaseUrl,
    DatabaseRefused,
    OtherEngine,
    UserStatement,
    CacheMissing,
    CacheUrl,
    CacheRefused,
    LocalMemory,
    KeyFunction,
    ChannelLayerMissing,
    ChannelLayerRefused,
    ChannelLayerLocal,
    OriginsUnknown,
    Route,
    NothingToServe,
    Upstream,
    TicketViewNotServed,
    Limits,
    Certificate,
    SigningKey,
}

/// A line of the table of codes, for the documentation.
pub(crate) struct Explanation {
    pub(crate) code: Code,
    /// What is printed, such as `E002`.
    pub(crate) name: &'static str,
    pub(crate) title: &'static str,
    /// What it means and what to do, in a sentence or two.
    pub(crate) text: &'static str,
}

const fn explain(code: Code, name: &'static str, title: &'static str, text: &'static str) -> Explanation {
    Explanation { code, name, title, text }
}

impl Code {
    /// Every code, in order of their names: `docs/errors.md` is made of this.
    pub(crate) const TABLE: [Explanation; 37] = [
        explain(
            Self::NotToml,
            "E001",
            "not TOML",
            "The file of settings is not valid TOML at the line named. Text stands in quotes, a list in [ ].",
        ),
        explain(
            Self::UnknownKey,
            "E002",
            "unknown key",
            "No setting has this name. Names are Django's, in lower case; the nearest known one is shown.",
        ),
        explain(
            Self::WrongType,
            "E003",
            "wrong type",
            "The setting takes a value of another type, for example a number where text was given.",
        ),
        explain(
            Self::BadValue,
            "E004",
            "value not understood",
            "The type is right, but the value is not one of those known.",
        ),
        explain(
            Self::NotInThisVersion,
            "E005",
            "not in this version",
            "The setting is planned but does nothing yet. It is refused rather than ignored, because ignoring it would \
             change what your project does.",
        ),
        explain(
            Self::UnreadableFile,
            "E006",
            "file cannot be read",
            "A file that was named does not exist or cannot be read.",
        ),
        explain(
            Self::NothingToRead,
            "E007",
            "no settings",
            "Neither a Django project nor a sluicegate.toml was given, so nothing is known about your project.",
        ),
        explain(
            Self::ConflictingSources,
            "E008",
            "sources exclude each other",
            "--django runs the project's Python, --django-json reads what it printed elsewhere: give one of them.",
        ),
        explain(
            Self::PythonMissing,
            "E010",
            "no Python",
            "The project's Python could not be started. Name it with --python.",
        ),
        explain(
            Self::DjangoMissing,
            "E011",
            "no Django in that Python",
            "The Python that was found cannot import Django: it is probably not the project's virtual environment.",
        ),
        explain(
            Self::TargetNotImportable,
            "E012",
            "target cannot be imported",
            "The module named by --django raised an error while it was imported, as it would under uvicorn.",
        ),
        explain(
            Self::ScriptFailed,
            "E013",
            "the project could not be read",
            "The script that reads the project's settings ended without a result, or took more than 60 seconds.",
        ),
        explain(
            Self::NotTheDocument,
            "E014",
            "not a settings document",
            "The JSON is not what `sluicegate settings --script` prints, or comes from another version of it.",
        ),
        explain(
            Self::TargetUnknown,
            "E015",
            "settings module unknown",
            "--django has no value, DJANGO_SETTINGS_MODULE is not set, and there is no manage.py that names a module.",
        ),
        explain(
            Self::DjangoItemFailed,
            "E020",
            "Django could not say",
            "A part of the project's settings that is needed here raised an error in Django itself.",
        ),
        explain(
            Self::NotWithoutPython,
            "E021",
            "needs Python",
            "A part of the project does something that only its Python can do, and sockets cannot be admitted without it.",
        ),
        explain(
            Self::DatabaseMissing,
            "E030",
            "no database",
            "Users are looked up in Django's database, and none is known.",
        ),
        explain(
            Self::DatabaseUrl,
            "E031",
            "database URL",
            "The URL is not of the form postgres://user:password@host:5432/name, mysql://... or sqlite:///path.",
        ),
        explain(
            Self::DatabaseRefused,
            "E032",
            "database not supported",
            "PostgreSQL, MySQL, MariaDB and SQLite files are supported, with password or certificate login.",
        ),
        explain(
            Self::OtherEngine,
            "E033",
            "another engine than Django's",
            "Django compiled its user query for one engine; the database named here is of another one.",
        ),
        explain(
            Self::UserStatement,
            "E034",
            "no user query",
            "The query that finds a ticket's user is not known, so nobody can be admitted.",
        ),
        explain(
            Self::CacheMissing,
            "E040",
            "no cache",
            "Tickets are kept in Django's cache, and none is known that two processes can share.",
        ),
        explain(
            Self::CacheUrl,
            "E041",
            "cache location",
            "The location is not of the form redis://host:6379/0, rediss://..., unix:///path or redis+sentinel://....",
        ),
        explain(
            Self::CacheRefused,
            "E042",
            "cache not supported",
            "Tickets cannot be kept in this cache backend, or its client, serializer or compressor is not supported.",
        ),
        explain(
            Self::LocalMemory,
            "E043",
            "cache in local memory",
            "LocMemCache is the memory of one process: a ticket that Django writes there is unknown here.",
        ),
        explain(
            Self::KeyFunction,
            "E044",
            "KEY_FUNCTION",
            "The project makes its cache keys with a function of its own, and what it does could not be told by trying it.",
        ),
        explain(
            Self::ChannelLayerMissing,
            "E045",
            "no channel layer",
            "A route joins groups or sends to them, and neither the project's CHANNEL_LAYERS nor [channel_layer] names a \
             channel layer.",
        ),
        explain(
            Self::ChannelLayerRefused,
            "E046",
            "channel layer not supported",
            "The channel layer is of another class than those of channels_redis, or one of its hosts or options cannot be used.",
        ),
        explain(
            Self::ChannelLayerLocal,
            "E047",
            "channel layer in local memory",
            "InMemoryChannelLayer is the memory of one process: what Django sends there reaches no socket here.",
        ),
        explain(
            Self::OriginsUnknown,
            "E050",
            "origin policy unknown",
            "Which web pages may open sockets could not be read from the ASGI application. It has to be stated.",
        ),
        explain(Self::Route, "E060", "route", "A [[route]] is incomplete or contradicts itself."),
        explain(
            Self::NothingToServe,
            "E061",
            "nothing to serve",
            "There is no [[route]] and no [upstream], and the ticket view is not served here, so every request would be refused.",
        ),
        explain(
            Self::Upstream,
            "E062",
            "upstream",
            "The address of the server behind sluicegate, or what is said of it, cannot be used.",
        ),
        explain(
            Self::TicketViewNotServed,
            "E070",
            "ticket view cannot be served",
            "`[ticket] serve = true`, but a part of the view is not understood. With \"auto\" Django goes on serving it.",
        ),
        explain(Self::Limits, "E080", "limits", "A limit needs another setting, or contradicts it."),
        explain(
            Self::Certificate,
            "E085",
            "certificate",
            "The files of the listener's certificate and its key cannot be used: one is missing or unreadable, or they do \
             not fit each other.",
        ),
        explain(
            Self::SigningKey,
            "E090",
            "token key",
            "The key that access tokens are checked with is missing or does not fit the algorithm.",
        ),
    ];

    /// What is printed, such as `E002`.
    pub(crate) fn name(self) -> &'static str {
        Self::TABLE.iter().find(|line| line.code == self).map_or("E000", |line| line.name)
    }

    /// What it is, in a few words.
    pub(crate) fn title(self) -> &'static str {
        Self::TABLE.iter().find(|line| line.code == self).map_or("", |line| line.title)
    }

    /// What it means.
    pub(crate) fn text(self) -> &'static str {
        Self::TABLE.iter().find(|line| line.code == self).map_or("", |line| line.text)
    }
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) code: Code,
    /// Where the wrong value stands; absent where it is the lack of one.
    pub(crate) origin: Option<Origin>,
    /// What is wrong, without the value of a secret.
    pub(crate) sentence: String,
    /// The lines that mend it, as they would be pasted; empty where there is none to give.
    pub(crate) mend: String,
}

impl Problem {
    pub(crate) fn new(code: Code, sentence: impl Into<String>) -> Self {
        Self { code, origin: None, sentence: sentence.into(), mend: String::new() }
    }

    pub(crate) fn at(mut self, origin: &Origin) -> Self {
        self.origin = (*origin != Origin::Default).then(|| origin.clone());
        self
    }

    pub(crate) fn mend(mut self, lines: impl Into<String>) -> Self {
        self.mend = lines.into();
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code.name())?;
        if let Some(origin) = &self.origin {
            write!(f, " {}", printable(&origin.to_string()))?;
        }
        write!(f, ": {}", printable(&self.sentence))?;
        self.mend.lines().try_for_each(|line| write!(f, "\n    {}", printable(line)))
    }
}

/// Text for a terminal: messages of the project's own may hold characters that steer it.
pub(crate) fn printable(text: &str) -> Cow<'_, str> {
    let steers = |c: char| c.is_control() && c != '\n';
    if !text.contains(steers) {
        return Cow::Borrowed(text);
    }
    let shown = text.chars().map(|c| if steers(c) { c.escape_default().to_string() } else { c.to_string() });
    Cow::Owned(shown.collect())
}

/// All that is wrong.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Problems(Vec<Problem>);

impl Problems {
    pub(crate) fn push(&mut self, problem: Problem) {
        if !self.0.contains(&problem) {
            self.0.push(problem);
        }
    }

    pub(crate) fn extend(&mut self, problems: impl IntoIterator<Item = Problem>) {
        for problem in problems {
            self.push(problem);
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Problem> {
        self.0.iter()
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { "\n" };
            write!(f, "{separator}{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_names_every_code_once_and_in_order() {
        let names: Vec<_> = Code::TABLE.iter().map(|line| line.name).collect();
        assert!(names.is_sorted_by(|a, b| a < b), "{names:?}");
        let codes: std::collections::BTreeSet<_> = Code::TABLE.iter().map(|line| line.code).collect();
        assert_eq!(codes.len(), Code::TABLE.len());
    }

    #[test]
    fn characters_that_steer_a_terminal_are_escaped() {
        let problem = Problem::new(Code::ScriptFailed, "a\u{1b}[31m\rb\u{9b}c\nä").mend("\u{7}");
        assert_eq!(problem.to_string(), "E013: a\\u{1b}[31m\\rb\\u{9b}c\nä\n    \\u{7}");
    }

    #[test]
    fn a_problem_shows_its_code_its_place_and_the_lines_that_mend_it() {
        let origin = Origin::File { path: "sluicegate.toml".to_owned(), line: 3 };
        let problem =
            Problem::new(Code::UnknownKey, "unknown key `leway`").at(&origin).mend("[simple_jwt]\nleeway = 0");
        let shown = "E002 sluicegate.toml:3: unknown key `leway`\n    [simple_jwt]\n    leeway = 0";
        assert_eq!(problem.to_string(), shown);
    }
}
