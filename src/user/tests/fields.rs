//! What `[websocket] user_fields` reads, on every engine.

use super::fixture::{Database, ENGINES};
use crate::{
    database::{Engine, Prepared},
    python::{Value, json},
    user::{UserField, ValueKind, open},
};

const FIELDS: [(&str, ValueKind); 9] = [
    ("username", ValueKind::Text),
    ("last_login", ValueKind::DateTime { aware: true }),
    ("is_staff", ValueKind::Boolean),
    ("balance", ValueKind::Decimal { places: 2 }),
    ("ratio", ValueKind::Float),
    ("preferences", ValueKind::Json),
    ("born", ValueKind::Date),
    ("seen", ValueKind::DateTime { aware: true }),
    ("visits", ValueKind::Integer),
];

fn types(engine: Engine) -> [&'static str; 6] {
    match engine {
        Engine::Postgres => {
            ["numeric(8, 2)", "double precision", "jsonb", "date", "timestamp with time zone", "smallint"]
        }
        Engine::MySql => ["numeric(8, 2)", "double precision", "json", "date", "datetime(6)", "smallint"],
        Engine::Sqlite => ["decimal", "real", "text", "date", "datetime", "smallint"],
    }
}

#[tokio::test]
async fn a_tickets_user_has_the_fields_that_are_named_as_python_writes_them() {
    for engine in ENGINES {
        let database = Database::new(engine, "default").await;
        let added = ["balance", "ratio", "preferences", "born", "seen", "visits"];
        for (name, kind) in added.into_iter().zip(types(engine)) {
            database.run(&format!("ALTER TABLE auth_user ADD COLUMN {name} {kind}")).await;
        }
        let zone = if engine == Engine::Postgres { "+00" } else { "" };
        database
            .run(&format!(
                "UPDATE auth_user SET balance = 12.50, ratio = 0.25, preferences = '{{\"a\": [1, null, \"é\"]}}', \
                 born = '1999-12-31', seen = '2024-02-29 12:30:00.000001{zone}', visits = 7, last_login = NULL WHERE id = 1"
            ))
            .await;
        let named: Vec<String> = FIELDS.iter().map(|(name, _)| (*name).to_owned()).collect();
        let mut options = database.table.options(engine);
        let first = options.by_id.columns.len();
        options.by_id = database.table.lookup_with(engine, &named);
        options.fields = FIELDS
            .iter()
            .enumerate()
            .map(|(index, &(name, kind))| UserField { name: name.to_owned(), column: first + index, kind })
            .collect();
        for prepared in [Prepared::Auto, Prepared::Never] {
            let mut place = database.options.clone();
            place.prepared = prepared;
            let users = open(&options, &place).await.unwrap();
            let alice = users.by_ticket_value(&Value::Int(1)).await.unwrap().unwrap();
            let fields = alice.fields.into_iter().map(|(name, value)| (name.into_string(), value)).collect();
            assert_eq!(
                json::dumps(&Value::Dict(fields)).unwrap(),
                "{\"username\": \"alice\", \"last_login\": null, \"is_staff\": false, \"balance\": \"12.50\", \
                 \"ratio\": 0.25, \"preferences\": {\"a\": [1, null, \"\\u00e9\"]}, \"born\": \"1999-12-31\", \
                 \"seen\": \"2024-02-29T12:30:00.000001+00:00\", \"visits\": 7}",
                "{engine:?} {prepared:?}"
            );
            // Nobody reads them of a user who asks for a ticket.
            let alice = users.by_claim(&Value::Int(1)).await.unwrap().unwrap();
            assert!(alice.fields.is_empty());
        }
    }
}
