//! Many users by one statement.

use serde_json::json;
use uuid::Uuid;

use super::fixture::{Database, ENGINES};
use crate::{
    database::Prepared,
    user::{Parameter, UserId, open},
};

#[tokio::test]
async fn many_users_are_found_by_one_statement_on_every_engine() {
    for engine in ENGINES {
        for prepared in [Prepared::Auto, Prepared::Never] {
            let database = Database::new(engine, "default").await;
            let mut options = database.options.clone();
            options.prepared = prepared;
            let users = open(&database.table.options(engine), &options).await.unwrap();
            assert!(users.finds_many_at_once());
            for count in [1, 3, 11, 1000, 1001] {
                let ids = (1..=count).map(UserId::Int).collect::<Vec<_>>();
                let mut found = users.by_ids(&ids).await.unwrap();
                found.sort_by_key(|user| user.username.clone());
                let alice = found.iter().find(|user| user.id == UserId::Int(1)).unwrap();
                assert!(alice.is_active && alice.password.expose().starts_with("pbkdf2_sha256$"), "{engine:?}");
                let bob = found.iter().find(|user| user.id == UserId::Int(2));
                assert_eq!(bob.map(|bob| bob.is_active), (count > 1).then_some(false), "{engine:?}");
                assert!(found.len() <= usize::try_from(count).unwrap(), "each once");
            }
            assert!(users.by_ids(&[UserId::Int(999_999)]).await.unwrap().is_empty());
            assert!(users.by_ids(&[]).await.unwrap().is_empty());
        }
    }
}

#[tokio::test]
async fn keys_of_other_kinds_are_found_too() {
    for engine in ENGINES {
        let database = Database::new(engine, "uuid").await;
        let users = open(&database.table.options(engine), &database.options).await.unwrap();
        let known = UserId::Uuid(Uuid::parse_str(super::UUID).unwrap());
        let found = users.by_ids(&[UserId::Uuid(Uuid::nil()), known.clone()]).await.unwrap();
        assert_eq!(found.iter().map(|user| user.id.clone()).collect::<Vec<_>>(), [known], "{engine:?}");
    }
}

#[tokio::test]
async fn a_manager_s_condition_holds_for_the_many_and_other_statements_are_asked_one_by_one() {
    for engine in ENGINES {
        let database = Database::new(engine, "default").await;
        let ids = [1, 2, 3].map(UserId::Int);
        let mut table = database.table.options(engine);
        let active = engine.quote_name("is_active");
        table.by_id.sql = table.by_id.sql.replace(" LIMIT 21", &format!(" AND {active} = %s LIMIT 21"));
        table.by_id.params.push(Parameter::Bool(true));
        let users = open(&table, &database.options).await.unwrap();
        assert!(users.finds_many_at_once());
        let found = users.by_ids(&ids).await.unwrap();
        assert!(found.iter().all(|user| user.id != UserId::Int(2)) && found.len() == 2, "{engine:?}");
        table.by_id.sql = table.by_id.sql.replace(" = %s AND", " = (%s) AND");
        let users = open(&table, &database.options).await.unwrap();
        assert!(!users.finds_many_at_once());
        assert_eq!(users.by_ids(&ids).await.unwrap().len(), 2, "{engine:?}");
    }
}

#[tokio::test]
async fn blacklisted_tokens_are_found_among_many() {
    for engine in ENGINES {
        let database = Database::new(engine, "default").await;
        for (id, jti) in [(1, "seen"), (2, "listed"), (3, "also")] {
            let expires = "2100-01-01 00:00:00";
            let row = json!({"id": id, "token": "x", "expires_at": expires, "user_id": 1, "jti": jti});
            database.insert("token_blacklist_outstandingtoken", &row).await;
            if id > 1 {
                let row = json!({ "id": id, "token_id": id, "blacklisted_at": "2026-01-01 00:00:00" });
                database.insert("token_blacklist_blacklistedtoken", &row).await;
            }
        }
        let users = open(&database.table.options(engine), &database.options).await.unwrap();
        let mut jtis = (0..1500).map(|number| format!("jti{number}").into_boxed_str()).collect::<Vec<_>>();
        assert!(users.blacklisted(&jtis).await.unwrap().is_empty());
        jtis[7] = "seen".into();
        jtis[700] = "listed".into();
        jtis[1400] = "also".into();
        let mut listed = users.blacklisted(&jtis).await.unwrap();
        listed.sort();
        assert_eq!(listed.iter().map(|jti| &**jti).collect::<Vec<_>>(), ["also", "listed"], "{engine:?}");
    }
}
