//! TLS, in libpq's words.

use super::{statement, text};
use crate::{
    database::{Access, DatabaseOptions, DatabaseServer, DatabaseTls, Pool, Problem},
    test_support::{Account, certificates::Certificates, mariadb::MariaDb, postgres::Postgres},
};

fn with_tls(options: &DatabaseOptions, mode: &str, root: Option<&str>) -> DatabaseOptions {
    let mut options = options.clone();
    let (DatabaseServer::Postgres { tls, .. } | DatabaseServer::MySql { tls, .. }) = &mut options.server else {
        unreachable!()
    };
    *tls =
        DatabaseTls { mode: Some(mode.to_owned()), root_certificate: root.map(Into::into), ..DatabaseTls::default() };
    options
}

/// What the first column says, or the problem.
async fn answer(options: &DatabaseOptions, sql: &str) -> Result<Option<String>, Problem> {
    let pool = Pool::new(options, Access::Read).unwrap();
    let rows = pool.fetch(&statement(&pool, sql), &[]).await.map_err(|error| error.problem())?;
    Ok(rows[0].text(0).unwrap())
}

/// Has the server admit TCP connections by this one line of `pg_hba.conf`.
fn admit(server: &Postgres, line: &str) {
    let loaded = || server.sql("postgres", "SELECT pg_conf_load_time()");
    let (file, before) = (server.sql("postgres", "SHOW hba_file"), loaded());
    std::fs::write(file.trim(), format!("local all all trust\n{line}\n")).unwrap();
    server.sql("postgres", "SELECT pg_reload_conf()");
    while loaded() == before {}
}

#[tokio::test]
async fn the_modes_of_libpq_are_kept() {
    let account = Account::Unprivileged;
    let own = Certificates::new(account, "IP:127.0.0.1", "postgres");
    let other = Certificates::new(account, "DNS:elsewhere", "postgres");
    let file = |option: &str, name: &str| format!("{option}={}", own.file(name));
    let [certificate, key, ca] =
        [file("ssl_cert_file", "server.pem"), file("ssl_key_file", "server.key"), file("ssl_ca_file", "ca.pem")];
    let server = Postgres::start(&["-c", "ssl=on", "-c", &certificate, "-c", &key, "-c", &ca]);
    let options = server.options("postgres");
    let encrypted = "SELECT ssl::text FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
    let (root, wrong) = (own.file("ca.pem"), other.file("ca.pem"));
    for (mode, root, expected) in [
        ("disable", None, Ok(Some("false".to_owned()))),
        ("allow", None, Ok(Some("false".to_owned()))),
        ("prefer", None, Ok(Some("true".to_owned()))),
        ("require", None, Ok(Some("true".to_owned()))),
        ("require", Some(&root), Ok(Some("true".to_owned()))),
        ("require", Some(&wrong), Err(Problem::Tls)),
        ("verify-ca", Some(&root), Ok(Some("true".to_owned()))),
        ("verify-ca", Some(&wrong), Err(Problem::Tls)),
        ("verify-full", Some(&root), Ok(Some("true".to_owned()))),
        ("verify-full", Some(&wrong), Err(Problem::Tls)),
    ] {
        let options = with_tls(&options, mode, root.map(String::as_str));
        assert_eq!(answer(&options, encrypted).await, expected, "{mode} {root:?}");
    }
    // The certificate is for the address, not for the name.
    let mut named = with_tls(&options, "verify-full", Some(&root));
    let DatabaseServer::Postgres { host, .. } = &mut named.server else { unreachable!() };
    "localhost".clone_into(host);
    assert_eq!(answer(&named, encrypted).await, Err(Problem::Tls));
}

#[tokio::test]
async fn a_server_that_takes_only_one_of_tls_and_plain_text_is_reached() {
    let own = Certificates::new(Account::Unprivileged, "IP:127.0.0.1", "postgres");
    let (certificate, key) =
        (format!("ssl_cert_file={}", own.file("server.pem")), format!("ssl_key_file={}", own.file("server.key")));
    let ca = format!("ssl_ca_file={}", own.file("ca.pem"));
    let server = Postgres::start(&["-c", "ssl=on", "-c", &certificate, "-c", &key, "-c", &ca]);
    let options = server.options("postgres");
    let encrypted = "SELECT ssl::text FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
    for (line, mode, expected) in [
        ("hostssl all all all scram-sha-256", "allow", Ok(Some("true".to_owned()))),
        ("hostssl all all all scram-sha-256", "disable", Err(Problem::LoginRefused)),
        ("hostnossl all all all scram-sha-256", "prefer", Ok(Some("false".to_owned()))),
        ("hostnossl all all all scram-sha-256", "require", Err(Problem::LoginRefused)),
    ] {
        admit(&server, line);
        assert_eq!(answer(&with_tls(&options, mode, None), encrypted).await, expected, "{line} {mode}");
    }
    // A client's certificate in the place of a password.
    admit(&server, "hostssl all all all cert");
    let mut with_certificate = with_tls(&options, "verify-full", Some(&own.file("ca.pem")));
    assert_eq!(answer(&with_certificate, "SELECT current_user::text").await, Err(Problem::LoginRefused));
    let DatabaseServer::Postgres { tls, password, .. } = &mut with_certificate.server else { unreachable!() };
    *password = None;
    tls.client_certificate = Some(own.file("client.pem").into());
    tls.client_key = Some(own.file("client.key").into());
    assert_eq!(answer(&with_certificate, "SELECT current_user::text").await, Ok(Some("postgres".to_owned())));
}

#[tokio::test]
async fn mariadb_is_reached_over_tls() {
    let own = Certificates::new(Account::Own, "IP:127.0.0.1", "sluice");
    let other = Certificates::new(Account::Own, "DNS:elsewhere", "sluice");
    let [certificate, key] = ["cert", "key"].map(|option| {
        let name = if option == "cert" { "server.pem" } else { "server.key" };
        format!("--ssl-{option}={}", own.file(name))
    });
    let server = MariaDb::start_with(&[&certificate, &key]);
    let options = server.options("mysql");
    let cipher = "SELECT IF(VARIABLE_VALUE = '', 'plain', 'tls') FROM information_schema.SESSION_STATUS \
                  WHERE VARIABLE_NAME = 'Ssl_cipher'";
    let (root, wrong) = (own.file("ca.pem"), other.file("ca.pem"));
    for (mode, root, expected) in [
        ("disable", None, Ok("plain")),
        ("prefer", None, Ok("tls")),
        ("require", None, Ok("tls")),
        ("verify-ca", Some(&wrong), Err(Problem::Tls)),
        ("verify-full", Some(&root), Ok("tls")),
    ] {
        let options = with_tls(&options, mode, root.map(String::as_str));
        let expected = expected.map(|text| Some(text.to_owned()));
        assert_eq!(answer(&options, cipher).await, expected, "{mode} {root:?}");
    }
    // A server without TLS.
    let plain = with_tls(&MariaDb::shared().options("mysql"), "prefer", None);
    let pool = Pool::new(&plain, Access::Read).unwrap();
    assert_eq!(text(&pool, cipher, &[]).await.as_deref(), Some("plain"));
}
