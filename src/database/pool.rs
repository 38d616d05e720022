//! The bounded pool of connections in front of a database.

use std::{
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::timeout,
};

use super::{
    Bind, DatabaseError, DatabaseOptions, DatabaseServer, Engine, Row, Statement, StatementError, Unreadable,
    connection::{Access, Answer, Connection, Connector, Work},
    error,
};
use crate::metrics::{Histogram, PoolUsage};

/// How long a connection is kept: so long may a changed address or password go unnoticed, and a firewall's patience
/// last.
const LIFETIME: Duration = Duration::from_mins(30);
const IDLE: Duration = Duration::from_mins(5);

/// Connections to one database, at most so many at once, and none of them made before it is needed.
///
/// Whoever asks has an answer or an error within the time limit, which covers the wait for a connection, its making and
/// the statement. A connection is used again only after a whole answer: one that was left in the middle of an answer, or
/// failed, is dropped, and with it all idle ones, which the same restart has broken. So the database may go and come
/// back; nothing here needs a restart.
#[derive(Clone)]
pub(crate) struct Pool(Arc<Inner>);

struct Inner {
    connector: Connector,
    engine: Engine,
    server: Arc<str>,
    timeout: Duration,
    slots: Semaphore,
    most: usize,
    /// Where the time is counted that questions wait for a slot.
    waits: OnceLock<Arc<Histogram>>,
    /// The one used last is at the end, and used next.
    idle: Mutex<Vec<Idle>>,
}

struct Idle {
    connection: Connection,
    born: Instant,
    since: Instant,
}

impl Pool {
    /// A pool for the database of `options`; nothing is connected yet.
    ///
    /// # Errors
    ///
    /// [`DatabaseError`] for options that cannot be used.
    pub(crate) fn new(options: &DatabaseOptions, access: Access) -> Result<Self, DatabaseError> {
        let server = error::name(&options.server);
        let connector = Connector::new(options, access).map_err(|error| DatabaseError::new(&server, &error))?;
        // Connections to one memory would lock each other out.
        let in_memory = matches!(options.server, DatabaseServer::Sqlite { file: None });
        let slots = if in_memory { 1 } else { usize::try_from(options.max_connections.max(1)).unwrap_or(1) };
        Ok(Self(Arc::new(Inner {
            connector,
            engine: Engine::from(&options.server),
            server,
            timeout: options.timeout,
            slots: Semaphore::new(slots.min(Semaphore::MAX_PERMITS)),
            most: slots.min(Semaphore::MAX_PERMITS),
            waits: OnceLock::new(),
            idle: Mutex::new(vec![]),
        })))
    }

    /// Counts from now on in `waits` how long questions wait for a connection.
    pub(crate) fn count_waits(&self, waits: &Arc<Histogram>) {
        // A second one is none: a pool is counted in one place.
        let _ = self.0.waits.set(Arc::clone(waits));
    }

    /// Tells how much of the pool is in use; `None` once it is gone.
    pub(crate) fn watch(&self) -> impl Fn() -> Option<PoolUsage> + Send + Sync + 'static {
        let pool = Arc::downgrade(&self.0);
        move || {
            let pool = pool.upgrade()?;
            let idle = pool.idle.lock().unwrap_or_else(PoisonError::into_inner).len();
            let in_use = pool.most.saturating_sub(pool.slots.available_permits());
            Some(PoolUsage { max: pool.most, in_use, idle })
        }
    }

    /// Which database it is.
    pub(crate) fn engine(&self) -> Engine {
        self.0.engine
    }

    /// The rows that `statement` selects. It is sent a second time if the first met a connection that had died.
    ///
    /// # Errors
    ///
    /// [`DatabaseError`] if the database did not answer within the time limit, or refused.
    pub(crate) async fn fetch(&self, statement: &Statement, binds: &[Bind<'_>]) -> Result<Vec<Row>, DatabaseError> {
        self.run(Work::Fetch(statement, binds)).await.map(|answer| answer.rows)
    }

    /// The number of rows that `statement` changed. It is sent at most once.
    ///
    /// # Errors
    ///
    /// [`DatabaseError`] as for [`fetch`](Self::fetch); the statement may then have been done or not.
    pub(crate) async fn execute(&self, statement: &Statement, binds: &[Bind<'_>]) -> Result<u64, DatabaseError> {
        self.run(Work::Execute(statement, binds)).await.map(|answer| answer.changed)
    }

    /// Whether a connection has shown that a pooler stands in between.
    pub(super) fn is_pooled(&self) -> bool {
        matches!(&self.0.connector, Connector::Postgres(connector) if connector.is_pooled())
    }

    /// A round trip to the database.
    ///
    /// # Errors
    ///
    /// [`DatabaseError`] if it did not answer within the time limit.
    pub(crate) async fn ping(&self) -> Result<(), DatabaseError> {
        self.run(Work::Ping).await.map(drop)
    }

    /// Makes Django's tables in an embedded database.
    pub(super) async fn migrate(&self) -> Result<(), DatabaseError> {
        let Connector::Sqlite(connector) = &self.0.connector else { return Ok(()) };
        connector.migrate().await.map_err(|error| DatabaseError::new(&self.0.server, &error))
    }

    /// An error of this pool for a statement that cannot be run.
    pub(super) fn unusable(&self, error: StatementError) -> DatabaseError {
        DatabaseError::new(&self.0.server, &sqlx::Error::Configuration(error.into()))
    }

    /// An error of this pool for a row that cannot be read.
    pub(crate) fn unreadable(&self, error: Unreadable) -> DatabaseError {
        DatabaseError::unreadable(&self.0.server, error)
    }

    async fn run(&self, work: Work<'_>) -> Result<Answer, DatabaseError> {
        let inner = &*self.0;
        let reused = AtomicBool::new(false);
        if let Ok(result) = timeout(inner.timeout, inner.run(work, &reused)).await {
            return result.map_err(|error| DatabaseError::new(&inner.server, &error));
        }
        // A connection that was idle gave no answer: the others may be as dead. One who only waited for his turn says
        // nothing about them, and a busy pool must not lose its connections.
        if reused.load(Ordering::Relaxed) {
            inner.forget_idle();
        }
        Err(DatabaseError::timed_out(&inner.server, inner.timeout))
    }
}

impl Inner {
    /// `reused` tells that a connection was taken that had been idle.
    async fn run(&self, work: Work<'_>, reused: &AtomicBool) -> Result<Answer, sqlx::Error> {
        let _slot = self.slot().await?;
        if let Some((mut connection, born)) = self.take_idle() {
            reused.store(true, Ordering::Relaxed);
            // A restart shows at the first use: a write finds out before it is sent, the others are sent again.
            let alive = !matches!(work, Work::Execute(..)) || connection.run(Work::Ping).await.is_ok();
            if alive {
                match connection.run(work).await {
                    Err(error) if is_stale(&error) && !matches!(work, Work::Execute(..)) => {}
                    result => return self.finish(connection, born, result),
                }
            }
            self.forget_idle();
            reused.store(false, Ordering::Relaxed);
        }
        let mut connection = self.connector.connect().await?;
        let result = connection.run(work).await;
        self.finish(connection, Instant::now(), result)
    }

    /// The right to one connection.
    async fn slot(&self) -> Result<SemaphorePermit<'_>, sqlx::Error> {
        if let Ok(slot) = self.slots.try_acquire() {
            return Ok(slot);
        }
        let since = Instant::now();
        // Never closed.
        let slot = self.slots.acquire().await.map_err(|_| sqlx::Error::PoolClosed)?;
        if let Some(waits) = self.waits.get() {
            waits.observe(since.elapsed());
        }
        Ok(slot)
    }

    /// Keeps the connection if its answer came whole.
    fn finish(
        &self,
        connection: Connection,
        born: Instant,
        result: Result<Answer, sqlx::Error>,
    ) -> Result<Answer, sqlx::Error> {
        if result.is_ok() {
            let now = Instant::now();
            let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
            idle.push(Idle { connection, born, since: now });
            // The one unused for longest.
            if idle.first().is_some_and(|oldest| now.duration_since(oldest.since) > IDLE) {
                retire(idle.remove(0).connection);
            }
        }
        result
    }

    fn take_idle(&self) -> Option<(Connection, Instant)> {
        loop {
            let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop()?;
            let fresh = idle.since.elapsed() < IDLE && idle.born.elapsed() < LIFETIME;
            if fresh && self.connector.is_current(&idle.connection) {
                return Some((idle.connection, idle.born));
            }
            retire(idle.connection);
        }
    }

    fn forget_idle(&self) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

/// Closes in the background.
fn retire(connection: Connection) {
    tokio::spawn(timeout(Duration::from_secs(5), connection.close()));
}

/// Whether a connection that was idle is to blame: it broke, the server is stopping, or the prepared statement does not
/// fit the tables any more.
fn is_stale(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Database(error) => error.code().is_some_and(|code| {
            code.starts_with("08")
                || code.starts_with("57P")
                || matches!(&*code, "0A000" | "26000" | "58000" | "70100" | "HY000")
        }),
        _ => true,
    }
}
