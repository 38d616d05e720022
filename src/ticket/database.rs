//! Tickets in a table of the database, as Django's `DatabaseCache` keeps them (Django 5.2,
//! `django/core/cache/backends/db.py`).

use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use jiff::{Timestamp, tz::TimeZone};
use tokio::time::timeout;

use super::{OpenError, Redeemed, Ticket, TicketStore, TicketStoreError};
use crate::{
    cache::{KeyPattern, pickle},
    database::{Access, Bind, DatabaseError, DatabaseOptions, Engine, Pool, Statement},
    python::Value,
};

/// `CACHES["default"]` in a table that `manage.py createcachetable` made.
pub(crate) struct DatabaseTicketStore {
    pool: Pool,
    statements: Statements,
    key: KeyPattern,
    clock: Clock,
    culling: Culling,
    timeout: Duration,
}

/// When the table is too full, and how much of it goes then.
#[derive(Clone, Copy)]
pub(crate) struct Culling {
    /// `MAX_ENTRIES`
    pub(crate) max_entries: u64,
    /// `CULL_FREQUENCY`
    pub(crate) frequency: u64,
}

/// The table that tickets are in.
pub(crate) struct Table<'a> {
    pub(crate) database: &'a DatabaseOptions,
    pub(crate) name: &'a str,
    /// The zone of `expires`, where that is not UTC.
    pub(crate) time_zone: Option<&'a str>,
}

impl DatabaseTicketStore {
    /// Does not connect yet. `timeout` is for issuing or redeeming one ticket, all statements together.
    ///
    /// # Errors
    ///
    /// [`OpenError`] for a time zone that is not known and database options that cannot be used.
    pub(crate) fn new(
        table: &Table<'_>,
        key: KeyPattern,
        culling: Culling,
        timeout: Duration,
    ) -> Result<Self, OpenError> {
        let pool = Pool::new(table.database, Access::Write)?;
        let clock = Clock::new(pool.engine(), table.time_zone)?;
        let statements = Statements::new(pool.engine(), table.name)?;
        Ok(Self { pool, statements, key, clock, culling, timeout })
    }

    fn key(&self, ticket: Ticket) -> String {
        self.key.make(&ticket.expose())
    }

    /// `_base_set("set", ...)`. A ticket is a new key: it is inserted unless an update finds it, where Django selects it
    /// first; the table ends up the same.
    async fn set(&self, key: &str, encoded: &str, now: SystemTime, lifetime: Duration) -> Result<(), DatabaseError> {
        let rows = self.pool.fetch(&self.statements.count, &[]).await?;
        let count = rows.first().map_or(Ok(None), |row| row.int(0)).map_err(|error| self.pool.unreadable(error))?;
        let count = count.and_then(|count| u64::try_from(count).ok()).unwrap_or(0);
        if count > self.culling.max_entries {
            self.cull(now, count).await?;
        }
        let expires = self.clock.second(now + lifetime);
        let (key, encoded, expires) = (Bind::Text(key), Bind::Text(encoded), Bind::Text(&expires));
        if self.pool.execute(&self.statements.update, &[encoded, expires, key]).await? == 0 {
            self.pool.execute(&self.statements.insert, &[key, encoded, expires]).await?;
        }
        Ok(())
    }

    /// `_cull`: expired entries go; if too many are left, so does the first share of the others in the order of their
    /// keys, live tickets with them.
    async fn cull(&self, now: SystemTime, count: u64) -> Result<(), DatabaseError> {
        if self.culling.frequency == 0 {
            self.pool.execute(&self.statements.clear, &[]).await?;
            return Ok(());
        }
        let now = self.clock.second(now);
        let deleted = self.pool.execute(&self.statements.delete_expired, &[Bind::Text(&now)]).await?;
        let remaining = count.saturating_sub(deleted);
        if remaining > self.culling.max_entries {
            let share = i64::try_from(remaining / self.culling.frequency).unwrap_or(i64::MAX);
            let rows = self.pool.fetch(&self.statements.nth_key, &[Bind::Int(share)]).await?;
            let key = rows.first().map_or(Ok(None), |row| row.text(0)).map_err(|error| self.pool.unreadable(error))?;
            if let Some(key) = key {
                self.pool.execute(&self.statements.delete_before, &[Bind::Text(&key)]).await?;
            }
        }
        Ok(())
    }

    /// `get`, then `delete`, whose count of rows decides who gets the ticket.
    async fn take(&self, key: &str, now: SystemTime) -> Result<Option<String>, DatabaseError> {
        let Some((value, is_live)) = self.get(key, now).await? else { return Ok(None) };
        // An expired entry is deleted when it is read, as Django does.
        let deleted = self.pool.execute(&self.statements.delete, &[Bind::Text(key)]).await?;
        Ok(value.filter(|_| is_live && deleted == 1))
    }

    /// An entry's value, and whether it has not expired.
    async fn get(&self, key: &str, now: SystemTime) -> Result<Option<(Option<String>, bool)>, DatabaseError> {
        let now = self.clock.exactly(now);
        let rows = self.pool.fetch(&self.statements.select, &[Bind::Text(&now), Bind::Text(key)]).await?;
        let Some(row) = rows.first() else { return Ok(None) };
        let read = row.text(0).and_then(|value| Ok((value, row.int(1)? == Some(0))));
        read.map(Some).map_err(|error| self.pool.unreadable(error))
    }

    async fn in_time<T>(&self, work: impl Future<Output = Result<T, DatabaseError>>) -> Result<T, TicketStoreError> {
        match timeout(self.timeout, work).await {
            Ok(result) => Ok(result?),
            Err(_) => Err(TicketStoreError::Unavailable(Box::new(TimedOut(self.timeout)))),
        }
    }
}

#[async_trait]
impl TicketStore for DatabaseTicketStore {
    async fn issue(&self, ticket: Ticket, value: &Value, lifetime: Duration) -> Result<(), TicketStoreError> {
        let (key, encoded) = (self.key(ticket), encode(value)?);
        self.in_time(self.set(&key, &encoded, SystemTime::now(), lifetime)).await
    }

    async fn issue_with(
        &self,
        ticket: Ticket,
        value: &Value,
        companion: &str,
        lifetime: Duration,
    ) -> Result<(), TicketStoreError> {
        let (key, encoded) = (self.key(ticket), encode(value)?);
        let (beside, companion) = (self.key.make(&ticket.companion()), encode(&Value::Str(companion.to_owned()))?);
        let now = SystemTime::now();
        self.in_time(async {
            self.set(&beside, &companion, now, lifetime).await?;
            self.set(&key, &encoded, now, lifetime).await
        })
        .await
    }

    async fn redeem(&self, ticket: Ticket) -> Result<Option<Value>, TicketStoreError> {
        let key = self.key(ticket);
        let encoded = self.in_time(self.take(&key, SystemTime::now())).await?;
        Ok(encoded.and_then(|encoded| decode(&encoded)))
    }

    async fn redeem_with(&self, ticket: Ticket) -> Result<Option<Redeemed>, TicketStoreError> {
        let (key, beside) = (self.key(ticket), self.key.make(&ticket.companion()));
        let now = SystemTime::now();
        let taken = self.in_time(async {
            let Some(encoded) = self.take(&key, now).await? else { return Ok(None) };
            Ok(Some((encoded, self.take(&beside, now).await?)))
        });
        let Some((encoded, companion)) = taken.await? else { return Ok(None) };
        let companion = super::companion_text(companion.and_then(|companion| decode(&companion)));
        Ok(decode(&encoded).map(|value| Redeemed { value, companion }))
    }

    async fn peek(&self, ticket: Ticket) -> Result<Option<Value>, TicketStoreError> {
        let key = self.key(ticket);
        let entry = self.in_time(self.get(&key, SystemTime::now())).await?;
        let encoded = entry.and_then(|(value, is_live)| value.filter(|_| is_live));
        Ok(encoded.and_then(|encoded| pickle::loads(&BASE64.decode(encoded).ok()?).ok()))
    }

    async fn ping(&self) -> Result<(), TicketStoreError> {
        self.in_time(async {
            // The table, too, must be there; its first key costs little, however full it is.
            self.pool.fetch(&self.statements.nth_key, &[Bind::Int(0)]).await.map(drop)
        })
        .await
    }

    fn pool(&self) -> Option<Pool> {
        Some(self.pool.clone())
    }
}

/// As `DatabaseCache` writes a value.
fn encode(value: &Value) -> Result<String, TicketStoreError> {
    let pickled = pickle::dumps(value, pickle::HIGHEST_PROTOCOL)
        .map_err(|pickle::Unpicklable { kind }| TicketStoreError::Unstorable { kind })?;
    Ok(BASE64.encode(pickled))
}

fn decode(encoded: &str) -> Option<Value> {
    let value = BASE64.decode(encoded).ok().and_then(|bytes| pickle::loads(&bytes).ok());
    if value.is_none() {
        super::log_unreadable();
    }
    value
}

/// The statements of one ticket took too long together.
#[derive(Debug, thiserror::Error)]
#[error("the cache's table gave no answer within {} ms", .0.as_millis())]
struct TimedOut(Duration);

impl From<DatabaseError> for TicketStoreError {
    fn from(error: DatabaseError) -> Self {
        Self::Unavailable(Box::new(error))
    }
}

/// How times are written into the table, and compared with it.
pub(super) enum Clock {
    /// PostgreSQL's `timestamp with time zone`: with the offset, so that no session's zone matters.
    WithOffset,
    /// Without it: `USE_TZ` writes UTC, its absence local time. Where the clocks are put back, entries of the hour before
    /// seem to live longer or to be expired, there as here.
    In(TimeZone),
}

impl Clock {
    pub(super) fn new(engine: Engine, time_zone: Option<&str>) -> Result<Self, OpenError> {
        match (engine, time_zone) {
            (Engine::Postgres, _) => Ok(Self::WithOffset),
            (_, None) => Ok(Self::In(TimeZone::UTC)),
            (_, Some(name)) => match TimeZone::get(name) {
                Ok(zone) => Ok(Self::In(zone)),
                Err(_) => Err(OpenError::TimeZone(name.to_owned())),
            },
        }
    }

    /// `time` with its microseconds, as `str(datetime)` prints it: without a fraction if there is none.
    fn exactly(&self, time: SystemTime) -> String {
        self.format(time, true)
    }

    /// `time.replace(microsecond=0)`.
    pub(super) fn second(&self, time: SystemTime) -> String {
        self.format(time, false)
    }

    fn format(&self, time: SystemTime, with_fraction: bool) -> String {
        // A clock beyond the year 9999 has other troubles.
        let timestamp = Timestamp::try_from(time).unwrap_or(Timestamp::MAX);
        let (zone, offset) = match self {
            Self::WithOffset => (TimeZone::UTC, "+00"),
            Self::In(zone) => (zone.clone(), ""),
        };
        let time = timestamp.to_zoned(zone).datetime();
        let seconds = time.strftime("%Y-%m-%d %H:%M:%S");
        match time.subsec_nanosecond() / 1000 {
            microseconds @ 1.. if with_fraction => format!("{seconds}.{microseconds:06}{offset}"),
            _ => format!("{seconds}{offset}"),
        }
    }
}

struct Statements {
    count: Statement,
    select: Statement,
    update: Statement,
    insert: Statement,
    delete: Statement,
    delete_expired: Statement,
    nth_key: Statement,
    delete_before: Statement,
    clear: Statement,
}

impl Statements {
    fn new(engine: Engine, table: &str) -> Result<Self, OpenError> {
        let table = engine.quote_name(table).replace('%', "%%");
        let [key, value, expires] = ["cache_key", "value", "expires"].map(|name| engine.quote_name(name));
        // Parameters go out in PostgreSQL's binary form, and text has none for times.
        let time = if engine == Engine::Postgres { "CAST(CAST(%s AS text) AS timestamp with time zone)" } else { "%s" };
        let statement = |sql: String| Statement::new(engine, &sql).map_err(OpenError::Table);
        Ok(Self {
            count: statement(format!("SELECT COUNT(*) FROM {table}"))?,
            select: statement(format!(
                "SELECT {value}, CASE WHEN {expires} < {time} THEN 1 ELSE 0 END FROM {table} WHERE {key} = %s"
            ))?,
            update: statement(format!("UPDATE {table} SET {value} = %s, {expires} = {time} WHERE {key} = %s"))?,
            insert: statement(format!("INSERT INTO {table} ({key}, {value}, {expires}) VALUES (%s, %s, {time})"))?,
            delete: statement(format!("DELETE FROM {table} WHERE {key} = %s"))?,
            delete_expired: statement(format!("DELETE FROM {table} WHERE {expires} < {time}"))?,
            nth_key: statement(format!("SELECT {key} FROM {table} ORDER BY {key} LIMIT 1 OFFSET %s"))?,
            delete_before: statement(format!("DELETE FROM {table} WHERE {key} < %s"))?,
            clear: statement(format!("DELETE FROM {table}"))?,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::Clock;
    use crate::database::Engine;

    #[test]
    fn times_are_written_as_django_writes_them() {
        let time = |micros: u64| SystemTime::UNIX_EPOCH + Duration::from_micros(1_795_434_576_000_000 + micros);
        let utc = Clock::new(Engine::Sqlite, None).unwrap();
        assert_eq!(utc.second(time(900_000)), "2026-11-23 11:49:36");
        assert_eq!(utc.exactly(time(900_000)), "2026-11-23 11:49:36.900000");
        assert_eq!(utc.exactly(time(0)), "2026-11-23 11:49:36");
        let local = Clock::new(Engine::MySql, Some("America/New_York")).unwrap();
        assert_eq!(local.second(time(0)), "2026-11-23 06:49:36");
        let summer = time(0) - Duration::from_hours(150 * 24);
        assert_eq!(local.second(summer), "2026-06-26 07:49:36");
        // PostgreSQL keeps an instant, whatever the zone.
        let instant = Clock::new(Engine::Postgres, Some("America/New_York")).unwrap();
        assert_eq!(instant.exactly(time(1)), "2026-11-23 11:49:36.000001+00");
    }

    #[test]
    fn a_zone_that_nobody_knows_is_named() {
        let error = Clock::new(Engine::Sqlite, Some("Mars/Olympus")).err().unwrap();
        assert!(error.to_string().contains("Mars/Olympus"), "{error}");
    }
}
