//! Behind pgbouncer in transaction mode, where clients share sessions.

use std::sync::Arc;

use super::{statement, text, words};
use crate::{
    database::{Access, Bind, DatabaseOptions, DatabaseServer, Pool, Prepared, Problem},
    secret::Secret,
    test_support::{pgbouncer::PgBouncer, postgres::Postgres},
};

fn options() -> DatabaseOptions {
    Postgres::shared().options(&Postgres::shared().create_database())
}

/// Twelve clients, each with three statements of its own, each statement `rounds` times, all at once: how many answers were
/// right, wrong, or errors.
async fn mixed_clients(options: &DatabaseOptions, rounds: i64) -> (usize, usize, usize) {
    let mut tasks = vec![];
    for client in 0..12_i64 {
        let mut options = options.clone();
        options.max_connections = 2;
        let pool = Pool::new(&options, Access::Read).unwrap();
        for number in 0..3_i64 {
            let pool = pool.clone();
            tasks.push(tokio::spawn(async move {
                let own = client * 3 + number;
                let sql = format!("SELECT id + {own} * 1000 FROM generate_series(1, 5) AS users(id) WHERE id = %s");
                let statement = Arc::new(statement(&pool, &sql));
                let mut counts = (0, 0, 0);
                for round in 0..rounds {
                    let id = round % 5 + 1;
                    match pool.fetch(&statement, &[Bind::Int(id)]).await {
                        Ok(rows) if rows.len() == 1 && rows[0].int(0).unwrap() == Some(own * 1000 + id) => {
                            counts.0 += 1;
                        }
                        Ok(_) => counts.1 += 1,
                        Err(_) => counts.2 += 1,
                    }
                }
                counts
            }));
        }
    }
    let mut sum = (0, 0, 0);
    for task in tasks {
        let (right, wrong, failed) = task.await.unwrap();
        sum = (sum.0 + right, sum.1 + wrong, sum.2 + failed);
    }
    sum
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_that_share_sessions_get_their_own_answers() {
    let options = options();
    for extra in ["", "ignore_startup_parameters = options", "ignore_startup_parameters = extra_float_digits,options"] {
        for pool_size in [1, 2] {
            let pooler = PgBouncer::start(Postgres::shared(), pool_size, extra);
            let counts = mixed_clients(&pooler.before(options.clone()), 40).await;
            assert_eq!(counts, (12 * 3 * 40, 0, 0), "pool_size {pool_size} {extra}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn named_statements_would_mix_clients_up() {
    // What the detection is for: told to use names all the same, answers are wrong or missing.
    let pooler = PgBouncer::start(Postgres::shared(), 1, "");
    let mut options = pooler.before(options());
    options.prepared = Prepared::Always;
    options.timeout = std::time::Duration::from_secs(1);
    let (right, wrong, failed) = mixed_clients(&options, 4).await;
    assert!(wrong + failed > 0, "{right} right, {wrong} wrong, {failed} failed");
}

#[tokio::test]
async fn statements_are_named_without_a_pooler_and_not_behind_one() {
    let named = "SELECT count(*)::text FROM pg_prepared_statements WHERE name <> ''";
    let direct = Pool::new(&options(), Access::Read).unwrap();
    text(&direct, "SELECT 'x'", &[]).await;
    assert_ne!(text(&direct, named, &[]).await.as_deref(), Some("0"));
    for extra in ["", "ignore_startup_parameters = options"] {
        let pooler = PgBouncer::start(Postgres::shared(), 1, extra);
        let pool = Pool::new(&pooler.before(options()), Access::Read).unwrap();
        text(&pool, "SELECT 'x'", &[]).await;
        assert_eq!(text(&pool, named, &[]).await.as_deref(), Some("0"), "{extra}");
    }
    let mut never = options();
    never.prepared = Prepared::Never;
    let pool = Pool::new(&never, Access::Read).unwrap();
    assert_eq!(text(&pool, named, &[]).await.as_deref(), Some("0"));
}

#[tokio::test]
async fn a_poolers_refusals_are_told_apart() {
    let pooler = PgBouncer::start(Postgres::shared(), 1, "server_login_retry = 0");
    let good = pooler.before(options());
    let mut wrong = good.clone();
    let DatabaseServer::Postgres { password, .. } = &mut wrong.server else { unreachable!() };
    *password = Some(Secret::new("wrong"));
    let mut nowhere = good.clone();
    let DatabaseServer::Postgres { database, .. } = &mut nowhere.server else { unreachable!() };
    "nowhere".clone_into(database);
    for (options, expected) in [(wrong, Problem::LoginRefused), (nowhere, Problem::NoDatabase)] {
        let pool = Pool::new(&options, Access::Read).unwrap();
        let error = pool.fetch(&statement(&pool, "SELECT 1"), &[]).await.err().unwrap();
        assert_eq!(error.problem(), expected, "{}", words(&error));
    }
}
