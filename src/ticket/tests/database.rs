use std::{
    process::Command,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use super::{
    super::{TICKET_LIFETIME, Ticket, TicketStore, contract, open},
    cache, round_trip, unavailable,
};
use crate::{
    cache::{CacheBackend, CacheOptions},
    database::{DatabaseOptions, DatabaseServer, Prepared},
    python::Value,
    test_support::{Account, Folder, mariadb::MariaDb, postgres::Postgres, program, stdout},
};

/// What `manage.py createcachetable` makes, by engine.
fn create_table(expires: &str, value: &str, quote: char) -> String {
    format!(
        "CREATE TABLE {quote}my_cache_table{quote} ({quote}cache_key{quote} varchar(255) NOT NULL PRIMARY KEY, \
         {quote}value{quote} {value} NOT NULL, {quote}expires{quote} {expires} NOT NULL)"
    )
}

/// A database with the cache's table in it, and what runs statements there.
struct Database {
    options: DatabaseOptions,
    sql: Box<dyn Fn(&str) -> String>,
    _folder: Option<Folder>,
}

fn postgres() -> Database {
    let server = Postgres::shared();
    let database = server.create_database();
    server.sql(&database, &create_table("timestamp with time zone", "text", '"'));
    let options = server.options(&database);
    Database { options, sql: Box::new(move |sql| server.sql(&database, sql)), _folder: None }
}

fn mariadb() -> Database {
    let server = MariaDb::shared();
    let database = server.create_database();
    server.sql(&database, &create_table("datetime(6)", "longtext", '`'));
    let options = server.options(&database);
    Database { options, sql: Box::new(move |sql| server.sql(&database, sql)), _folder: None }
}

fn sqlite() -> Database {
    let folder = Folder::new(Account::Own);
    let file = folder.file("db.sqlite3");
    let server = DatabaseServer::Sqlite { file: Some(file.clone().into()) };
    let sql = move |sql: &str| stdout(Command::new(program("sqlite3")).args([&file, sql]));
    sql(&create_table("datetime", "text", '"'));
    let (max_connections, timeout, prepared) = (10, Duration::from_secs(10), Prepared::Auto);
    let options = DatabaseOptions { server, max_connections, timeout, prepared };
    Database { options, sql: Box::new(sql), _folder: Some(folder) }
}

impl Database {
    fn cache(&self, max_entries: u64, cull_frequency: u64, time_zone: Option<&str>) -> CacheOptions {
        let backend = CacheBackend::Database {
            database: self.options.clone(),
            table: "my_cache_table".to_owned(),
            max_entries,
            cull_frequency,
            time_zone: time_zone.map(str::to_owned),
        };
        CacheOptions { timeout: Duration::from_secs(10), ..cache(backend) }
    }

    fn store(&self) -> Arc<dyn TicketStore> {
        open(&self.cache(300, 3, None)).unwrap()
    }

    fn sql(&self, sql: &str) -> String {
        (self.sql)(sql).trim().to_owned()
    }

    fn count(&self) -> String {
        self.sql("SELECT COUNT(*) FROM my_cache_table")
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_contract_holds_on_postgresql() {
    contract::holds_for(postgres().store()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_contract_holds_on_mariadb() {
    contract::holds_for(mariadb().store()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_contract_holds_on_sqlite() {
    let database = sqlite();
    contract::holds_for(database.store()).await;
}

/// The rows that Django wrote (`tests/vectors/tickets-other-caches.json`), but for `expires`, which depends on the time.
#[tokio::test]
async fn rows_are_written_as_django_writes_them() {
    for (database, suffix) in [(postgres(), "+00"), (mariadb(), ".000000"), (sqlite(), "")] {
        database.store().issue(Ticket::new(), &Value::Int(256), TICKET_LIFETIME).await.unwrap();
        let row = database.sql("SELECT value FROM my_cache_table");
        assert_eq!(row, "gAWVBAAAAAAAAABNAAEu");
        let expires = database.sql("SELECT expires FROM my_cache_table");
        assert_eq!(expires.len(), "2026-11-23 11:49:36".len() + suffix.len(), "{expires}");
        assert!(expires.ends_with(suffix), "{expires}");
    }
}

#[tokio::test]
async fn a_ticket_expires_600_seconds_after_now_in_utc() {
    for database in [postgres(), mariadb(), sqlite()] {
        database.store().issue(Ticket::new(), &Value::Int(1), TICKET_LIFETIME).await.unwrap();
        let expires = database.sql("SELECT expires FROM my_cache_table");
        let expires: jiff::civil::DateTime = expires.trim_end_matches("+00").parse().unwrap();
        let expires = SystemTime::from(expires.to_zoned(jiff::tz::TimeZone::UTC).unwrap().timestamp());
        let left = expires.duration_since(SystemTime::now()).unwrap();
        assert!((590..=600).contains(&left.as_secs()), "{left:?}");
    }
}

#[tokio::test]
async fn without_use_tz_times_are_local_but_in_postgresql() {
    for (database, hours) in [(mariadb(), 14), (sqlite(), 14), (postgres(), 0)] {
        let zone = "Pacific/Kiritimati";
        let store = open(&database.cache(300, 3, Some(zone))).unwrap();
        let ticket = Ticket::new();
        store.issue(ticket, &Value::Int(1), TICKET_LIFETIME).await.unwrap();
        let expires = database.sql("SELECT expires FROM my_cache_table");
        let expires: jiff::civil::DateTime = expires.trim_end_matches("+00").parse().unwrap();
        let expires = SystemTime::from(expires.to_zoned(jiff::tz::TimeZone::UTC).unwrap().timestamp());
        let left = expires.duration_since(SystemTime::now()).unwrap();
        let shift = hours * 3600;
        assert!((shift + 590..=shift + 600).contains(&left.as_secs()), "{left:?}");
        assert_eq!(store.redeem(ticket).await.unwrap(), Some(Value::Int(1)));
    }
}

#[tokio::test]
async fn an_expired_row_is_absent_and_deleted_when_it_is_read() {
    for database in [postgres(), mariadb(), sqlite()] {
        let (store, ticket) = (database.store(), Ticket::new());
        let key = format!(":1:{}", ticket.expose());
        database.sql(&format!("INSERT INTO my_cache_table VALUES ('{key}', 'gAVLAS4=', '2020-01-01 00:00:00')"));
        assert_eq!(store.redeem(ticket).await.unwrap(), None);
        assert_eq!(database.count(), "0");
    }
}

#[tokio::test]
async fn a_value_that_cannot_be_read_is_no_user_and_is_gone() {
    for database in [postgres(), mariadb(), sqlite()] {
        let store = database.store();
        for value in ["", "no base64!", "Y29zCnN5c3RlbQou"] {
            let ticket = Ticket::new();
            let key = format!(":1:{}", ticket.expose());
            database.sql(&format!("INSERT INTO my_cache_table VALUES ('{key}', '{value}', '2999-01-01 00:00:00')"));
            assert_eq!(store.redeem(ticket).await.unwrap(), None, "{value}");
        }
        assert_eq!(database.count(), "0");
    }
}

/// Entries of someone else, by key `a0`, `a1` and so on, before every ticket's in the order of keys.
fn fill(database: &Database, live: u32, expired: u32) {
    let rows = (0..live).map(|number| format!("(' a{number:03}', 'x', '2999-01-01 00:00:00')"));
    let rows = rows.chain((0..expired).map(|number| format!("(' b{number:03}', 'x', '2020-01-01 00:00:00')")));
    database.sql(&format!("INSERT INTO my_cache_table VALUES {}", rows.collect::<Vec<_>>().join(", ")));
}

#[tokio::test]
async fn expired_rows_go_when_a_ticket_is_written_into_a_full_table() {
    for database in [postgres(), mariadb(), sqlite()] {
        fill(&database, 5, 6);
        let store = open(&database.cache(10, 3, None)).unwrap();
        store.issue(Ticket::new(), &Value::Int(1), TICKET_LIFETIME).await.unwrap();
        assert_eq!(database.count(), "6");
    }
}

#[tokio::test]
async fn a_third_of_the_live_rows_goes_by_the_order_of_keys_as_in_django() {
    for database in [postgres(), mariadb(), sqlite()] {
        fill(&database, 12, 1);
        let store = open(&database.cache(10, 3, None)).unwrap();
        store.issue(Ticket::new(), &Value::Int(1), TICKET_LIFETIME).await.unwrap();
        // 12 are left, 12 // 3 go, one comes.
        assert_eq!(database.count(), "9");
        assert_eq!(database.sql("SELECT MIN(cache_key) FROM my_cache_table WHERE cache_key LIKE ' a%'"), "a004");
    }
}

#[tokio::test]
async fn a_cull_frequency_of_zero_empties_the_table() {
    for database in [postgres(), mariadb(), sqlite()] {
        fill(&database, 11, 0);
        let store = open(&database.cache(10, 0, None)).unwrap();
        round_trip(&*store).await.unwrap();
        assert_eq!(database.count(), "0");
    }
}

#[tokio::test]
async fn a_table_that_is_not_there_is_named_by_its_absence() {
    for database in [postgres(), mariadb(), sqlite()] {
        database.sql("DROP TABLE my_cache_table");
        let text = unavailable(database.store().ping().await);
        assert!(text.contains("a table does not exist"), "{text}");
    }
}

#[tokio::test]
async fn a_postgresql_that_stands_still_is_unavailable_within_the_limit_and_found_again() {
    let mut server = Postgres::start(&[]);
    server.sql("postgres", &create_table("timestamp with time zone", "text", '"'));
    let options = server.options("postgres");
    let database = Database { options, sql: Box::new(|_| String::new()), _folder: None };
    let mut options = database.cache(300, 3, None);
    options.timeout = Duration::from_secs(1);
    let store = open(&options).unwrap();
    round_trip(&*store).await.unwrap();
    server.pause();
    let started = Instant::now();
    let text = unavailable(store.redeem(Ticket::new()).await);
    assert!(text.contains("no answer within 1000 ms"), "{text}");
    assert!(started.elapsed() < Duration::from_millis(1500), "{:?}", started.elapsed());
    server.resume();
    round_trip(&*store).await.unwrap();
    server.kill();
    unavailable(store.redeem(Ticket::new()).await);
    server.restart();
    round_trip(&*store).await.unwrap();
}
