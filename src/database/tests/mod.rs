//! The pools against real servers.

mod engines;
mod outage;
mod pooler;
mod tls;

use super::{Bind, Engine, Pool, Statement};

/// The first column of the first row, as text.
async fn text(pool: &Pool, sql: &str, binds: &[Bind<'_>]) -> Option<String> {
    let rows = pool.fetch(&statement(pool, sql), binds).await.unwrap();
    rows.first().and_then(|row| row.text(0).unwrap())
}

fn statement(pool: &Pool, sql: &str) -> Statement {
    Statement::new(pool.engine(), sql).unwrap()
}

/// The error's words, with all its causes.
fn words(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// Fails if a password shows anywhere.
fn assert_tells_no_password(value: &(impl std::error::Error + 'static), password: &str) {
    assert!(!format!("{value:?} {}", words(value)).contains(password));
}

const ENGINES: [Engine; 3] = [Engine::Postgres, Engine::MySql, Engine::Sqlite];
