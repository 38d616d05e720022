//! PostgreSQL.

use std::{
    process::{Command, Stdio},
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use super::{Account, Folder, Process, free_port, program, stdout};
use crate::{
    database::{DatabaseOptions, DatabaseServer, DatabaseTls, Prepared},
    secret::Secret,
};

/// The password of the user `postgres`.
pub(crate) const PASSWORD: &str = "the password of postgres";

/// A PostgreSQL that asks for a password (SCRAM) over TCP and trusts its unix socket.
pub(crate) struct Postgres {
    process: Process,
    port: u16,
    extra: Vec<String>,
    folder: Folder,
}

impl Postgres {
    /// One server for all tests that leave it alone.
    pub(crate) fn shared() -> &'static Self {
        static SHARED: OnceLock<Postgres> = OnceLock::new();
        SHARED.get_or_init(|| Self::start(&[]))
    }

    /// A server of one's own, to pause and to kill; `extra` are options such as `-c ssl=on`.
    pub(crate) fn start(extra: &[&str]) -> Self {
        let folder = Folder::new(Account::Unprivileged);
        let password_file = folder.file("password");
        std::fs::write(&password_file, PASSWORD).unwrap();
        stdout(
            Account::Unprivileged
                .command(&program("initdb"))
                .current_dir(folder.path())
                .args(["--no-sync", "-U", "postgres", "-E", "UTF8", "--locale=C.UTF-8"])
                .args(["--auth-local=trust", "--auth-host=scram-sha-256", "--pwfile", &password_file])
                .args(["-D", &folder.file("data")]),
        );
        let port = free_port();
        let extra = extra.iter().map(|&option| option.to_owned()).collect::<Vec<_>>();
        let server = Self { process: Self::launch(&folder, port, &extra), port, extra, folder };
        server.wait_until_ready();
        server
    }

    fn launch(folder: &Folder, port: u16, extra: &[String]) -> Process {
        let (port, data) = (port.to_string(), folder.file("data"));
        let mut args = vec!["-F", "-D", &data, "-k", folder.path().to_str().unwrap(), "-h", "127.0.0.1", "-p", &port];
        args.extend(["-c", "shared_buffers=16MB", "-c", "max_connections=200"]);
        args.extend(extra.iter().map(String::as_str));
        Process::start(Account::Unprivileged, &program("postgres"), &args, &folder.file("log"))
    }

    fn wait_until_ready(&self) {
        let started = Instant::now();
        let ready = || self.client("pg_isready").arg("-q").status().unwrap().success();
        while !ready() {
            let log = || std::fs::read_to_string(self.folder.file("log")).unwrap_or_default();
            assert!(started.elapsed() < Duration::from_mins(1), "PostgreSQL does not start: {}", log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn client(&self, name: &str) -> Command {
        let mut command = Command::new(program(name));
        command.args(["-h", self.folder(), "-p", &self.port.to_string(), "-U", "postgres"]).stderr(Stdio::piped());
        command
    }

    /// The folder of its unix socket.
    pub(crate) fn folder(&self) -> &str {
        self.folder.path().to_str().unwrap()
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// What a query prints, without headings, with `|` between columns.
    pub(crate) fn sql(&self, database: &str, sql: &str) -> String {
        stdout(self.client("psql").args(["-qAtX", "-v", "ON_ERROR_STOP=1", "-d", database, "-c", sql]))
    }

    /// A new empty database, by its name.
    pub(crate) fn create_database(&self) -> String {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("db{}", NEXT.fetch_add(1, Ordering::Relaxed));
        self.sql("postgres", &format!("CREATE DATABASE {name}"));
        name
    }

    /// How to reach `database` over TCP.
    pub(crate) fn options(&self, database: &str) -> DatabaseOptions {
        DatabaseOptions {
            server: DatabaseServer::Postgres {
                host: "127.0.0.1".to_owned(),
                port: self.port,
                user: "postgres".to_owned(),
                password: Some(Secret::new(PASSWORD)),
                database: database.to_owned(),
                tls: DatabaseTls::default(),
                options: None,
            },
            max_connections: 10,
            timeout: Duration::from_secs(10),
            prepared: Prepared::Auto,
        }
    }

    /// Stops every process of the server where it stands; connections stay open.
    pub(crate) fn pause(&self) {
        self.process.pause();
    }

    /// Undoes [`pause`](Self::pause).
    pub(crate) fn resume(&self) {
        self.process.signal("CONT");
    }

    /// Kills every process of the server.
    pub(crate) fn kill(&self) {
        self.process.kill();
    }

    /// Starts it again on the same port and files.
    pub(crate) fn restart(&mut self) {
        self.process = Self::launch(&self.folder, self.port, &self.extra);
        self.wait_until_ready();
    }
}
