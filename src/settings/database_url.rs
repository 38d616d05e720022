//! `postgres://user:password@host:5432/name?sslmode=require` and its relatives, in the form of dj-database-url and
//! django-environ.

use std::{borrow::Cow, path::PathBuf};

use percent_encoding::percent_decode_str;
use url::Url;

use crate::{
    database::{DatabaseServer, DatabaseTls},
    secret::Secret,
};

/// What sqlx sets or needs no word about.
const HARMLESS: &[&str] =
    &["application_name", "connect_timeout", "conn_max_age", "target_session_attrs", "gssencmode"];

/// The server that `text` names.
///
/// # Errors
///
/// A sentence without the URL itself, which holds a password.
pub(super) fn parse(text: &str) -> Result<DatabaseServer, String> {
    if let Some(path) = text.strip_prefix("sqlite:") {
        return sqlite(path);
    }
    let url = Url::parse(text).map_err(|error| format!("the database URL cannot be read: {error}"))?;
    let parts = Parts::of(&url)?;
    match url.scheme() {
        "postgres" | "postgresql" | "psql" | "pgsql" | "postgis" => parts.postgres(),
        "mysql" | "mariadb" | "mysql2" => parts.mysql(),
        other => Err(format!("the database URL starts with {other}:, not with postgres:, mysql:, mariadb: or sqlite:")),
    }
}

fn sqlite(path: &str) -> Result<DatabaseServer, String> {
    let Some(path) = path.strip_prefix("///") else {
        return Err("an SQLite URL has three slashes and a path, such as sqlite:////srv/mysite/db.sqlite3".to_owned());
    };
    let path = decoded(path.split('?').next().unwrap_or_default(), "path")?;
    if path.is_empty() || path.contains(":memory:") {
        return Err("an SQLite database in memory belongs to one process alone".to_owned());
    }
    // Three slashes are a path from the current folder, four one from the root, as dj-database-url reads them. Many
    // write three and mean the root.
    let from_root = PathBuf::from(format!("/{path}"));
    let here = PathBuf::from(path.as_ref());
    let file = if !here.exists() && from_root.exists() { from_root } else { here };
    Ok(DatabaseServer::Sqlite { file: Some(file) })
}

struct Parts {
    host: String,
    port: Option<u16>,
    user: String,
    password: Option<Secret>,
    database: String,
    tls: DatabaseTls,
    options: Option<String>,
    unix_socket: Option<PathBuf>,
    charset: Option<String>,
}

impl Parts {
    fn of(url: &Url) -> Result<Self, String> {
        let host = decoded(url.host_str().unwrap_or_default(), "host")?;
        let mut parts = Self {
            host: host.trim_start_matches('[').trim_end_matches(']').to_owned(),
            port: url.port(),
            user: decoded(url.username(), "user")?.into_owned(),
            password: url.password().map(|text| decoded(text, "password")).transpose()?.map(Secret::new),
            database: decoded(url.path().trim_start_matches('/'), "name")?.into_owned(),
            tls: DatabaseTls::default(),
            options: None,
            unix_socket: None,
            charset: None,
        };
        for (name, value) in url.query_pairs() {
            parts.parameter(&name, value.into_owned())?;
        }
        Ok(parts)
    }

    fn parameter(&mut self, name: &str, value: String) -> Result<(), String> {
        match name {
            "host" => self.host = value,
            "port" => {
                self.port = Some(value.parse().map_err(|_| "the port in the database URL is no port".to_owned())?);
            }
            "user" => self.user = value,
            "password" => self.password = Some(Secret::new(value)),
            "dbname" => self.database = value,
            "sslmode" | "ssl-mode" | "ssl_mode" => self.tls.mode = Some(mode(&value)?),
            "sslrootcert" | "ssl-ca" | "ssl_ca" => self.tls.root_certificate = Some(PathBuf::from(value)),
            "sslcert" | "ssl-cert" | "ssl_cert" => self.tls.client_certificate = Some(PathBuf::from(value)),
            "sslkey" | "ssl-key" | "ssl_key" => self.tls.client_key = Some(PathBuf::from(value)),
            "options" => self.options = Some(value),
            "unix_socket" | "socket" => self.unix_socket = Some(PathBuf::from(value)),
            "charset" => self.charset = Some(value),
            _ if HARMLESS.contains(&name) => {}
            _ => return Err(format!("the database URL has the parameter `{name}`, which is not known here")),
        }
        Ok(())
    }

    fn postgres(self) -> Result<DatabaseServer, String> {
        Ok(DatabaseServer::Postgres {
            host: named(self.host, "localhost"),
            port: self.port.unwrap_or(5432),
            user: required(self.user, "user")?,
            password: self.password,
            database: required(self.database, "name")?,
            tls: self.tls,
            options: self.options,
        })
    }

    fn mysql(self) -> Result<DatabaseServer, String> {
        // %2Fvar%2Frun%2Fmysqld.sock as the host is the socket's file.
        let by_host = self.host.starts_with('/').then(|| PathBuf::from(&self.host));
        Ok(DatabaseServer::MySql {
            host: named(self.host, "localhost"),
            port: self.port.unwrap_or(3306),
            unix_socket: self.unix_socket.or(by_host),
            user: required(self.user, "user")?,
            password: self.password,
            database: required(self.database, "name")?,
            tls: self.tls,
            charset: named(self.charset.unwrap_or_default(), "utf8mb4"),
        })
    }
}

/// libpq's words, and MySQL's for the same.
fn mode(word: &str) -> Result<String, String> {
    let word = word.to_ascii_lowercase().replace('_', "-");
    let mode = match word.as_str() {
        "disabled" => "disable",
        "preferred" => "prefer",
        "required" => "require",
        "verify-identity" => "verify-full",
        "disable" | "allow" | "prefer" | "require" | "verify-ca" | "verify-full" => word.as_str(),
        _ => return Err("the sslmode in the database URL is not one of libpq's".to_owned()),
    };
    Ok(mode.to_owned())
}

fn named(text: String, default: &str) -> String {
    if text.is_empty() { default.to_owned() } else { text }
}

fn required(text: String, what: &str) -> Result<String, String> {
    if text.is_empty() { Err(format!("the database URL has no {what}")) } else { Ok(text) }
}

fn decoded<'a>(text: &'a str, what: &str) -> Result<Cow<'a, str>, String> {
    percent_decode_str(text).decode_utf8().map_err(|_| format!("the {what} in the database URL is not valid UTF-8"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_part_of_a_postgres_url_may_be_percent_encoded() {
        let url = "postgres://us%40er:p%2Fw@db.internal:6432/na%20me?sslmode=verify-full&sslrootcert=/ca.pem\
                   &options=-c%20search_path%3Dcore";
        let Ok(DatabaseServer::Postgres { host, port, user, password, database, tls, options }) = parse(url) else {
            panic!("not read");
        };
        assert_eq!((host.as_str(), port, user.as_str(), database.as_str()), ("db.internal", 6432, "us@er", "na me"));
        assert_eq!(password.unwrap().expose(), "p/w");
        assert_eq!((tls.mode.as_deref(), tls.root_certificate), (Some("verify-full"), Some("/ca.pem".into())));
        assert_eq!(options.as_deref(), Some("-c search_path=core"));
    }

    #[test]
    fn unix_sockets_are_named_by_host() {
        let Ok(DatabaseServer::Postgres { host, .. }) = parse("postgres://u@%2Fvar%2Frun%2Fpostgresql/n") else {
            panic!("not read");
        };
        assert_eq!(host, "/var/run/postgresql");
        let Ok(DatabaseServer::Postgres { host, .. }) = parse("postgresql:///n?host=/tmp&user=u") else {
            panic!("not read");
        };
        assert_eq!(host, "/tmp");
        let Ok(DatabaseServer::MySql { unix_socket, .. }) = parse("mysql://u@%2Frun%2Fmysqld.sock/n") else {
            panic!("not read");
        };
        assert_eq!(unix_socket, Some("/run/mysqld.sock".into()));
    }

    #[test]
    fn an_sqlite_url_has_three_slashes_and_a_path() {
        let file = |url| match parse(url) {
            Ok(DatabaseServer::Sqlite { file }) => file.unwrap().display().to_string(),
            other => panic!("{other:?}"),
        };
        assert_eq!(file("sqlite:////srv/db.sqlite3"), "/srv/db.sqlite3");
        assert_eq!(file("sqlite:///db%20file.sqlite3"), "db file.sqlite3");
        for bad in ["sqlite://:memory:", "sqlite:///:memory:", "sqlite:///", "sqlite:db"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_refusal_does_not_show_the_password() {
        for url in [
            "postgres://u:hunter2@h/n?sslmode=hunter2",
            "oracle://u:hunter2@h/n",
            "postgres://u:hunter2@h:99999/n",
            "mysql://u:hunter2@h/",
            "postgres://u:hunter2@h/n?what=hunter2",
            "u:hunter2",
        ] {
            let sentence = parse(url).unwrap_err();
            assert!(!sentence.contains("hunter2"), "{sentence}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "(postgres|mysql|sqlite|x)?(://|:///)?\\PC*") {
            let _ = parse(&text);
        }
    }
}
