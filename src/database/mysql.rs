//! Connections to MySQL and MariaDB.

use sqlx::{
    AssertSqlSafe, ConnectOptions, Executor, MySql, MySqlConnection,
    mysql::{MySqlArguments, MySqlConnectOptions, MySqlRow, MySqlSslMode},
    query::Query,
};

use super::{Bind, DatabaseServer, DatabaseTls, Prepared, Statement, error::is_tls};

/// How to reach one server.
pub(super) struct MySqlConnector {
    attempts: Vec<MySqlConnectOptions>,
    /// Statements have numbers of the connection's own here, and the known poolers keep them apart.
    named: bool,
}

impl MySqlConnector {
    pub(super) fn new(server: &DatabaseServer, prepared: Prepared) -> Result<Self, sqlx::Error> {
        let DatabaseServer::MySql { host, port, unix_socket, user, password, database, tls, charset } = server else {
            return Err(sqlx::Error::Configuration("not a MySQL".into()));
        };
        if charset.is_empty() || !charset.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
            return Err(sqlx::Error::Configuration(format!("{charset:?} is no charset").into()));
        }
        let mut base = MySqlConnectOptions::new()
            .host(host)
            .port(*port)
            .username(user)
            .database(database)
            .charset(charset)
            // The server's own modes and zone, as under Django.
            .pipes_as_concat(false)
            .no_engine_substitution(false)
            .timezone(None)
            // A statement holds values where it is not prepared.
            .disable_statement_logging();
        if let Some(socket) = unix_socket {
            base = base.socket(socket);
        }
        if let Some(password) = password {
            base = base.password(password.expose());
        }
        if let Some(file) = &tls.root_certificate {
            base = base.ssl_ca(file);
        }
        if let (Some(certificate), Some(key)) = (&tls.client_certificate, &tls.client_key) {
            base = base.ssl_client_cert(certificate).ssl_client_key(key);
        }
        let modes = modes(tls, unix_socket.is_some())?;
        let attempts = modes.iter().map(|&mode| base.clone().ssl_mode(mode)).collect();
        Ok(Self { attempts, named: prepared != Prepared::Never })
    }

    /// A connection, and whether it may have prepared statements.
    pub(super) async fn connect(&self) -> Result<(MySqlConnection, bool), sqlx::Error> {
        let mut last = None;
        for options in &self.attempts {
            match options.connect().await {
                Err(error) if is_tls(&error) || matches!(error, sqlx::Error::Protocol(_)) => {
                    last = Some(last.unwrap_or(error));
                }
                other => return other.map(|connection| (connection, self.named)),
            }
        }
        Err(last.unwrap_or_else(|| sqlx::Error::Configuration("no way to connect".into())))
    }
}

/// libpq's words, as the modes to try in turn.
fn modes(tls: &DatabaseTls, unix_socket: bool) -> Result<&'static [MySqlSslMode], sqlx::Error> {
    if unix_socket {
        // A caching_sha2_password that the server has not seen before is sent over TLS only.
        return Ok(&[MySqlSslMode::Disabled, MySqlSslMode::Preferred]);
    }
    match tls.mode.as_deref().unwrap_or("prefer") {
        "disable" => Ok(&[MySqlSslMode::Disabled]),
        "allow" => Ok(&[MySqlSslMode::Disabled, MySqlSslMode::Preferred]),
        "prefer" => Ok(&[MySqlSslMode::Preferred, MySqlSslMode::Disabled]),
        "require" => Ok(&[MySqlSslMode::Required]),
        "verify-ca" => Ok(&[MySqlSslMode::VerifyCa]),
        "verify-full" => Ok(&[MySqlSslMode::VerifyIdentity]),
        other => Err(sqlx::Error::Configuration(format!("{other:?} is no TLS mode").into())),
    }
}

pub(super) async fn fetch(
    raw: &mut MySqlConnection,
    named: bool,
    statement: &Statement,
    binds: &[Bind<'_>],
) -> Result<Vec<MySqlRow>, sqlx::Error> {
    if named {
        return query(statement, binds).fetch_all(raw).await;
    }
    raw.fetch_all(sqlx::raw_sql(AssertSqlSafe(statement.literal(binds)))).await
}

pub(super) async fn execute(
    raw: &mut MySqlConnection,
    named: bool,
    statement: &Statement,
    binds: &[Bind<'_>],
) -> Result<u64, sqlx::Error> {
    let done = if named {
        query(statement, binds).execute(raw).await
    } else {
        raw.execute(sqlx::raw_sql(AssertSqlSafe(statement.literal(binds)))).await
    };
    done.map(|done| done.rows_affected())
}

fn query<'q>(statement: &Statement, binds: &[Bind<'_>]) -> Query<'q, MySql, MySqlArguments> {
    statement.arrange(binds).fold(sqlx::query(AssertSqlSafe(statement.prepared())), |query, bind| match bind {
        Bind::Null => query.bind(None::<&str>),
        Bind::Bool(flag) => query.bind(flag),
        Bind::Int(number) => query.bind(number),
        // MariaDB's own type; mysqlclient writes str(uuid). sqlx would send the 16 bytes.
        Bind::Uuid(uuid) => query.bind(uuid.hyphenated().to_string()),
        Bind::Text(text) => query.bind(text),
    })
}
