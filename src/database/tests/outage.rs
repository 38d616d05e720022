//! Databases that pause, end, and come back.

use std::time::{Duration, Instant};

use super::{statement, text};
use crate::{
    database::{Access, Bind, Pool, Problem},
    test_support::{mariadb::MariaDb, pgbouncer::PgBouncer, postgres::Postgres},
};

const LIMIT: Duration = Duration::from_secs(2);

/// Thirty callers at once, with ten connections: every one has its error within the limit.
async fn all_fail_in_time(pool: &Pool) -> Vec<Problem> {
    let started = Instant::now();
    let tasks = (0..30).map(|_| {
        let pool = pool.clone();
        tokio::spawn(async move { pool.fetch(&statement(&pool, "SELECT 1"), &[]).await.err().map(|e| e.problem()) })
    });
    let mut problems = vec![];
    for task in tasks.collect::<Vec<_>>() {
        problems.extend(task.await.unwrap());
    }
    assert!(started.elapsed() < LIMIT + Duration::from_millis(500), "{:?}", started.elapsed());
    assert_eq!(problems.len(), 30);
    problems
}

/// Thirty callers at once have their answers. A busy machine may take longer than the limit to make ten connections, so a
/// caller may ask again; no other failure is forgiven.
async fn all_succeed(pool: &Pool) {
    let started = Instant::now();
    let tasks = (0..30).map(|_| {
        let pool = pool.clone();
        tokio::spawn(async move {
            let select = statement(&pool, "SELECT 'x'");
            loop {
                match pool.fetch(&select, &[]).await {
                    Ok(rows) => return assert_eq!(rows[0].text(0).unwrap().as_deref(), Some("x")),
                    Err(error) => assert!(matches!(error.problem(), Problem::TimedOut(_)), "{error}"),
                }
                assert!(started.elapsed() < Duration::from_mins(1), "it does not recover");
            }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
}

#[tokio::test]
async fn a_postgres_that_pauses_ends_and_returns_is_used_again_at_once() {
    let mut server = Postgres::start(&[]);
    let mut options = server.options("postgres");
    options.timeout = LIMIT;
    let pool = Pool::new(&options, Access::Read).unwrap();
    all_succeed(&pool).await;

    server.pause();
    assert!(all_fail_in_time(&pool).await.iter().all(|problem| matches!(problem, Problem::TimedOut(_))));
    server.resume();
    all_succeed(&pool).await;

    server.kill();
    assert!(all_fail_in_time(&pool).await.contains(&Problem::NotListening));
    server.restart();
    all_succeed(&pool).await;

    // Restarted between two lookups: nobody notices.
    server.kill();
    server.restart();
    all_succeed(&pool).await;

    // Sessions ended by an administrator.
    server.sql("postgres", "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'");
    all_succeed(&pool).await;
}

#[tokio::test]
async fn a_mariadb_that_pauses_ends_and_returns_is_used_again_at_once() {
    let mut server = MariaDb::start();
    let mut options = server.options("mysql");
    options.timeout = LIMIT;
    let pool = Pool::new(&options, Access::Read).unwrap();
    all_succeed(&pool).await;
    server.pause();
    assert!(all_fail_in_time(&pool).await.iter().all(|problem| matches!(problem, Problem::TimedOut(_))));
    server.resume();
    all_succeed(&pool).await;
    server.kill();
    assert!(all_fail_in_time(&pool).await.contains(&Problem::NotListening));
    server.restart();
    all_succeed(&pool).await;
    server.kill();
    server.restart();
    all_succeed(&pool).await;
}

#[tokio::test]
async fn a_restart_behind_a_pooler_is_survived() {
    let mut server = Postgres::start(&[]);
    let pooler = PgBouncer::start(&server, 2, "server_login_retry = 0");
    let pool = Pool::new(&pooler.before(server.options("postgres")), Access::Read).unwrap();
    all_succeed(&pool).await;
    server.kill();
    server.restart();
    all_succeed(&pool).await;
}

#[tokio::test]
async fn a_slow_statement_is_given_up_and_its_connection_not_used_again() {
    let mut options = Postgres::shared().options("postgres");
    options.timeout = LIMIT;
    options.max_connections = 1;
    let pool = Pool::new(&options, Access::Read).unwrap();
    let started = Instant::now();
    let error = pool.fetch(&statement(&pool, "SELECT 'slow' FROM pg_sleep(30)"), &[]).await.err().unwrap();
    assert_eq!(error.problem(), Problem::TimedOut(LIMIT));
    assert!(started.elapsed() < LIMIT * 2);
    assert_eq!(text(&pool, "SELECT 'quick'", &[]).await.as_deref(), Some("quick"));
}

#[tokio::test]
async fn callers_that_go_away_in_the_middle_leave_no_answer_to_the_next() {
    let mut options = Postgres::shared().options("postgres");
    options.max_connections = 1;
    let pool = Pool::new(&options, Access::Read).unwrap();
    let sql = "SELECT %s::text FROM pg_sleep(0.001)";
    let select = statement(&pool, sql);
    for number in 0..100_u64 {
        let patience = Duration::from_micros(number * 30);
        let _ = tokio::time::timeout(patience, pool.fetch(&select, &[Bind::Text("other")])).await;
        assert_eq!(text(&pool, sql, &[Bind::Text("own")]).await.as_deref(), Some("own"));
    }
}

#[tokio::test]
async fn a_write_is_sent_at_most_once() {
    let server = Postgres::start(&[]);
    server.sql("postgres", "CREATE TABLE t (i int)");
    let pool = Pool::new(&server.options("postgres"), Access::Write).unwrap();
    let insert =
        statement(&pool, "INSERT INTO t SELECT 1 FROM (SELECT pg_terminate_backend(pg_backend_pid())) AS gone");
    let add = statement(&pool, "INSERT INTO t VALUES (2)");
    pool.execute(&add, &[]).await.unwrap();
    assert!(pool.execute(&insert, &[]).await.is_err());
    // The connection that died while idle is found out before the statement is sent.
    server.sql("postgres", "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'");
    pool.execute(&add, &[]).await.unwrap();
    assert_eq!(server.sql("postgres", "SELECT count(*) FROM t").trim(), "2");
}

#[tokio::test]
async fn at_most_so_many_connections_are_made() {
    let server = Postgres::start(&[]);
    let mut options = server.options("postgres");
    options.max_connections = 3;
    let pool = Pool::new(&options, Access::Read).unwrap();
    all_succeed(&pool).await;
    let count = "SELECT count(*)::text FROM pg_stat_activity WHERE application_name = 'sluicegate'";
    let made: u32 = text(&pool, count, &[]).await.unwrap().parse().unwrap();
    assert!((1..=3).contains(&made), "{made}");
}
