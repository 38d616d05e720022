//! What the start says when users cannot be looked up, and what a lookup says later.

use super::{
    UserStoreError,
    fixture::{Database, ENGINES},
};
use crate::{
    database::{DatabaseError, DatabaseServer, Engine, Problem, StatementError},
    python::Value,
    secret::Secret,
    user::{UserOpenError, open},
};

async fn problem(database: &Database) -> Problem {
    match open(&database.table.options(database.engine), &database.options).await.err().unwrap() {
        UserOpenError::Database(error) => {
            assert!(!format!("{error} {error:?}").contains("password of"), "{error:?}");
            error.problem()
        }
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn the_start_names_what_is_missing() {
    for engine in ENGINES {
        let mut database = Database::new(engine, "default").await;
        database.table.is_active = Some("is_enabled".to_owned());
        assert_eq!(problem(&database).await, Problem::NoColumn, "{engine:?}");
        database.table.table = "accounts_user".to_owned();
        assert_eq!(problem(&database).await, Problem::NoTable, "{engine:?}");
    }
}

#[tokio::test]
async fn the_start_says_that_a_login_is_refused_and_keeps_the_password() {
    for engine in [Engine::Postgres, Engine::MySql] {
        let mut database = Database::new(engine, "default").await;
        match &mut database.options.server {
            DatabaseServer::Postgres { password, .. } | DatabaseServer::MySql { password, .. } => {
                *password = Some(Secret::new("another password of somebody"));
            }
            DatabaseServer::Sqlite { .. } => unreachable!(),
        }
        assert_eq!(problem(&database).await, Problem::LoginRefused);
    }
}

#[tokio::test]
async fn a_user_without_rights_is_told_so() {
    let mut database = Database::new(Engine::Postgres, "default").await;
    database.run("CREATE ROLE reader LOGIN PASSWORD 'password of reader'").await;
    let DatabaseServer::Postgres { user, password, .. } = &mut database.options.server else { unreachable!() };
    "reader".clone_into(user);
    *password = Some(Secret::new("password of reader"));
    assert_eq!(problem(&database).await, Problem::NoRight);
}

#[tokio::test]
async fn a_statement_that_cannot_be_run_is_refused_at_the_start() {
    let database = Database::new(Engine::Sqlite, "default").await;
    let mut options = database.table.options(Engine::Sqlite);
    options.by_id.sql = options.by_id.sql.replace("%s", "'%s'");
    let error = open(&options, &database.options).await.err().unwrap();
    assert!(matches!(error, UserOpenError::Statement("by_id", StatementError::PlaceholderInQuotes)), "{error}");
    let mut options = database.table.options(Engine::Sqlite);
    options.by_user_id_field.columns.retain(|column| column != "is_active");
    let error = open(&options, &database.options).await.err().unwrap();
    let says = "the statement by_user_id_field of the user model does not select the column is_active";
    assert_eq!(error.to_string(), says);
}

#[tokio::test]
async fn a_database_that_goes_away_is_unavailable_and_not_an_unknown_user() {
    let database = Database::new(Engine::Sqlite, "default").await;
    let users = open(&database.table.options(Engine::Sqlite), &database.options).await.unwrap();
    database.run("ALTER TABLE auth_user RENAME TO elsewhere").await;
    match users.by_claim(&Value::Int(1)).await {
        Err(UserStoreError::Unavailable(error)) => {
            assert_eq!(error.downcast_ref::<DatabaseError>().unwrap().problem(), Problem::NoTable);
        }
        other => panic!("{other:?}"),
    }
    database.run("ALTER TABLE elsewhere RENAME TO auth_user").await;
    assert!(users.by_claim(&Value::Int(1)).await.unwrap().is_some());
}
