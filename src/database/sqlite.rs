//! SQLite's connections.

use std::{
    path::{Path, PathBuf},
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use sqlx::{
    AssertSqlSafe, ConnectOptions, Connection as _, Sqlite, SqliteConnection,
    query::Query,
    sqlite::{SqliteArguments, SqliteConnectOptions, SqliteRow},
};
use tokio::sync::Mutex;

use super::{Bind, Statement, connection::Access};

/// How to open one database.
pub(super) struct SqliteConnector {
    options: SqliteConnectOptions,
    /// The file; absent: in memory.
    file: Option<PathBuf>,
    /// A database in memory lives as long as a connection to it: this one.
    anchor: Mutex<Option<SqliteConnection>>,
}

impl SqliteConnector {
    /// For the database in `file`, which is not created.
    pub(super) fn new(file: Option<&Path>, access: Access) -> Self {
        static MEMORIES: AtomicU32 = AtomicU32::new(0);
        let base = SqliteConnectOptions::new()
            .create_if_missing(false)
            // The pool's own limit comes first.
            .busy_timeout(Duration::from_mins(1))
            .disable_statement_logging();
        let options = match (file, access) {
            // Opened for writing all the same: SQLite may have to roll back what a killed process left, or to make the
            // shared memory beside a WAL.
            (Some(file), Access::Read) => base.filename(file).pragma("query_only", "ON"),
            (Some(file), Access::Write) => base.filename(file),
            (None, _) => {
                let number = MEMORIES.fetch_add(1, Ordering::Relaxed);
                base.filename(format!("file:sluicegate-{number}")).in_memory(true).shared_cache(true)
            }
        };
        Self { options, file: file.map(Path::to_owned), anchor: Mutex::new(None) }
    }

    /// Makes the file if there is none, and Django's tables in it.
    pub(super) async fn migrate(&self) -> Result<(), sqlx::Error> {
        if self.file.is_none() {
            drop(self.connect().await?);
        }
        let mut connection = self.options.clone().create_if_missing(true).connect().await?;
        sqlx::migrate!().run(&mut connection).await?;
        connection.close().await
    }

    pub(super) async fn connect(&self) -> Result<SqliteConnection, sqlx::Error> {
        if let Some(file) = &self.file {
            // SQLite's own message names no file.
            tokio::fs::metadata(file).await?;
        } else {
            let mut anchor = self.anchor.lock().await;
            if anchor.is_none() {
                *anchor = Some(self.options.connect().await?);
            }
        }
        self.options.connect().await
    }
}

pub(super) async fn fetch(
    raw: &mut SqliteConnection,
    statement: &Statement,
    binds: &[Bind<'_>],
) -> Result<Vec<SqliteRow>, sqlx::Error> {
    query(statement, binds).fetch_all(raw).await
}

pub(super) async fn execute(
    raw: &mut SqliteConnection,
    statement: &Statement,
    binds: &[Bind<'_>],
) -> Result<u64, sqlx::Error> {
    query(statement, binds).execute(raw).await.map(|done| done.rows_affected())
}

fn query<'q>(statement: &Statement, binds: &[Bind<'_>]) -> Query<'q, Sqlite, SqliteArguments> {
    statement.arrange(binds).fold(sqlx::query(AssertSqlSafe(statement.prepared())), |query, bind| match bind {
        Bind::Null => query.bind(None::<i64>),
        Bind::Bool(flag) => query.bind(flag),
        Bind::Int(number) => query.bind(number),
        Bind::Uuid(uuid) => query.bind(uuid.simple().to_string()),
        Bind::Text(text) => query.bind(text.to_owned()),
    })
}
