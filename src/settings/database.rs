//! `[database]`: where the user table is.

use std::{path::PathBuf, time::Duration};

use serde_json::Value;

use super::{
    database_url,
    django::Django,
    layer::Layers,
    origin::Origin,
    problem::{Code, Problem},
    values::Values,
};
use crate::{
    database::{DatabaseOptions, DatabaseServer, DatabaseTls, Prepared},
    secret::Secret,
};

const MEND: &str = "[database]\nurl = \"postgres://user:password@host:5432/name\"";

/// The database that users are looked up in.
pub(super) fn read(layers: &mut Layers, django: &Django) -> Option<DatabaseOptions> {
    let server = match server(&layers.values, django) {
        Ok(server) => server,
        Err(problems) => {
            layers.problems.extend(problems);
            return None;
        }
    };
    check_engine(layers, &server);
    let values = &layers.values;
    Some(DatabaseOptions {
        server,
        max_connections: u32::try_from(values.count_or("database.max_connections", 10)).unwrap_or(10),
        timeout: values.seconds("database.timeout", Duration::from_secs(3)),
        prepared: match values.text_or("database.prepared", "auto").as_str() {
            "always" => Prepared::Always,
            "never" => Prepared::Never,
            _ => Prepared::Auto,
        },
    })
}

/// The database of an item of the document, such as the one that `DatabaseCache` writes to.
pub(super) fn of_document(item: &Value) -> Result<DatabaseServer, Vec<Problem>> {
    let mut layers = Layers::default();
    Django::lay_item("database", item, &mut layers);
    server(&layers.values, &Django::default())
}

fn server(values: &Values, django: &Django) -> Result<DatabaseServer, Vec<Problem>> {
    if let Some((Value::String(url), origin)) = values.given("database.url") {
        return database_url::parse(url)
            .map_err(|sentence| vec![Problem::new(Code::DatabaseUrl, sentence).at(origin).mend(MEND)]);
    }
    let unsupported = values.texts("database.unsupported").unwrap_or_default();
    if !unsupported.is_empty() {
        let origin = values.origin("database.unsupported");
        let problem = |sentence| Problem::new(Code::NotWithoutPython, sentence).at(origin).mend(MEND);
        return Err(unsupported.into_iter().map(problem).collect());
    }
    let (engine, origin) = match (values.given("database.engine"), values.given("database.vendor")) {
        (Some((Value::String(engine), origin)), _) if origin.is_stated() => (engine.as_str(), origin),
        (_, Some((Value::String(vendor), origin))) | (Some((Value::String(vendor), origin)), None) => {
            (vendor.as_str(), origin)
        }
        _ => {
            let missing = Problem::new(Code::DatabaseMissing, "no database is known to look users up in").mend(MEND);
            return Err(vec![django.failure("database").unwrap_or(missing)]);
        }
    };
    let server = match engine.rsplit('.').next().unwrap_or_default() {
        "postgresql" | "postgres" | "postgis" | "psqlextra" => postgres(values),
        "mysql" | "mariadb" => mysql(values),
        "sqlite" | "sqlite3" | "spatialite" => sqlite(values),
        _ => Err(Problem::new(Code::DatabaseRefused, format!("the engine {engine} is not supported"))
            .mend("PostgreSQL, MySQL, MariaDB and SQLite are.")),
    };
    server.map_err(|problem| vec![if problem.origin.is_none() { problem.at(origin) } else { problem }])
}

fn postgres(values: &Values) -> Result<DatabaseServer, Problem> {
    let host = values.text_or_none("database.host", Some("localhost"));
    Ok(DatabaseServer::Postgres {
        host: host.filter(|host| !host.is_empty()).unwrap_or_else(|| "localhost".to_owned()),
        port: port(values, 5432)?,
        user: required(values, "database.user")?,
        password: password(values),
        database: required(values, "database.name")?,
        tls: tls(values),
        options: values.text("database.options").filter(|text| !text.is_empty()).map(str::to_owned),
    })
}

fn mysql(values: &Values) -> Result<DatabaseServer, Problem> {
    let host = values.text_or_none("database.host", Some("localhost"));
    let host = host.filter(|host| !host.is_empty()).unwrap_or_else(|| "localhost".to_owned());
    // Django takes a HOST that starts with a slash for the socket's file.
    let by_host = host.starts_with('/').then(|| PathBuf::from(&host));
    let unix_socket = values.text("database.unix_socket").filter(|path| !path.is_empty()).map(PathBuf::from);
    Ok(DatabaseServer::MySql {
        port: port(values, 3306)?,
        unix_socket: unix_socket.or(by_host),
        host,
        user: required(values, "database.user")?,
        password: password(values),
        database: required(values, "database.name")?,
        tls: tls(values),
        charset: values.text_or_none("database.charset", Some("utf8mb4")).unwrap_or_else(|| "utf8mb4".to_owned()),
    })
}

fn sqlite(values: &Values) -> Result<DatabaseServer, Problem> {
    let stated = values.is_stated("database.name").then(|| values.text("database.name")).flatten();
    let file = stated.or_else(|| values.text("database.file")).or_else(|| values.text("database.name"));
    match file.filter(|file| !file.is_empty() && !file.contains(":memory:") && !file.contains("mode=memory")) {
        Some(file) => Ok(DatabaseServer::Sqlite { file: Some(PathBuf::from(file)) }),
        None => Err(Problem::new(Code::DatabaseRefused, "an SQLite database in memory belongs to one process alone")
            .mend("[database]\nurl = \"sqlite:////srv/mysite/db.sqlite3\"")),
    }
}

fn required(values: &Values, path: &'static str) -> Result<String, Problem> {
    let missing = || {
        let problem = Problem::new(Code::DatabaseMissing, format!("`{path}` is missing"));
        problem.mend(format!("[database]\n{} = \"...\"", path.trim_start_matches("database.")))
    };
    values.text(path).filter(|text| !text.is_empty()).map(str::to_owned).ok_or_else(missing)
}

fn password(values: &Values) -> Option<Secret> {
    values.text("database.password").filter(|text| !text.is_empty()).map(Secret::new)
}

fn port(values: &Values, default: u16) -> Result<u16, Problem> {
    let Some((value, origin)) = values.given("database.port") else {
        return Ok(default);
    };
    let number = match value {
        Value::Null => return Ok(default),
        Value::String(text) if text.is_empty() => return Ok(default),
        Value::String(text) => text.trim().parse().ok(),
        other => other.as_u64(),
    };
    number
        .and_then(|number| u16::try_from(number).ok())
        .filter(|port| *port > 0)
        .ok_or_else(|| Problem::new(Code::BadValue, "`database.port` takes a number from 1 to 65535").at(origin))
}

fn tls(values: &Values) -> DatabaseTls {
    let file = |path: &str| values.text(path).filter(|text| !text.is_empty()).map(PathBuf::from);
    DatabaseTls {
        mode: values.text("database.sslmode").map(str::to_owned),
        root_certificate: file("database.sslrootcert"),
        client_certificate: file("database.sslcert"),
        client_key: file("database.sslkey"),
    }
}

/// Django's statements are written for its own engine: quotes and placeholders differ in another.
fn check_engine(layers: &mut Layers, server: &DatabaseServer) {
    let Some(vendor) = layers.values.text("database.vendor") else {
        return;
    };
    let ours = match server {
        DatabaseServer::Postgres { .. } => "postgresql",
        DatabaseServer::MySql { .. } => "mysql",
        DatabaseServer::Sqlite { .. } => "sqlite",
    };
    if vendor != ours {
        let stated = layers.values.first_stated(&["database.url", "database.engine"]).unwrap_or("database.vendor");
        let sentence = format!("Django's user query was compiled for {vendor}, but this is a database of {ours}");
        let origin: Origin = layers.values.origin(stated).clone();
        layers.problems.push(Problem::new(Code::OtherEngine, sentence).at(&origin));
    }
}
