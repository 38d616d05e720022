//! The statements that Django would compile, from plain names, where no Django is asked.

use super::{ActiveFlag, FieldKind, Parameter, UserOptions, UserQuery};
use crate::database::Engine;

/// A user model by the names of its table and columns. The default is Django's own `auth.User`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct UserTable {
    /// For messages.
    pub(crate) model: String,
    /// As `Meta.db_table` has it.
    pub(crate) table: String,
    /// The column of the attribute `id`.
    pub(crate) id: UserColumn,
    /// The column of `USER_ID_FIELD`; absent: `id`.
    pub(crate) user_id_field: Option<UserColumn>,
    /// The column of `USERNAME_FIELD`; absent where the model has none.
    pub(crate) username: Option<String>,
    /// The password's column; absent where the model has none.
    pub(crate) password: Option<String>,
    /// The column of `is_active`; absent: every user is active.
    pub(crate) is_active: Option<String>,
    /// Whether SimpleJWT's blacklist app is installed.
    pub(crate) blacklist: bool,
}

/// A column and its field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct UserColumn {
    pub(crate) column: String,
    pub(crate) kind: FieldKind,
}

impl UserTable {
    /// `auth.User` as its migrations make it: an `AutoField` for `id`, so 32 bits on the servers.
    pub(crate) fn stock(engine: Engine) -> Self {
        Self {
            model: "auth.User".to_owned(),
            table: "auth_user".to_owned(),
            id: UserColumn { column: "id".to_owned(), kind: FieldKind::auto_field(engine) },
            user_id_field: None,
            username: Some("username".to_owned()),
            password: Some("password".to_owned()),
            is_active: Some("is_active".to_owned()),
            blacklist: false,
        }
    }

    /// The statements, as `User.objects.filter(<column>=value)[:21]` compiles them, but for the columns that nothing here
    /// reads. Matches Django 5.2, db/models/query.py, `QuerySet.get`.
    pub(crate) fn options(&self, engine: Engine) -> UserOptions {
        let text = |column: &String| UserColumn { column: column.clone(), kind: FieldKind::Text };
        UserOptions {
            model: self.model.clone(),
            by_id: self.lookup(engine, &self.id),
            fields: Vec::new(),
            by_user_id_field: self.lookup(engine, self.user_id_field.as_ref().unwrap_or(&self.id)),
            by_username: self.username.as_ref().map(|column| self.lookup(engine, &text(column))),
            blacklist: self.blacklist.then(|| blacklist(engine)),
            is_active: if self.is_active.is_some() { ActiveFlag::Column } else { ActiveFlag::Always(true) },
        }
    }

    /// `by_id`, with these columns after the others.
    pub(crate) fn lookup_with(&self, engine: Engine, columns: &[String]) -> UserQuery {
        self.selecting(engine, &self.id, columns)
    }

    fn lookup(&self, engine: Engine, by: &UserColumn) -> UserQuery {
        self.selecting(engine, by, &[])
    }

    fn selecting(&self, engine: Engine, by: &UserColumn, more: &[String]) -> UserQuery {
        let table = quote(engine, &self.table);
        let attributes = [
            ("id", Some(&self.id.column)),
            ("password", self.password.as_ref()),
            ("is_active", self.is_active.as_ref()),
            ("username", self.username.as_ref()),
        ];
        let present = attributes.into_iter().filter_map(|(attribute, column)| column.map(|column| (attribute, column)));
        // A name of ours is not taken for the attribute that is read by it.
        let more = more.iter().map(|column| (format!("{column}*"), column));
        let (columns, selected): (Vec<_>, Vec<_>) = present
            .map(|(attribute, column)| (attribute.to_owned(), column))
            .chain(more)
            .map(|(attribute, column)| (attribute, format!("{table}.{}", quote(engine, column))))
            .unzip();
        let (selected, column) = (selected.join(", "), quote(engine, &by.column));
        UserQuery {
            sql: format!("SELECT {selected} FROM {table} WHERE {table}.{column} = %s LIMIT 21"),
            params: vec![Parameter::Sentinel],
            columns,
            lookup: by.kind,
            id: self.id.kind,
        }
    }
}

impl FieldKind {
    /// `AutoField`, which takes what `connection.ops.integer_field_range` says.
    pub(crate) fn auto_field(engine: Engine) -> Self {
        match engine {
            Engine::Postgres | Engine::MySql => {
                Self::Integer { min: Some(i64::from(i32::MIN)), max: Some(i64::from(i32::MAX)) }
            }
            Engine::Sqlite => Self::Integer { min: Some(i64::MIN), max: Some(i64::MAX) },
        }
    }
}

/// `BlacklistedToken.objects.filter(token__jti=jti).exists()`. Matches SimpleJWT 5.5, tokens.py,
/// `BlacklistMixin.check_blacklist`.
fn blacklist(engine: Engine) -> UserQuery {
    let blacklisted = engine.quote_name("token_blacklist_blacklistedtoken");
    let outstanding = engine.quote_name("token_blacklist_outstandingtoken");
    let [a, token_id, id, jti] = ["a", "token_id", "id", "jti"].map(|name| engine.quote_name(name));
    UserQuery {
        sql: format!(
            "SELECT %s AS {a} FROM {blacklisted} INNER JOIN {outstanding} ON ({blacklisted}.{token_id} = \
             {outstanding}.{id}) WHERE {outstanding}.{jti} = %s LIMIT 1"
        ),
        params: vec![Parameter::Int(1), Parameter::Sentinel],
        columns: vec![],
        lookup: FieldKind::Text,
        id: FieldKind::Text,
    }
}

/// A quoted name in a text where a percent sign is doubled.
fn quote(engine: Engine, name: &str) -> String {
    engine.quote_name(name).replace('%', "%%")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_statements_are_the_ones_that_django_compiles() {
        let mut table = UserTable::stock(Engine::Postgres);
        table.blacklist = true;
        let options = table.options(Engine::Postgres);
        assert_eq!(
            options.by_id.sql,
            "SELECT \"auth_user\".\"id\", \"auth_user\".\"password\", \"auth_user\".\"is_active\", \
             \"auth_user\".\"username\" FROM \"auth_user\" WHERE \"auth_user\".\"id\" = %s LIMIT 21"
        );
        assert_eq!(options.by_id.columns, ["id", "password", "is_active", "username"]);
        assert_eq!(options.by_user_id_field, options.by_id);
        assert!(options.by_username.unwrap().sql.ends_with("WHERE \"auth_user\".\"username\" = %s LIMIT 21"));
        assert_eq!(
            options.blacklist.unwrap().sql,
            "SELECT %s AS \"a\" FROM \"token_blacklist_blacklistedtoken\" INNER JOIN \
             \"token_blacklist_outstandingtoken\" ON (\"token_blacklist_blacklistedtoken\".\"token_id\" = \
             \"token_blacklist_outstandingtoken\".\"id\") WHERE \"token_blacklist_outstandingtoken\".\"jti\" = %s LIMIT 1"
        );
    }

    #[test]
    fn a_model_may_lack_columns_and_quote_its_table() {
        let table = UserTable {
            table: "\"core\".\"100%\"".to_owned(),
            user_id_field: Some(UserColumn { column: "public_id".to_owned(), kind: FieldKind::Uuid }),
            username: None,
            password: None,
            is_active: None,
            ..UserTable::stock(Engine::Postgres)
        };
        let options = table.options(Engine::Postgres);
        assert_eq!(
            options.by_user_id_field.sql,
            "SELECT \"core\".\"100%%\".\"id\" FROM \"core\".\"100%%\" WHERE \"core\".\"100%%\".\"public_id\" = %s LIMIT 21"
        );
        assert_eq!((options.by_username, options.is_active), (None, ActiveFlag::Always(true)));
    }

    #[test]
    fn mysql_quotes_with_backticks() {
        let sql = UserTable::stock(Engine::MySql).options(Engine::MySql).by_id.sql;
        assert!(sql.ends_with("FROM `auth_user` WHERE `auth_user`.`id` = %s LIMIT 21"), "{sql}");
    }
}
