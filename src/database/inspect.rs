//! What a database says of itself, for `sluicegate check`.

use super::{DatabaseError, Engine, Pool, Row, Statement, Unreadable};
use crate::clock_offset::ClockOffset;

/// How many connections there may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ConnectionLimit {
    /// Of this user to this database.
    pub(crate) allowed: u64,
    /// Of all users; `None` where a limit of this user's own is the smallest.
    pub(crate) in_use: Option<u64>,
    /// A pooler stands in between, whose limits count instead.
    pub(crate) pooled: bool,
}

const POSTGRES_LIMITS: &str = "SELECT \
    CAST(current_setting('max_connections') AS bigint) - CAST(current_setting('superuser_reserved_connections') AS bigint), \
    (SELECT COUNT(datid) FROM pg_catalog.pg_stat_activity), \
    (SELECT CAST(rolconnlimit AS bigint) FROM pg_catalog.pg_roles WHERE rolname = current_user), \
    (SELECT CAST(datconnlimit AS bigint) FROM pg_catalog.pg_database WHERE datname = current_database())";
const MYSQL_LIMITS: &str = "SELECT @@max_connections, @@max_user_connections";
const MYSQL_IN_USE: &str = "SHOW STATUS LIKE 'Threads_connected'";

const POSTGRES_CLOCK: &str = "SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS bigint)";
const MYSQL_CLOCK: &str = "SELECT TIMESTAMPDIFF(MICROSECOND, '1970-01-01 00:00:00', UTC_TIMESTAMP(6))";

impl Pool {
    /// How many connections the server allows. Not for SQLite, which has no server.
    ///
    /// # Errors
    ///
    /// [`DatabaseError`].
    pub(crate) async fn connection_limit(&self) -> Result<ConnectionLimit, DatabaseError> {
        let in_use;
        let numbers = match self.engine() {
            Engine::Postgres => {
                let [all, used, own, database] = self.numbers(POSTGRES_LIMITS).await?;
                in_use = used;
                (all, own.filter(|&limit| limit >= 0).into_iter().chain(database.filter(|&limit| limit >= 0)).min())
            }
            Engine::MySql => {
                let [all, own] = self.numbers(MYSQL_LIMITS).await?;
                let rows = self.rows(MYSQL_IN_USE).await?;
                let text = rows.first().map_or(Ok(None), |row| row.text(1)).map_err(|error| self.unreadable(error))?;
                in_use = text.and_then(|text| text.parse().ok());
                (all, own.filter(|&limit| limit > 0))
            }
            Engine::Sqlite => return Ok(ConnectionLimit { allowed: u64::MAX, in_use: None, pooled: false }),
        };
        let count = |number: i64| u64::try_from(number).unwrap_or(0);
        let all = count(numbers.0.ok_or_else(|| self.unreadable(Unreadable(0)))?);
        let pooled = self.is_pooled();
        Ok(match numbers.1.map(count) {
            Some(own) if own < all => ConnectionLimit { allowed: own, in_use: None, pooled },
            _ => ConnectionLimit { allowed: all, in_use: in_use.map(count), pooled },
        })
    }

    /// The server's clock, beside this machine's. Not for SQLite, which has none of its own.
    ///
    /// # Errors
    ///
    /// [`DatabaseError`].
    pub(crate) async fn clock(&self) -> Result<ClockOffset, DatabaseError> {
        let sql = if self.engine() == Engine::Postgres { POSTGRES_CLOCK } else { MYSQL_CLOCK };
        ClockOffset::measure(async || {
            let [time] = self.numbers(sql).await?;
            time.ok_or_else(|| self.unreadable(Unreadable(0)))
        })
        .await
    }

    async fn rows(&self, sql: &str) -> Result<Vec<Row>, DatabaseError> {
        let statement = Statement::new(self.engine(), sql).map_err(|error| self.unusable(error))?;
        self.fetch(&statement, &[]).await
    }

    async fn numbers<const N: usize>(&self, sql: &str) -> Result<[Option<i64>; N], DatabaseError> {
        let rows = self.rows(sql).await?;
        let row = rows.first().ok_or_else(|| self.unreadable(Unreadable(0)))?;
        let mut numbers = [None; N];
        for (column, number) in numbers.iter_mut().enumerate() {
            *number = row.int(column).map_err(|error| self.unreadable(error))?;
        }
        Ok(numbers)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{
        database::Access,
        test_support::{mariadb::MariaDb, postgres::Postgres},
    };

    #[tokio::test]
    async fn servers_say_how_many_connections_there_may_be_and_what_time_it_is() {
        let postgres = Postgres::shared().options("postgres");
        for options in [postgres, MariaDb::shared().options(&MariaDb::shared().create_database())] {
            let pool = Pool::new(&options, Access::Read).unwrap();
            let limit = pool.connection_limit().await.unwrap();
            assert!(limit.allowed > 10 && limit.in_use.is_some_and(|used| used >= 1) && !limit.pooled, "{limit:?}");
            let offset = pool.clock().await.unwrap();
            assert!(offset.at_least() < Duration::from_secs(1), "{offset:?}");
        }
    }

    #[tokio::test]
    async fn a_limit_of_the_database_itself_counts() {
        let server = Postgres::shared();
        let name = server.create_database();
        server.sql("postgres", &format!("ALTER DATABASE \"{name}\" CONNECTION LIMIT 7"));
        let pool = Pool::new(&server.options(&name), Access::Read).unwrap();
        let limit = pool.connection_limit().await.unwrap();
        assert_eq!(limit, ConnectionLimit { allowed: 7, in_use: None, pooled: false });
    }
}
