//! Who is found, on every engine.

use serde_json::json;
use uuid::Uuid;

use super::{
    FieldKind, UUID, UserId,
    fixture::{Database, ENGINES},
    outcome, text,
};
use crate::{
    database::{Engine, Prepared},
    python::Value,
    user::{ActiveFlag, Parameter, UserColumn, UserQuery, open},
};

#[tokio::test]
async fn users_of_django_are_found_by_claim_and_by_ticket() {
    for engine in ENGINES {
        let database = Database::new(engine, "default").await;
        for prepared in [Prepared::Auto, Prepared::Never] {
            let mut options = database.options.clone();
            options.prepared = prepared;
            let users = open(&database.table.options(engine), &options).await.unwrap();
            for (value, expected) in [
                (Value::Int(1), "alice"),
                (Value::Bool(true), "alice"),
                (Value::Float(2.9), "bob"),
                (text(" 1_2\n"), "erin"),
                (Value::Bytes(b"4".to_vec()), "Dave.O'Neil@x+y"),
                (Value::Int(0), "none"),
                (Value::Int(999_999), "none"),
                (Value::Int(-1), "none"),
                (Value::Int(i64::MAX), "none"),
                (text("9223372036854775808"), "none"),
                (Value::None, "none"),
                (text("alice"), "unconvertible"),
                (text(""), "unconvertible"),
                (Value::List(vec![Value::Int(1)]), "unconvertible"),
                (Value::Dict(vec![]), "unconvertible"),
                (Value::Float(f64::NAN), "unconvertible"),
            ] {
                assert_eq!(outcome(users.by_claim(&value).await), expected, "{engine:?} {value:?}");
                assert_eq!(outcome(users.by_ticket_value(&value).await), expected, "{engine:?} {value:?}");
            }
            let big = if engine == Engine::Sqlite { "big" } else { "none" };
            assert_eq!(outcome(users.by_claim(&Value::Int(2_147_483_648)).await), big, "{engine:?}");
            let alice = users.by_claim(&Value::Int(1)).await.unwrap().unwrap();
            assert_eq!((alice.id, alice.is_active), (UserId::Int(1), true));
            assert!(alice.password.expose().starts_with("pbkdf2_sha256$1000000$fixedsalt1$"));
            let bob = users.by_username("bob").await.unwrap().unwrap();
            assert_eq!((bob.id, bob.is_active), (UserId::Int(2), false), "{engine:?}");
            users.ping().await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_change_in_the_table_is_seen_at_once() {
    for engine in ENGINES {
        let database = Database::new(engine, "default").await;
        let users = open(&database.table.options(engine), &database.options).await.unwrap();
        assert!(users.by_claim(&Value::Int(1)).await.unwrap().unwrap().is_active);
        let no = if engine == Engine::Postgres { "false" } else { "0" };
        database.run(&format!("UPDATE auth_user SET is_active = {no}, password = '!' WHERE id = 1")).await;
        let alice = users.by_claim(&Value::Int(1)).await.unwrap().unwrap();
        assert_eq!((alice.is_active, alice.password.expose()), (false, "!"), "{engine:?}");
        database.run("DELETE FROM auth_user WHERE id = 1").await;
        assert!(users.by_claim(&Value::Int(1)).await.unwrap().is_none());
        // Migrations meanwhile; the second makes PostgreSQL refuse the statement that it prepared.
        database.run("ALTER TABLE auth_user ADD COLUMN nickname varchar(50)").await;
        assert!(users.by_claim(&Value::Int(2)).await.unwrap().is_some());
        match engine {
            Engine::Postgres => database.run("ALTER TABLE auth_user ALTER COLUMN username TYPE text").await,
            Engine::MySql => database.run("ALTER TABLE auth_user MODIFY username longtext NOT NULL").await,
            Engine::Sqlite => {}
        }
        assert!(users.by_claim(&Value::Int(2)).await.unwrap().is_some());
    }
}

#[tokio::test]
async fn uuid_keys_are_found_in_each_engines_form() {
    for engine in ENGINES {
        let database = Database::new(engine, "uuid").await;
        for prepared in [Prepared::Auto, Prepared::Never] {
            let mut options = database.options.clone();
            options.prepared = prepared;
            let users = open(&database.table.options(engine), &options).await.unwrap();
            for value in [
                text(UUID),
                text("1234567890AB4DEF8000000000000001"),
                text("{urn:uuid:12345678-90ab-4def-8000-000000000001}"),
                Value::Uuid(Uuid::parse_str(UUID).unwrap()),
            ] {
                let alice = users.by_claim(&value).await.unwrap().unwrap();
                assert_eq!(alice.username.as_deref(), Some("alice"), "{engine:?} {value:?}");
                assert_eq!(alice.id, UserId::Uuid(Uuid::parse_str(UUID).unwrap()));
                assert_eq!(outcome(users.by_ticket_value(&value).await), "alice");
            }
            for (value, expected) in [
                (Value::Uuid(Uuid::nil()), "none"),
                (Value::Int(1), "none"),
                (Value::None, "none"),
                (text("1"), "unconvertible"),
                (Value::Int(-1), "unconvertible"),
                (Value::Float(1.0), "unconvertible"),
            ] {
                assert_eq!(outcome(users.by_claim(&value).await), expected, "{engine:?} {value:?}");
            }
        }
    }
}

#[tokio::test]
async fn uuids_as_hexadecimal_text_are_found_in_mysql() {
    // MySQL, and MariaDB before 10.7.
    let mut database = Database::new(Engine::MySql, "uuid").await;
    let sql = "CREATE TABLE hex_user (id char(32) PRIMARY KEY) SELECT REPLACE(CAST(id AS char), '-', '') AS id, \
               password, is_active, username FROM accounts_uuid_user";
    database.run(sql).await;
    "hex_user".clone_into(&mut database.table.table);
    database.table.id.kind = FieldKind::UuidHex;
    let users = open(&database.table.options(Engine::MySql), &database.options).await.unwrap();
    let alice = users.by_claim(&text(UUID)).await.unwrap().unwrap();
    assert_eq!(alice.id, UserId::Uuid(Uuid::parse_str(UUID).unwrap()));
}

#[tokio::test]
async fn text_keys_are_found_by_the_text_form_of_the_value() {
    for engine in ENGINES {
        let database = Database::new(engine, "str").await;
        let users = open(&database.table.options(engine), &database.options).await.unwrap();
        for (value, expected) in [
            (text("alice"), "alice"),
            (text("ünï☃"), "Dave.O'Neil@x+y"),
            (Value::Int(12), "erin"),
            (text("0042"), "carol"),
            (Value::Int(42), "none"),
            (Value::Bool(true), "none"),
            (Value::List(vec![]), "none"),
            (text(""), "none"),
            (Value::None, "none"),
            (Value::LoneSurrogates, "unconvertible"),
        ] {
            assert_eq!(outcome(users.by_claim(&value).await), expected, "{engine:?} {value:?}");
        }
        let dave = users.by_claim(&text("ünï☃")).await.unwrap().unwrap();
        assert_eq!(dave.id, UserId::Text("ünï☃".to_owned()));
    }
}

#[tokio::test]
async fn text_is_compared_as_each_engine_compares() {
    for engine in ENGINES {
        let mut database = Database::new(engine, "default").await;
        database.table.user_id_field = Some(UserColumn { column: "username".to_owned(), kind: FieldKind::Text });
        let lenient = if engine == Engine::MySql { "alice" } else { "none" };
        let nul = if engine == Engine::Postgres { "unconvertible" } else { "none" };
        for prepared in [Prepared::Auto, Prepared::Never] {
            let mut options = database.options.clone();
            options.prepared = prepared;
            let users = open(&database.table.options(engine), &options).await.unwrap();
            for (value, expected) in [
                ("alice", "alice"),
                ("ALICE", lenient),
                ("álice", lenient),
                ("alice ", lenient),
                (" alice", "none"),
                ("alice\0", nul),
                ("ali\0ce", nul),
                ("Dave.O'Neil@x+y", "Dave.O'Neil@x+y"),
                (r"\' OR 1=1 -- ", "none"),
                ("", "none"),
                ("%", "none"),
            ] {
                assert_eq!(outcome(users.by_claim(&text(value)).await), expected, "{engine:?} {value:?}");
                assert_eq!(outcome(users.by_username(value).await), expected, "{engine:?} {value:?}");
            }
            // The ticket holds the key of the row, not the claim.
            let alice = users.by_claim(&text("alice")).await.unwrap().unwrap();
            assert_eq!(alice.id, UserId::Int(1));
        }
    }
}

#[tokio::test]
async fn blacklisted_tokens_are_known_by_their_jti() {
    for engine in ENGINES {
        let database = Database::new(engine, "default").await;
        let expires = "2100-01-01 00:00:00";
        for (id, jti) in [(1, "listed"), (2, "outstanding only")] {
            let row = json!({"id": id, "token": "x", "expires_at": expires, "user_id": 1, "jti": jti});
            database.insert("token_blacklist_outstandingtoken", &row).await;
        }
        let row = json!({"id": 1, "blacklisted_at": expires, "token_id": 1});
        database.insert("token_blacklist_blacklistedtoken", &row).await;
        let users = open(&database.table.options(engine), &database.options).await.unwrap();
        assert!(users.is_blacklisted("listed").await.unwrap(), "{engine:?}");
        assert!(!users.is_blacklisted("outstanding only").await.unwrap());
        assert!(!users.is_blacklisted("unknown").await.unwrap());
        let mut options = database.table.options(engine);
        options.blacklist = None;
        let users = open(&options, &database.options).await.unwrap();
        assert!(!users.is_blacklisted("listed").await.unwrap());
    }
}

#[tokio::test]
async fn two_matching_rows_are_an_error() {
    for engine in ENGINES {
        let mut database = Database::new(engine, "default").await;
        database.table.user_id_field = Some(UserColumn { column: "last_name".to_owned(), kind: FieldKind::Text });
        let users = open(&database.table.options(engine), &database.options).await.unwrap();
        assert_eq!(outcome(users.by_claim(&text("")).await), "multiple", "{engine:?}");
    }
}

#[tokio::test]
async fn a_managers_conditions_and_repeated_values_are_part_of_the_query() {
    for engine in ENGINES {
        let database = Database::new(engine, "default").await;
        let [table, name, email, active] =
            ["auth_user", "username", "email", "is_active"].map(|n| engine.quote_name(n));
        let mut options = database.table.options(engine);
        options.by_user_id_field = UserQuery {
            sql: format!(
                "SELECT %s, {name}, id FROM {table} WHERE {active} = %s AND '100%%' <> %s AND ({name} = %s OR \
                 {email} = %s) LIMIT 21"
            ),
            params: vec![
                Parameter::Int(5),
                Parameter::Bool(true),
                Parameter::Text("o'ne \\ two".to_owned()),
                Parameter::Sentinel,
                Parameter::Sentinel,
            ],
            columns: ["five", "username", "id"].map(str::to_owned).to_vec(),
            lookup: FieldKind::Text,
            id: options.by_id.id,
        };
        options.is_active = ActiveFlag::Always(true);
        let users = open(&options, &database.options).await.unwrap();
        for (value, expected) in [("alice", "alice"), ("user12@example.com", "erin"), ("bob", "none")] {
            assert_eq!(outcome(users.by_claim(&text(value)).await), expected, "{engine:?} {value}");
        }
        let erin = users.by_claim(&text("erin")).await.unwrap().unwrap();
        assert_eq!((erin.id, erin.is_active, erin.password.expose()), (UserId::Int(12), true, ""));
    }
}
