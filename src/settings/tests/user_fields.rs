//! `[websocket] user_fields`.

use serde_json::{Value, json};

use super::{ENOUGH, document, problems, toml};
use crate::user::{UserField, ValueKind};

fn with_fields(document: &mut Value) {
    let user = &mut document["items"]["user"]["value"];
    let mut statement = user["by_id"].clone();
    statement["columns"] = json!(["id", "password", "is_active", "username", "first_name", "balance", "place"]);
    user["all_fields"] = json!({"statement": statement, "fields": {
        "id": {"kind": "integer", "column": 0},
        "username": {"kind": "text", "column": 3},
        "first_name": {"kind": "text", "column": 4},
        "balance": {"kind": "decimal", "places": 2, "column": 5},
        "place": {"unsupported": "mysite.fields.PointField"},
    }});
}

fn route(fields: &str) -> String {
    format!("[websocket]\nuser_fields = {fields}\n[[route]]\npath = \"ws/\"\n")
}

#[test]
fn columns_of_djangos_own_query_are_read_with_their_types() {
    let report = document(&route("[\"first_name\", \"id\", \"balance\"]"), with_fields);
    assert_eq!(problems(&report), "");
    let user = report.settings.unwrap().admission.unwrap().user;
    assert_eq!(user.by_id.columns.len(), 7);
    assert_eq!(
        user.fields,
        [
            UserField { name: "first_name".to_owned(), column: 4, kind: ValueKind::Text },
            UserField { name: "balance".to_owned(), column: 5, kind: ValueKind::Decimal { places: 2 } },
        ]
    );
    // Without it the query stays as it was.
    let plain = document("[[route]]\npath = \"ws/\"\n", with_fields).settings.unwrap().admission.unwrap().user;
    assert_eq!((plain.fields, plain.by_id.columns.len()), (Vec::new(), plain.by_user_id_field.columns.len()));
}

#[test]
fn what_the_model_has_not_is_refused_by_name() {
    for (fields, expected) in [
        (
            "[\"frist_name\"]",
            "E004 sluicegate.toml:2: `websocket.user_fields`: auth.User has no column `frist_name`\n    \
             Did you mean `first_name`?",
        ),
        (
            "[\"place\"]",
            "E004 sluicegate.toml:2: `websocket.user_fields`: auth.User.place is a mysite.fields.PointField, whose values \
             are not read here",
        ),
        ("[\"password\"]", "E004 sluicegate.toml:2: `websocket.user_fields`: a password is for no template"),
    ] {
        assert_eq!(problems(&document(&route(fields), with_fields)), expected, "{fields}");
    }
    let old = problems(&document(&route("[\"first_name\"]"), |_| {}));
    assert!(old.contains("the document does not say which columns auth.User has"), "{old}");
}

#[test]
fn without_django_columns_are_taken_by_their_names() {
    let text = ENOUGH.replace("[websocket]", "[websocket]\nuser_fields = [\"first_name\"]");
    let user = toml(&text).settings.unwrap().admission.unwrap().user;
    assert!(
        user.by_id.sql.contains("\"auth_user\".\"username\", \"auth_user\".\"first_name\" FROM"),
        "{}",
        user.by_id.sql
    );
    assert_eq!(user.fields, [UserField { name: "first_name".to_owned(), column: 4, kind: ValueKind::Any }]);
}
