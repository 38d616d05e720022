//! The user model by the names in `[user]`, which are by default those of `auth_user`.

use super::{issue::Blockers, layer::Layers, user_fields};
use crate::{
    database::{DatabaseServer, Engine},
    user::{FieldKind, UserColumn, UserOptions, UserTable},
};

/// Fills in the options.
pub(super) fn read(layers: &mut Layers, server: &DatabaseServer, blockers: &mut Blockers) -> UserOptions {
    let engine = match server {
        DatabaseServer::Postgres { .. } => Engine::Postgres,
        DatabaseServer::MySql { .. } => Engine::MySql,
        DatabaseServer::Sqlite { .. } => Engine::Sqlite,
    };
    let stock = UserTable::stock(engine);
    let values = &layers.values;
    let id = UserColumn {
        column: values.text_or("user.id", &stock.id.column),
        kind: kind(&values.text_or("user.id_kind", "integer"), engine),
    };
    let username = values.text_or("user.username", stock.username.as_deref().unwrap_or_default());
    let password = values.text_or_none("user.password", stock.password.as_deref());
    if password.is_none() && values.boolean("simple_jwt.check_revoke_token", false) {
        let sentence = "SimpleJWT's CHECK_REVOKE_TOKEN needs the column of password hashes";
        blockers.push(values.origin("user.password"), sentence, "[user]\npassword = \"password\"");
    }
    let user_id_field = match values.text_or("simple_jwt.user_id_field", "id") {
        field if field == "id" || field == "pk" || field == id.column => None,
        field if field == "username" => Some(UserColumn { column: username.clone(), kind: FieldKind::Text }),
        column => {
            let kind = values.text("user.user_id_field_kind").map_or(FieldKind::Text, |word| kind(word, engine));
            Some(UserColumn { column, kind })
        }
    };
    let table = UserTable {
        table: values.text_or("user.table", &stock.table),
        id,
        user_id_field,
        username: Some(username),
        password,
        is_active: values.text_or_none("user.is_active", stock.is_active.as_deref()),
        blacklist: values.boolean("user.blacklist", stock.blacklist),
        ..stock
    };
    let mut options = table.options(engine);
    options.fields = user_fields::of_table(&table, engine, &mut options.by_id, layers);
    options
}

/// The kind of a column by its word.
fn kind(word: &str, engine: Engine) -> FieldKind {
    match (word, engine) {
        ("bigint", _) => FieldKind::Integer { min: Some(i64::MIN), max: Some(i64::MAX) },
        ("uuid", Engine::Postgres) => FieldKind::Uuid,
        ("uuid", Engine::MySql | Engine::Sqlite) => FieldKind::UuidHex,
        ("text", _) => FieldKind::Text,
        _ => FieldKind::auto_field(engine),
    }
}
