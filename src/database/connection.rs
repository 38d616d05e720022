//! One connection, of any engine.

use sqlx::Connection as _;

use super::{
    Bind, DatabaseOptions, DatabaseServer, Row, Statement,
    mysql::MySqlConnector,
    postgres::PostgresConnector,
    sqlite::{FileIdentity, SqliteConnector},
};

/// How to make connections.
pub(super) enum Connector {
    Postgres(PostgresConnector),
    MySql(MySqlConnector),
    Sqlite(Box<SqliteConnector>),
}

/// A connection that waits for its next statement.
pub(super) enum Connection {
    Postgres { raw: sqlx::PgConnection, named: bool },
    MySql { raw: sqlx::MySqlConnection, named: bool },
    Sqlite { raw: sqlx::SqliteConnection, file: Option<FileIdentity> },
}

/// What a connection is asked for.
#[derive(Clone, Copy)]
pub(super) enum Work<'a> {
    /// The rows that a statement selects.
    Fetch(&'a Statement, &'a [Bind<'a>]),
    /// The number of rows that a statement changes.
    Execute(&'a Statement, &'a [Bind<'a>]),
    /// A round trip.
    Ping,
}

/// What came of it.
pub(super) struct Answer {
    pub(super) rows: Vec<Row>,
    pub(super) changed: u64,
}

/// Whether the database is written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// SQLite then refuses to write. The servers leave that to the rights of their user.
    Read,
    Write,
}

impl Connector {
    pub(super) fn new(options: &DatabaseOptions, access: Access) -> Result<Self, sqlx::Error> {
        let (server, prepared) = (&options.server, options.prepared);
        Ok(match server {
            DatabaseServer::Postgres { .. } => Self::Postgres(PostgresConnector::new(server, prepared)?),
            DatabaseServer::MySql { .. } => Self::MySql(MySqlConnector::new(server, prepared)?),
            DatabaseServer::Sqlite { file } => {
                Self::Sqlite(Box::new(SqliteConnector::new(file.as_deref(), access, options.timeout)))
            }
        })
    }

    pub(super) async fn connect(&self) -> Result<Connection, sqlx::Error> {
        match self {
            Self::Postgres(connector) => {
                connector.connect().await.map(|(raw, named)| Connection::Postgres { raw, named })
            }
            Self::MySql(connector) => connector.connect().await.map(|(raw, named)| Connection::MySql { raw, named }),
            Self::Sqlite(connector) => connector.connect().await.map(|(raw, file)| Connection::Sqlite { raw, file }),
        }
    }
}

impl Connector {
    /// Whether an idle connection still leads to where a new one would.
    pub(super) fn is_current(&self, connection: &Connection) -> bool {
        match (self, connection) {
            (Self::Sqlite(connector), Connection::Sqlite { file, .. }) => connector.is_current(*file),
            _ => true,
        }
    }
}

impl Connection {
    pub(super) async fn run(&mut self, work: Work<'_>) -> Result<Answer, sqlx::Error> {
        match work {
            Work::Fetch(statement, binds) => Ok(Answer { rows: self.fetch(statement, binds).await?, changed: 0 }),
            Work::Execute(statement, binds) => {
                Ok(Answer { rows: vec![], changed: self.execute(statement, binds).await? })
            }
            Work::Ping => self.ping().await.map(|()| Answer { rows: vec![], changed: 0 }),
        }
    }

    async fn fetch(&mut self, statement: &Statement, binds: &[Bind<'_>]) -> Result<Vec<Row>, sqlx::Error> {
        Ok(match self {
            Self::Postgres { raw, named } => {
                super::postgres::fetch(raw, *named, statement, binds).await?.into_iter().map(Row::Postgres).collect()
            }
            Self::MySql { raw, named } => {
                super::mysql::fetch(raw, *named, statement, binds).await?.into_iter().map(Row::MySql).collect()
            }
            Self::Sqlite { raw, .. } => {
                super::sqlite::fetch(raw, statement, binds).await?.into_iter().map(Row::Sqlite).collect()
            }
        })
    }

    async fn execute(&mut self, statement: &Statement, binds: &[Bind<'_>]) -> Result<u64, sqlx::Error> {
        match self {
            Self::Postgres { raw, named } => super::postgres::execute(raw, *named, statement, binds).await,
            Self::MySql { raw, named } => super::mysql::execute(raw, *named, statement, binds).await,
            Self::Sqlite { raw, .. } => super::sqlite::execute(raw, statement, binds).await,
        }
    }

    async fn ping(&mut self) -> Result<(), sqlx::Error> {
        match self {
            Self::Postgres { raw, .. } => raw.ping().await,
            Self::MySql { raw, .. } => raw.ping().await,
            Self::Sqlite { raw, .. } => raw.ping().await,
        }
    }

    /// Says goodbye.
    pub(super) async fn close(self) -> Result<(), sqlx::Error> {
        match self {
            Self::Postgres { raw, .. } => raw.close().await,
            Self::MySql { raw, .. } => raw.close().await,
            Self::Sqlite { raw, .. } => raw.close().await,
        }
    }
}
