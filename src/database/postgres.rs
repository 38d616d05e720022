//! PostgreSQL's connections.

use std::sync::atomic::{AtomicBool, Ordering};

use sqlx::{
    AssertSqlSafe, ConnectOptions, Encode, Executor, PgConnection, Postgres, Row as _, Type,
    encode::IsNull,
    error::{BoxDynError, DatabaseError},
    postgres::{PgArgumentBuffer, PgArguments, PgConnectOptions, PgRow, PgSslMode, PgTypeInfo, types::Oid},
    query::Query,
};
use uuid::Uuid;

use super::{Bind, DatabaseServer, DatabaseTls, Prepared, Statement, StatementError, error::is_tls};

/// How to reach one PostgreSQL, or the pooler in front of it.
pub(super) struct PostgresConnector {
    /// What libpq would try in turn for the `sslmode`.
    attempts: Vec<PgConnectOptions>,
    prepared: Prepared,
    /// A connection has shown that a pooler stands in between.
    pooled: AtomicBool,
}

impl PostgresConnector {
    pub(super) fn new(server: &DatabaseServer, prepared: Prepared) -> Result<Self, sqlx::Error> {
        let DatabaseServer::Postgres { host, port, user, password, database, tls, options } = server else {
            return Err(sqlx::Error::Configuration("not a PostgreSQL".into()));
        };
        let modes = modes(tls, host)?;
        // sqlx takes libpq's whole `options` from a URL only.
        let mut url =
            url::Url::parse("postgres://localhost").map_err(|error| sqlx::Error::Configuration(error.into()))?;
        if let Some(options) = options.as_deref().filter(|options| !options.trim().is_empty()) {
            url.query_pairs_mut().append_pair("options", options);
        }
        let mut base = PgConnectOptions::from_url(&url)?
            .host(host)
            .port(*port)
            .username(user)
            .database(database)
            .application_name("sluicegate")
            // pgbouncer refuses this start-up parameter, and no float is read.
            .extra_float_digits(None)
            // A statement holds values where it is not prepared.
            .disable_statement_logging();
        if let Some(password) = password {
            base = base.password(password.expose());
        }
        if let Some(file) = &tls.root_certificate {
            base = base.ssl_root_cert(file);
        }
        if let (Some(certificate), Some(key)) = (&tls.client_certificate, &tls.client_key) {
            base = base.ssl_client_cert(certificate).ssl_client_key(key);
        }
        let attempts = modes.iter().map(|&mode| base.clone().ssl_mode(mode)).collect();
        Ok(Self { attempts, prepared, pooled: AtomicBool::new(false) })
    }

    /// Whether a connection has shown that a pooler stands in between.
    pub(super) fn is_pooled(&self) -> bool {
        self.pooled.load(Ordering::Relaxed)
    }

    /// A connection, and whether it may have named statements.
    ///
    /// Behind a pooler in transaction mode two clients share a server's session, and both call their first statement
    /// `sqlx_s_1`: one would run the other's. So a name is used only in a session that has proved to be this
    /// connection's own: it knows a setting that only this connection's start-up packet had. pgbouncer refuses the
    /// parameter `options` or, told to ignore it, drops it.
    pub(super) async fn connect(&self) -> Result<(PgConnection, bool), sqlx::Error> {
        let probe = match self.prepared {
            Prepared::Always => return Ok((self.dial(None).await?, true)),
            Prepared::Never => None,
            Prepared::Auto if self.pooled.load(Ordering::Relaxed) => None,
            Prepared::Auto => Some(Uuid::new_v4().simple().to_string()),
        };
        let Some(probe) = probe else { return Ok((self.dial(None).await?, false)) };
        let mut connection = match self.dial(Some(&probe)).await {
            Err(sqlx::Error::Database(error)) if refuses_parameter(&*error) => {
                let connection = self.dial(None).await?;
                self.pooled.store(true, Ordering::Relaxed);
                return Ok((connection, false));
            }
            other => other?,
        };
        let row = connection.fetch_one(sqlx::raw_sql("SELECT current_setting('sluicegate.session', true)")).await?;
        let own = row.try_get_unchecked::<Option<String>, _>(0)?.is_some_and(|setting| setting == probe);
        if !own {
            self.pooled.store(true, Ordering::Relaxed);
        }
        Ok((connection, own))
    }

    async fn dial(&self, probe: Option<&str>) -> Result<PgConnection, sqlx::Error> {
        let mut last = None;
        for options in &self.attempts {
            let probed = probe.map(|probe| options.clone().options([("sluicegate.session", probe)]));
            match probed.as_ref().unwrap_or(options).connect().await {
                Err(error) if refuses_transport(&error) => last = Some(last.unwrap_or(error)),
                other => return other,
            }
        }
        Err(last.unwrap_or_else(|| sqlx::Error::Configuration("no way to connect".into())))
    }
}

/// Whether a pooler or a relative of PostgreSQL refuses a start-up parameter that it does not know. 08P01 is pgbouncer's
/// code for everything.
fn refuses_parameter(error: &dyn DatabaseError) -> bool {
    match error.code().as_deref() {
        Some("08P01") => error.message().contains("parameter"),
        Some(code) => matches!(code, "0A000" | "22023" | "42501" | "42704"),
        None => false,
    }
}

/// Whether libpq would try the other of TLS and plain text: the handshake failed, or `pg_hba.conf` has no line for it.
fn refuses_transport(error: &sqlx::Error) -> bool {
    let unfit = |error: &dyn DatabaseError| error.code().as_deref() == Some("28000");
    is_tls(error) || error.as_database_error().is_some_and(unfit)
}

/// libpq's `sslmode`, as the modes to try in turn.
///
/// sqlx trusts the public certificate authorities beside the root certificate, libpq only the latter: `verify-full`, which
/// checks the name too, makes up for that.
fn modes(tls: &DatabaseTls, host: &str) -> Result<&'static [PgSslMode], sqlx::Error> {
    if host.starts_with('/') {
        // libpq ignores sslmode on a unix socket.
        return Ok(&[PgSslMode::Disable]);
    }
    match tls.mode.as_deref().unwrap_or("prefer") {
        "disable" => Ok(&[PgSslMode::Disable]),
        "allow" => Ok(&[PgSslMode::Disable, PgSslMode::Require]),
        "prefer" => Ok(&[PgSslMode::Prefer, PgSslMode::Disable]),
        // As in libpq, a root certificate makes `require` check it.
        "require" if tls.root_certificate.is_some() => Ok(&[PgSslMode::VerifyCa]),
        "require" => Ok(&[PgSslMode::Require]),
        "verify-ca" => Ok(&[PgSslMode::VerifyCa]),
        "verify-full" => Ok(&[PgSslMode::VerifyFull]),
        other => Err(sqlx::Error::Configuration(format!("{other:?} is no sslmode").into())),
    }
}

pub(super) async fn fetch(
    raw: &mut PgConnection,
    named: bool,
    statement: &Statement,
    binds: &[Bind<'_>],
) -> Result<Vec<PgRow>, sqlx::Error> {
    refuse_nul(binds)?;
    if named {
        return query(statement, binds).fetch_all(raw).await;
    }
    // One message, so that no pooler can send its parts to two servers.
    raw.fetch_all(sqlx::raw_sql(AssertSqlSafe(statement.literal(binds)))).await
}

pub(super) async fn execute(
    raw: &mut PgConnection,
    named: bool,
    statement: &Statement,
    binds: &[Bind<'_>],
) -> Result<u64, sqlx::Error> {
    refuse_nul(binds)?;
    let done = if named {
        query(statement, binds).execute(raw).await
    } else {
        raw.execute(sqlx::raw_sql(AssertSqlSafe(statement.literal(binds)))).await
    };
    done.map(|done| done.rows_affected())
}

/// The character NUL would end the message before the statement's end. psycopg refuses it too.
fn refuse_nul(binds: &[Bind<'_>]) -> Result<(), sqlx::Error> {
    let has_nul = |bind: &Bind<'_>| matches!(bind, Bind::Text(text) if text.contains('\0'));
    if binds.iter().any(has_nul) { Err(sqlx::Error::Encode(StatementError::Nul.into())) } else { Ok(()) }
}

fn query<'q>(statement: &Statement, binds: &[Bind<'_>]) -> Query<'q, Postgres, PgArguments> {
    statement.arrange(binds).fold(sqlx::query(AssertSqlSafe(statement.prepared())), |query, bind| match bind {
        Bind::Null => query.bind(None::<Untyped<'_>>),
        Bind::Bool(flag) => query.bind(flag),
        Bind::Int(number) => query.bind(number),
        Bind::Uuid(uuid) => query.bind(uuid),
        Bind::Text(text) => query.bind(Untyped(text)),
    })
}

/// Text whose type the server finds, as it does for a quoted literal. Called `text`, a comparison with a `citext` column
/// would tell upper from lower case, which Django's does not.
struct Untyped<'a>(&'a str);

impl Type<Postgres> for Untyped<'_> {
    fn type_info() -> PgTypeInfo {
        PgTypeInfo::with_oid(Oid(0))
    }
}

impl Encode<'_, Postgres> for Untyped<'_> {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        <&str as Encode<'_, Postgres>>::encode_by_ref(&self.0, buffer)
    }
}
