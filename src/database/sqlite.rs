//! SQLite's connections.

use std::{
    os::unix::fs::MetadataExt,
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

/// Which file a name stood for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct FileIdentity {
    device: u64,
    inode: u64,
}

/// How to open one database.
pub(super) struct SqliteConnector {
    options: SqliteConnectOptions,
    /// The file; absent: in memory.
    file: Option<PathBuf>,
    /// A database in memory lives as long as a connection to it: this one.
    anchor: Mutex<Option<SqliteConnection>>,
}

impl SqliteConnector {
    /// For the database in `file`, which is not created; answers are wanted within `timeout`.
    pub(super) fn new(file: Option<&Path>, access: Access, timeout: Duration) -> Self {
        static MEMORIES: AtomicU32 = AtomicU32::new(0);
        let base = SqliteConnectOptions::new()
            .create_if_missing(false)
            // The pool gives up first; the thread that waits for the lock should not go on for much longer.
            .busy_timeout((timeout + Duration::from_secs(1)).min(Duration::from_mins(10)))
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

    /// A connection, and which file it has open.
    pub(super) async fn connect(&self) -> Result<(SqliteConnection, Option<FileIdentity>), sqlx::Error> {
        // SQLite's own message names no file.
        let identity = self.identity()?;
        if self.file.is_none() {
            let mut anchor = self.anchor.lock().await;
            if anchor.is_none() {
                *anchor = Some(self.options.connect().await?);
            }
        }
        self.options.connect().await.map(|connection| (connection, identity))
    }

    /// Whether a connection to `opened` still has the project's file open, and not one that was removed or replaced.
    pub(super) fn is_current(&self, opened: Option<FileIdentity>) -> bool {
        self.identity().is_ok_and(|now| now == opened)
    }

    fn identity(&self) -> Result<Option<FileIdentity>, sqlx::Error> {
        let Some(file) = &self.file else { return Ok(None) };
        let metadata = std::fs::metadata(file)?;
        Ok(Some(FileIdentity { device: metadata.dev(), inode: metadata.ino() }))
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
