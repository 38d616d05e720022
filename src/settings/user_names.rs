//! The statements for a plain user table, from the names in `[user]`, which are by default those of `auth_user`.

use super::{issue::Blockers, layer::Layers};
use crate::{
    database::DatabaseServer,
    user::{ActiveFlag, FieldKind, Parameter, UserOptions, UserQuery},
};

/// The columns of the table.
struct Names {
    table: String,
    id: String,
    username: String,
    password: Option<String>,
    is_active: Option<String>,
    id_kind: FieldKind,
    quote: char,
}

/// Fills in the options.
pub(super) fn read(layers: &mut Layers, server: &DatabaseServer, blockers: &mut Blockers) -> UserOptions {
    let values = &layers.values;
    let names = Names {
        table: values.text_or("user.table", "auth_user"),
        id: values.text_or("user.id", "id"),
        username: values.text_or("user.username", "username"),
        password: values.text_or_none("user.password", Some("password")),
        is_active: values.text_or_none("user.is_active", Some("is_active")),
        id_kind: id_kind(&values.text_or("user.id_kind", "integer"), server),
        quote: if matches!(server, DatabaseServer::MySql { .. }) { '`' } else { '"' },
    };
    if names.password.is_none() && values.boolean("simple_jwt.check_revoke_token", false) {
        let sentence = "SimpleJWT's CHECK_REVOKE_TOKEN needs the column of password hashes";
        blockers.push(values.origin("user.password"), sentence, "[user]\npassword = \"password\"");
    }
    let by_id = names.query(&names.id, names.id_kind);
    let by_username = names.query(&names.username, FieldKind::Text);
    let field = values.text_or("simple_jwt.user_id_field", "id");
    let by_user_id_field = match field.as_str() {
        "id" | "pk" => by_id.clone(),
        field if field == names.id => by_id.clone(),
        field if field == "username" || field == names.username => by_username.clone(),
        column => names.query(column, FieldKind::Text),
    };
    UserOptions {
        model: names.table.clone(),
        by_id,
        by_user_id_field,
        by_username: Some(by_username),
        blacklist: None,
        is_active: if names.is_active.is_some() { ActiveFlag::Column } else { ActiveFlag::Always(true) },
    }
}

/// The range of Django's own integer keys: 32 bits, but for SQLite, which stores 64. Matches Django 5.2,
/// `DatabaseOperations.integer_field_range` of each backend.
fn id_kind(word: &str, server: &DatabaseServer) -> FieldKind {
    let wide = FieldKind::Integer { min: Some(i64::MIN), max: Some(i64::MAX) };
    let narrow = FieldKind::Integer { min: Some(i64::from(i32::MIN)), max: Some(i64::from(i32::MAX)) };
    match (word, server) {
        ("bigint", _) | ("integer", DatabaseServer::Sqlite { .. }) => wide,
        ("uuid", DatabaseServer::Postgres { .. }) => FieldKind::Uuid,
        ("uuid", _) => FieldKind::UuidHex,
        ("text", _) => FieldKind::Text,
        _ => narrow,
    }
}

impl Names {
    /// The statement of `User.objects.get(column=...)`, for the columns that are needed.
    fn query(&self, column: &str, lookup: FieldKind) -> UserQuery {
        let selected = [
            ("id", Some(&self.id)),
            ("password", self.password.as_ref()),
            ("is_active", self.is_active.as_ref()),
            ("username", Some(&self.username)),
        ];
        let selected: Vec<_> = selected.into_iter().filter_map(|(name, column)| Some((name, column?))).collect();
        let (table, column) = (self.quoted(&self.table), self.quoted(column));
        let list: Vec<_> = selected.iter().map(|(_, column)| format!("{table}.{}", self.quoted(column))).collect();
        UserQuery {
            sql: format!("SELECT {} FROM {table} WHERE {table}.{column} = %s LIMIT 21", list.join(", ")),
            params: vec![Parameter::Sentinel],
            columns: selected.iter().map(|(name, _)| (*name).to_owned()).collect(),
            lookup,
            id: self.id_kind,
        }
    }

    /// A name in quotes; one that has them already (a schema, `"core"."users"`) stays, as Django's `quote_name` does.
    fn quoted(&self, name: &str) -> String {
        let quote = self.quote;
        if name.starts_with(quote) && name.ends_with(quote) && name.len() > 1 {
            return name.to_owned();
        }
        let inner = name.replace(quote, &format!("{quote}{quote}")).replace('%', "%%");
        format!("{quote}{inner}{quote}")
    }
}
