//! What can go wrong with a database, and what to do about it.

use std::{fmt, io, sync::Arc, time::Duration};

use super::{DatabaseServer, Unreadable};

/// Why a database did not answer. Names the server and the cause, never a password or a value.
#[derive(Debug, thiserror::Error)]
#[error("{server}: {problem}{}", advice(*problem))]
pub(crate) struct DatabaseError {
    server: Arc<str>,
    problem: Problem,
    #[source]
    cause: Option<Cause>,
}

/// The kinds of failure that call for different actions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Problem {
    /// No connection was free, or the answer did not come, within the time limit.
    TimedOut(Duration),
    /// Nothing listens there.
    NotListening,
    /// The address does not exist or cannot be reached, or the connection broke.
    Unreachable,
    /// TLS failed.
    Tls,
    /// The user name or password is wrong, or the server admits no such login.
    LoginRefused,
    /// The database, or SQLite's file, does not exist.
    NoDatabase,
    /// A table of the statement does not exist.
    NoTable,
    /// A column of the statement does not exist.
    NoColumn,
    /// The user may not read a table.
    NoRight,
    /// The server has no room for another connection, or is starting or stopping.
    NotReady,
    /// The options cannot be used.
    Options,
    /// Any other refusal of a statement.
    Refused,
    /// The answer is not what the statement asks for.
    Unreadable,
}

/// What the driver said. Statements fail with values in the message (`Duplicate entry ':1:...'`), so of most messages
/// only the code is kept.
#[derive(Debug, thiserror::Error)]
enum Cause {
    #[error("{0}")]
    Message(String),
    #[error("error {0}")]
    Code(String),
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
}

impl DatabaseError {
    pub(super) fn timed_out(server: &Arc<str>, limit: Duration) -> Self {
        Self { server: Arc::clone(server), problem: Problem::TimedOut(limit), cause: None }
    }

    pub(super) fn new(server: &Arc<str>, error: &sqlx::Error) -> Self {
        let (problem, cause) = explain(error);
        Self { server: Arc::clone(server), problem, cause }
    }

    pub(super) fn unreadable(server: &Arc<str>, error: Unreadable) -> Self {
        Self { server: Arc::clone(server), problem: Problem::Unreadable, cause: Some(error.into()) }
    }

    /// What kind of failure it is.
    pub(crate) fn problem(&self) -> Problem {
        self.problem
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TimedOut(limit) => write!(f, "no answer within {limit:?}"),
            Self::NotListening => f.write_str("nothing listens there"),
            Self::Unreachable => f.write_str("the connection failed"),
            Self::Tls => f.write_str("TLS failed"),
            Self::LoginRefused => f.write_str("the login was refused"),
            Self::NoDatabase => f.write_str("there is no such database"),
            Self::NoTable => f.write_str("a table does not exist"),
            Self::NoColumn => f.write_str("a column does not exist"),
            Self::NoRight => f.write_str("the user may not read the table"),
            Self::NotReady => f.write_str("it takes no more connections now"),
            Self::Options => f.write_str("the settings cannot be used"),
            Self::Refused => f.write_str("the statement was refused"),
            Self::Unreadable => f.write_str("the answer is not what was asked for"),
        }
    }
}

fn advice(problem: Problem) -> &'static str {
    match problem {
        Problem::NotListening => ". Is it running, and are host and port right?",
        Problem::Unreachable => ". Is the host right, and can it be reached from here?",
        Problem::Tls => ". Does the TLS mode fit the server, and the root certificate its certificate?",
        Problem::LoginRefused => ". Are user and password right, and may the user log in from here?",
        Problem::NoDatabase => ". Is its name right?",
        Problem::NoTable => ". Is it the right database, and has `manage.py migrate` run?",
        Problem::NoColumn => ". Do the settings fit the tables, and has `manage.py migrate` run?",
        Problem::NoRight => ". Grant it SELECT.",
        Problem::TimedOut(_) | Problem::NotReady | Problem::Options | Problem::Refused | Problem::Unreadable => "",
    }
}

fn explain(error: &sqlx::Error) -> (Problem, Option<Cause>) {
    let message = || Some(Cause::Message(error.to_string()));
    match error {
        _ if is_tls(error) => (Problem::Tls, message()),
        sqlx::Error::Io(cause) if cause.kind() == io::ErrorKind::ConnectionRefused => (Problem::NotListening, None),
        // A SQLite file or a unix socket.
        sqlx::Error::Io(cause) if cause.kind() == io::ErrorKind::NotFound => {
            (Problem::NoDatabase, Some(Cause::Message(cause.to_string())))
        }
        sqlx::Error::Io(cause) => (Problem::Unreachable, Some(Cause::Message(cause.to_string()))),
        sqlx::Error::Configuration(cause) => (Problem::Options, Some(Cause::Message(cause.to_string()))),
        sqlx::Error::Database(cause) => {
            let code = cause.code().unwrap_or_default().into_owned();
            let problem = by_code(&code, cause.message());
            let harmless = problem != Problem::Refused;
            let cause = if harmless { Cause::Message(cause.message().to_owned()) } else { Cause::Code(code) };
            (problem, Some(cause))
        }
        sqlx::Error::Encode(cause) => (Problem::Refused, Some(Cause::Message(cause.to_string()))),
        sqlx::Error::Migrate(_) => (Problem::Refused, message()),
        sqlx::Error::Protocol(_) | sqlx::Error::WorkerCrashed => (Problem::Unreachable, message()),
        _ => (Problem::Unreadable, None),
    }
}

/// Whether the TLS handshake failed: sqlx hands rustls' errors on as they come from its socket.
pub(super) fn is_tls(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Tls(_) => true,
        sqlx::Error::Io(cause) => {
            cause.get_ref().is_some_and(<dyn std::error::Error + Send + Sync>::is::<rustls::Error>)
        }
        _ => false,
    }
}

/// PostgreSQL's SQLSTATE; MySQL's comes with its own number in the message's place; SQLite's code is a number.
fn by_code(code: &str, message: &str) -> Problem {
    match code {
        "28P01" | "28000" => Problem::LoginRefused,
        // pgbouncer has one code for everything.
        "08P01" if message.contains("authentication failed") || message.contains("no such user") => {
            Problem::LoginRefused
        }
        "08P01" if message.contains("no such database") || message.contains("does not exist") => Problem::NoDatabase,
        "3D000" | "42000" if message.contains("nknown database") || code == "3D000" => Problem::NoDatabase,
        "42P01" | "42S02" => Problem::NoTable,
        "42703" | "42S22" => Problem::NoColumn,
        "42501" => Problem::NoRight,
        "42000" if message.contains("denied") => Problem::NoRight,
        "53300" | "57P01" | "57P02" | "57P03" | "08004" => Problem::NotReady,
        _ if code.starts_with("08") => Problem::Unreachable,
        // SQLite: SQLITE_ERROR, SQLITE_CANTOPEN.
        "1" if message.starts_with("no such table") => Problem::NoTable,
        "1" if message.starts_with("no such column") => Problem::NoColumn,
        "14" => Problem::NoDatabase,
        _ => Problem::Refused,
    }
}

/// What messages call `server`: its place and names, no password.
pub(super) fn name(server: &DatabaseServer) -> Arc<str> {
    match server {
        DatabaseServer::Postgres { host, port, user, database, .. } => {
            format!("PostgreSQL at {host}:{port}, database {database:?}, user {user:?}")
        }
        DatabaseServer::MySql { unix_socket: Some(socket), user, database, .. } => {
            format!("MySQL at {}, database {database:?}, user {user:?}", socket.display())
        }
        DatabaseServer::MySql { host, port, user, database, .. } => {
            format!("MySQL at {host}:{port}, database {database:?}, user {user:?}")
        }
        DatabaseServer::Sqlite { file: Some(file) } => format!("SQLite file {}", file.display()),
        DatabaseServer::Sqlite { file: None } => "SQLite in memory".to_owned(),
    }
    .into()
}
