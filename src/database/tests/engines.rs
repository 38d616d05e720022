//! Binding, reading and failing, on every engine.

use std::path::PathBuf;

use uuid::Uuid;

use super::{ENGINES, assert_tells_no_password, statement, text, words};
use crate::{
    database::{Access, Bind, DatabaseOptions, DatabaseServer, Engine, Pool, Prepared, Problem},
    secret::Secret,
    test_support::{Account, Folder, mariadb::MariaDb, postgres::Postgres},
};

/// An empty database of `engine`, and the folder that it needs.
fn database(engine: Engine) -> (DatabaseOptions, Option<Folder>) {
    match engine {
        Engine::Postgres => (Postgres::shared().options(&Postgres::shared().create_database()), None),
        Engine::MySql => (MariaDb::shared().options(&MariaDb::shared().create_database()), None),
        Engine::Sqlite => {
            let folder = Folder::new(Account::Own);
            let file = PathBuf::from(folder.file("db.sqlite3"));
            std::fs::write(&file, "").unwrap();
            (sqlite(file), Some(folder))
        }
    }
}

fn sqlite(file: PathBuf) -> DatabaseOptions {
    DatabaseOptions { server: DatabaseServer::Sqlite { file: Some(file) }, ..Postgres::shared().options("postgres") }
}

async fn problem(options: &DatabaseOptions, access: Access, sql: &str) -> (Problem, String) {
    let pool = Pool::new(options, access).unwrap();
    let error = pool.fetch(&statement(&pool, sql), &[]).await.err().unwrap();
    assert_tells_no_password(&error, "password of");
    (error.problem(), words(&error))
}

#[tokio::test]
async fn values_go_in_and_come_out_alike_on_every_engine() {
    let uuid = Uuid::from_u128(0x1234_5678_90ab_4def_8000_0000_0000_0001);
    for engine in ENGINES {
        let uuid_type = if engine == Engine::Sqlite { "char(32)" } else { "uuid" };
        for prepared in [Prepared::Auto, Prepared::Never] {
            let (mut options, _folder) = database(engine);
            options.prepared = prepared;
            let pool = Pool::new(&options, Access::Write).unwrap();
            let create = format!("CREATE TABLE t (i bigint, s smallint, b boolean, n varchar(150), u {uuid_type})");
            pool.execute(&statement(&pool, &create), &[]).await.unwrap();
            let insert = statement(&pool, "INSERT INTO t VALUES (%s, %s, %s, %s, %s)");
            let name = r"Ünï☃ 'quoted' \' ; -- %s $1 ?";
            let binds = [Bind::Int(-5), Bind::Int(7), Bind::Bool(true), Bind::Text(name), Bind::Uuid(uuid)];
            assert_eq!(pool.execute(&insert, &binds).await.unwrap(), 1, "{engine:?}");
            for (column, bind) in [("i", binds[0]), ("n", binds[3]), ("u", binds[4])] {
                let select = statement(&pool, &format!("SELECT i, s, b, n, u, NULL FROM t WHERE {column} = %s"));
                let rows = pool.fetch(&select, &[bind]).await.unwrap();
                assert_eq!(rows.len(), 1, "{engine:?} {column}");
                let row = &rows[0];
                assert_eq!(row.int(0).unwrap(), Some(-5));
                assert_eq!(row.int(1).unwrap(), Some(7));
                assert_eq!(row.bool(2).unwrap(), Some(true), "{engine:?}");
                assert_eq!(row.text(3).unwrap().as_deref(), Some(name), "{engine:?}");
                assert_eq!(row.uuid(4).unwrap(), Some(uuid), "{engine:?}");
                assert!(row.int(5).unwrap().is_none() && row.text(5).unwrap().is_none());
                assert!(row.bool(5).unwrap().is_none() && row.uuid(5).unwrap().is_none());
                assert!(row.int(3).is_err() && row.uuid(3).is_err() && row.int(9).is_err(), "{engine:?}");
            }
            let delete = statement(&pool, "DELETE FROM t WHERE n = %s");
            assert_eq!(pool.execute(&delete, &[Bind::Text("nobody")]).await.unwrap(), 0);
            assert_eq!(pool.execute(&delete, &[Bind::Text(name)]).await.unwrap(), 1);
        }
    }
}

#[tokio::test]
async fn unsigned_and_small_integers_of_mysql_are_read() {
    let (options, _) = database(Engine::MySql);
    let pool = Pool::new(&options, Access::Read).unwrap();
    let sql = "SELECT CAST(18446744073709551615 AS UNSIGNED), CAST(3000000000 AS UNSIGNED), TRUE";
    let row = &pool.fetch(&statement(&pool, sql), &[]).await.unwrap()[0];
    assert!(row.int(0).is_err());
    assert_eq!(row.int(1).unwrap(), Some(3_000_000_000));
    assert_eq!(row.bool(2).unwrap(), Some(true));
}

#[tokio::test]
async fn a_citext_column_ignores_case_as_it_does_under_django() {
    for prepared in [Prepared::Always, Prepared::Never] {
        let (mut options, _) = database(Engine::Postgres);
        options.prepared = prepared;
        let pool = Pool::new(&options, Access::Write).unwrap();
        for sql in ["CREATE EXTENSION citext", "CREATE TABLE t (n citext)", "INSERT INTO t VALUES ('Alice')"] {
            pool.execute(&statement(&pool, sql), &[]).await.unwrap();
        }
        let found = text(&pool, "SELECT n FROM t WHERE n = %s", &[Bind::Text("aLICE")]).await;
        assert_eq!(found.as_deref(), Some("Alice"));
    }
}

#[tokio::test]
async fn options_of_libpq_reach_the_session() {
    let (mut options, _) = database(Engine::Postgres);
    let DatabaseServer::Postgres { options: text_options, .. } = &mut options.server else { unreachable!() };
    *text_options = Some(r"-c search_path=core,public -c work_mem=5MB -c my.note=a\ b".to_owned());
    let pool = Pool::new(&options, Access::Read).unwrap();
    for (setting, value) in [("search_path", "core,public"), ("work_mem", "5MB"), ("my.note", "a b")] {
        let sql = format!("SELECT current_setting('{setting}')");
        assert_eq!(text(&pool, &sql, &[]).await.as_deref(), Some(value));
    }
}

#[tokio::test]
async fn unix_sockets_are_used() {
    let (mut options, _) = database(Engine::Postgres);
    let DatabaseServer::Postgres { host, password, tls, .. } = &mut options.server else { unreachable!() };
    Postgres::shared().folder().clone_into(host);
    *password = None;
    // As in libpq, TLS is not asked for on a unix socket.
    tls.mode = Some("require".to_owned());
    let pool = Pool::new(&options, Access::Read).unwrap();
    assert_eq!(text(&pool, "SELECT inet_client_port()::text", &[]).await, None);

    let (mut options, _) = database(Engine::MySql);
    let DatabaseServer::MySql { unix_socket, port, .. } = &mut options.server else { unreachable!() };
    *unix_socket = Some(MariaDb::shared().socket().into());
    *port = 1;
    let pool = Pool::new(&options, Access::Read).unwrap();
    assert_eq!(text(&pool, "SELECT 'here'", &[]).await.as_deref(), Some("here"));
}

#[tokio::test]
async fn errors_say_what_is_wrong_and_no_password() {
    let (good, _) = database(Engine::Postgres);
    let mut options = good.clone();
    let DatabaseServer::Postgres { password, .. } = &mut options.server else { unreachable!() };
    *password = Some(Secret::new("the wrong password of postgres"));
    let (found, words) = problem(&options, Access::Read, "SELECT 1").await;
    assert_eq!(found, Problem::LoginRefused, "{words}");
    assert!(words.contains("Are user and password right"), "{words}");

    let mut options = good.clone();
    let DatabaseServer::Postgres { database: name, .. } = &mut options.server else { unreachable!() };
    *name = "nowhere".to_owned();
    assert_eq!(problem(&options, Access::Read, "SELECT 1").await.0, Problem::NoDatabase);

    let mut options = good.clone();
    let DatabaseServer::Postgres { port, .. } = &mut options.server else { unreachable!() };
    *port = crate::test_support::free_port();
    assert_eq!(problem(&options, Access::Read, "SELECT 1").await.0, Problem::NotListening);

    assert_eq!(problem(&good, Access::Read, "SELECT id FROM auth_user").await.0, Problem::NoTable);
    assert_eq!(problem(&good, Access::Read, "SELECT missing FROM pg_class").await.0, Problem::NoColumn);
    let (found, words) = problem(&good, Access::Read, "SELECT 'a ticket'::int").await;
    assert_eq!(found, Problem::Refused);
    assert!(words.contains("22P02") && !words.contains("a ticket"), "{words}");

    let mut options = good.clone();
    let DatabaseServer::Postgres { tls, .. } = &mut options.server else { unreachable!() };
    tls.mode = Some("require".to_owned());
    assert_eq!(problem(&options, Access::Read, "SELECT 1").await.0, Problem::Tls);
    let DatabaseServer::Postgres { tls, .. } = &mut options.server else { unreachable!() };
    tls.mode = Some("sometimes".to_owned());
    assert_eq!(Pool::new(&options, Access::Read).err().unwrap().problem(), Problem::Options);
}

#[tokio::test]
async fn errors_of_mysql_say_what_is_wrong() {
    let (good, _) = database(Engine::MySql);
    let mut options = good.clone();
    let DatabaseServer::MySql { password, .. } = &mut options.server else { unreachable!() };
    *password = Some(Secret::new("the wrong password of sluice"));
    assert_eq!(problem(&options, Access::Read, "SELECT 1").await.0, Problem::LoginRefused);
    let mut options = good.clone();
    let DatabaseServer::MySql { database: name, .. } = &mut options.server else { unreachable!() };
    *name = "nowhere".to_owned();
    assert_eq!(problem(&options, Access::Read, "SELECT 1").await.0, Problem::NoDatabase);
    assert_eq!(problem(&good, Access::Read, "SELECT id FROM auth_user").await.0, Problem::NoTable);
    assert_eq!(problem(&good, Access::Read, "SELECT missing FROM mysql.user").await.0, Problem::NoColumn);
    let mut options = good.clone();
    let DatabaseServer::MySql { charset, .. } = &mut options.server else { unreachable!() };
    *charset = "utf8mb4; DROP TABLE auth_user".to_owned();
    assert_eq!(Pool::new(&options, Access::Read).err().unwrap().problem(), Problem::Options);
}

#[tokio::test]
async fn a_missing_sqlite_file_is_an_error_that_names_it_and_is_not_created() {
    let folder = Folder::new(Account::Own);
    let file = PathBuf::from(folder.file("missing.sqlite3"));
    let (found, words) = problem(&sqlite(file.clone()), Access::Write, "SELECT 1").await;
    assert_eq!(found, Problem::NoDatabase);
    assert!(words.contains("missing.sqlite3"), "{words}");
    assert!(!file.exists());
    let (options, _folder) = database(Engine::Sqlite);
    assert_eq!(problem(&options, Access::Read, "SELECT id FROM auth_user").await.0, Problem::NoTable);
    let (found, words) = problem(&options, Access::Read, "SELECT missing FROM sqlite_master").await;
    assert_eq!(found, Problem::NoColumn, "{words}");
}

#[tokio::test]
async fn a_sqlite_pool_for_reading_does_not_write_and_reads_beside_a_writer_in_wal_mode() {
    let (options, folder) = database(Engine::Sqlite);
    let folder = folder.unwrap();
    let writer = Pool::new(&options, Access::Write).unwrap();
    text(&writer, "PRAGMA journal_mode = WAL", &[]).await;
    writer.execute(&statement(&writer, "CREATE TABLE t (i integer)"), &[]).await.unwrap();
    let reader = Pool::new(&options, Access::Read).unwrap();
    let count = "SELECT CAST(count(*) AS text) FROM t";
    assert_eq!(text(&reader, count, &[]).await.as_deref(), Some("0"));
    writer.execute(&statement(&writer, "INSERT INTO t VALUES (1)"), &[]).await.unwrap();
    assert_eq!(text(&reader, count, &[]).await.as_deref(), Some("1"));
    assert!(std::path::Path::new(&folder.file("db.sqlite3-wal")).exists());
    assert!(reader.execute(&statement(&reader, "INSERT INTO t VALUES (2)"), &[]).await.is_err());
    assert_eq!(text(&reader, count, &[]).await.as_deref(), Some("1"));
}

#[tokio::test]
async fn a_database_in_memory_is_shared_by_its_pool_alone_and_outlives_its_connections() {
    let options = || DatabaseOptions { server: DatabaseServer::Sqlite { file: None }, ..sqlite(PathBuf::new()) };
    let pool = Pool::new(&options(), Access::Write).unwrap();
    pool.execute(&statement(&pool, "CREATE TABLE t (i integer)"), &[]).await.unwrap();
    pool.execute(&statement(&pool, "INSERT INTO t VALUES (1)"), &[]).await.unwrap();
    assert!(pool.fetch(&statement(&pool, "SELECT missing FROM t"), &[]).await.is_err());
    let select = statement(&pool, "SELECT i FROM t");
    assert_eq!(pool.fetch(&select, &[]).await.unwrap().len(), 1);
    let other = Pool::new(&options(), Access::Write).unwrap();
    assert!(other.fetch(&select, &[]).await.is_err());
}

#[tokio::test]
async fn a_sqlite_file_that_is_replaced_or_removed_is_noticed() {
    let (options, folder) = database(Engine::Sqlite);
    let folder = folder.unwrap();
    let pool = Pool::new(&options, Access::Write).unwrap();
    pool.execute(&statement(&pool, "CREATE TABLE t (i integer)"), &[]).await.unwrap();
    let select = statement(&pool, "SELECT i FROM t");
    assert!(pool.fetch(&select, &[]).await.unwrap().is_empty());
    std::fs::rename(folder.file("db.sqlite3"), folder.file("old.sqlite3")).unwrap();
    assert_eq!(pool.fetch(&select, &[]).await.err().unwrap().problem(), Problem::NoDatabase);
    std::fs::write(folder.file("db.sqlite3"), "").unwrap();
    assert_eq!(pool.fetch(&select, &[]).await.err().unwrap().problem(), Problem::NoTable);
    std::fs::rename(folder.file("old.sqlite3"), folder.file("db.sqlite3")).unwrap();
    assert!(pool.fetch(&select, &[]).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_locked_sqlite_file_is_an_error_within_the_limit() {
    let (mut options, folder) = database(Engine::Sqlite);
    options.timeout = std::time::Duration::from_millis(300);
    let _folder = folder.unwrap();
    let writer = Pool::new(&options, Access::Write).unwrap();
    writer.execute(&statement(&writer, "CREATE TABLE t (i integer)"), &[]).await.unwrap();
    writer.execute(&statement(&writer, "BEGIN EXCLUSIVE"), &[]).await.unwrap();
    let reader = Pool::new(&options, Access::Read).unwrap();
    let select = statement(&reader, "SELECT i FROM t");
    let started = std::time::Instant::now();
    let error = reader.fetch(&select, &[]).await.err().unwrap();
    assert!(matches!(error.problem(), Problem::TimedOut(_)), "{error}");
    assert!(started.elapsed().as_millis() < 1000);
    writer.execute(&statement(&writer, "COMMIT"), &[]).await.unwrap();
    assert!(reader.fetch(&select, &[]).await.unwrap().is_empty());
}

#[tokio::test]
async fn postgres_is_sent_no_nul() {
    for prepared in [Prepared::Always, Prepared::Never] {
        let (mut options, _) = database(Engine::Postgres);
        options.prepared = prepared;
        let pool = Pool::new(&options, Access::Read).unwrap();
        let error = pool.fetch(&statement(&pool, "SELECT %s"), &[Bind::Text("a\0b")]).await.err().unwrap();
        assert!(words(&error).contains("NUL"), "{}", words(&error));
    }
}
