//! Django's tables and rows, from `db-schema.json` and `users.json`.

use std::{fmt::Write, path::PathBuf};

use serde_json::Value as Json;

use crate::{
    database::{Access, Bind, DatabaseOptions, DatabaseServer, Engine, Pool, Prepared, Statement},
    test_support::{Account, Folder, mariadb::MariaDb, postgres::Postgres},
    user::{FieldKind, UserColumn, UserTable},
};

pub(super) const ENGINES: [Engine; 3] = [Engine::Postgres, Engine::MySql, Engine::Sqlite];

/// A database with one user model's tables and rows.
pub(super) struct Database {
    pub(super) engine: Engine,
    pub(super) options: DatabaseOptions,
    pub(super) table: UserTable,
    _folder: Option<Folder>,
}

impl Database {
    /// `model` is `default`, `uuid` or `str`.
    pub(super) async fn new(engine: Engine, model: &str) -> Self {
        let (options, folder) = empty(engine);
        let schema: Json = serde_json::from_str(include_str!("../../../tests/vectors/db-schema.json")).unwrap();
        let users: Json = serde_json::from_str(include_str!("../../../tests/vectors/users.json")).unwrap();
        let name = match engine {
            Engine::Postgres => "postgres",
            Engine::MySql => "mysql",
            Engine::Sqlite => "sqlite",
        };
        let database = Self { engine, options, table: table(engine, model), _folder: folder };
        for (table, description) in schema["ddl"][format!("{name} {model}")].as_object().unwrap() {
            match description {
                Json::String(ddl) => database.run(ddl).await,
                Json::Array(statements) => {
                    for ddl in statements {
                        database.run(ddl.as_str().unwrap()).await;
                    }
                }
                columns => database.run(&postgres_ddl(table, columns)).await,
            }
        }
        for row in users["user_models"][model]["rows"].as_array().unwrap() {
            // Django cannot store this number in the 32 bits of the servers' column.
            if engine != Engine::Sqlite && row["id"] == 2_147_483_648_i64 {
                continue;
            }
            database.insert(&database.table.table, row).await;
        }
        database
    }

    pub(super) async fn run(&self, sql: &str) {
        let pool = self.literal_pool();
        let sql = sql.replace('%', "%%");
        pool.execute(&Statement::new(self.engine, &sql).unwrap(), &[]).await.unwrap();
    }

    /// Adds a row, given by its columns in SQLite's form.
    pub(super) async fn insert(&self, table: &str, row: &Json) {
        let columns = row.as_object().unwrap();
        let binds = columns.iter().map(|(column, value)| match value {
            Json::Number(flag) if column.starts_with("is_") => Bind::Bool(flag.as_i64() == Some(1)),
            Json::Number(number) => Bind::Int(number.as_i64().unwrap()),
            Json::String(text) => Bind::Text(text),
            _ => Bind::Null,
        });
        let binds = binds.collect::<Vec<_>>();
        let names = columns.keys().map(|column| self.engine.quote_name(column)).collect::<Vec<_>>().join(", ");
        let places = vec!["%s"; binds.len()].join(", ");
        let sql = format!("INSERT INTO {table} ({names}) VALUES ({places})");
        let pool = self.literal_pool();
        assert_eq!(pool.execute(&Statement::new(self.engine, &sql).unwrap(), &binds).await.unwrap(), 1);
    }

    fn literal_pool(&self) -> Pool {
        Pool::new(&DatabaseOptions { prepared: Prepared::Never, ..self.options.clone() }, Access::Write).unwrap()
    }
}

fn empty(engine: Engine) -> (DatabaseOptions, Option<Folder>) {
    match engine {
        Engine::Postgres => (Postgres::shared().options(&Postgres::shared().create_database()), None),
        Engine::MySql => (MariaDb::shared().options(&MariaDb::shared().create_database()), None),
        Engine::Sqlite => {
            let folder = Folder::new(Account::Own);
            let file = PathBuf::from(folder.file("db.sqlite3"));
            std::fs::write(&file, "").unwrap();
            let server = DatabaseServer::Sqlite { file: Some(file) };
            (DatabaseOptions { server, ..Postgres::shared().options("postgres") }, Some(folder))
        }
    }
}

fn table(engine: Engine, model: &str) -> UserTable {
    let mut table = UserTable { blacklist: true, ..UserTable::stock(engine) };
    let kind = match (model, engine) {
        ("uuid", Engine::Sqlite) => FieldKind::UuidHex,
        ("uuid", _) => FieldKind::Uuid,
        ("str", _) => FieldKind::Text,
        _ => return table,
    };
    table.table = format!("accounts_{model}_user");
    table.id = UserColumn { column: "id".to_owned(), kind };
    table
}

/// `CREATE TABLE` from the columns that `information_schema` reported.
fn postgres_ddl(table: &str, description: &Json) -> String {
    let mut columns = vec![];
    for column in description["columns"].as_array().unwrap() {
        let mut ddl = format!("\"{}\" {}", column[0].as_str().unwrap(), column[1].as_str().unwrap());
        if let Some(length) = column[2].as_u64() {
            write!(ddl, "({length})").unwrap();
        }
        if column[3] == "NO" {
            ddl.push_str(" NOT NULL");
        }
        if column[5] == "YES" {
            ddl.push_str(" GENERATED BY DEFAULT AS IDENTITY");
        }
        columns.push(ddl);
    }
    let mut ddl = format!("CREATE TABLE {table} ({});", columns.join(", "));
    for index in description["indexes"].as_array().unwrap() {
        write!(ddl, "{};", index.as_str().unwrap()).unwrap();
    }
    ddl
}
