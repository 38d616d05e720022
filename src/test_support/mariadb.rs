//! MariaDB.

use std::{
    process::Command,
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use super::{Account, Folder, Process, free_port, is_root, program, stdout};
use crate::{
    database::{DatabaseOptions, DatabaseServer, DatabaseTls, Prepared},
    secret::Secret,
};

/// The password of the user `sluice`.
pub(crate) const PASSWORD: &str = "the password of sluice";

/// A MariaDB with the user `sluice`, and utf8mb4 with its usual collation.
pub(crate) struct MariaDb {
    process: Process,
    port: u16,
    extra: Vec<String>,
    folder: Folder,
}

impl MariaDb {
    /// One server for all tests that leave it alone.
    pub(crate) fn shared() -> &'static Self {
        static SHARED: OnceLock<MariaDb> = OnceLock::new();
        SHARED.get_or_init(Self::start)
    }

    /// A server of one's own, to pause and to kill.
    pub(crate) fn start() -> Self {
        Self::start_with(&[])
    }

    /// As [`start`](Self::start), with further options such as `--ssl-cert=...`.
    pub(crate) fn start_with(extra: &[&str]) -> Self {
        let folder = Folder::new(Account::Own);
        let mut install = Command::new(program("mariadb-install-db"));
        install.args(["--no-defaults", "--auth-root-authentication-method=normal", "--skip-test-db"]);
        install.arg(format!("--datadir={}", folder.file("data")));
        if is_root() {
            install.arg("--user=root");
        }
        stdout(&mut install);
        let port = free_port();
        let extra = extra.iter().map(|&option| option.to_owned()).collect::<Vec<_>>();
        let server = Self { process: Self::launch(&folder, port, &extra), port, extra, folder };
        server.wait_until_ready();
        server.sql("mysql", &format!("CREATE USER sluice@'%' IDENTIFIED BY '{PASSWORD}'"));
        server.sql("mysql", "GRANT ALL ON *.* TO sluice@'%'");
        server
    }

    fn launch(folder: &Folder, port: u16, extra: &[String]) -> Process {
        let files = [("datadir", "data"), ("socket", "socket"), ("pid-file", "pid")];
        let mut args = files.map(|(option, file)| format!("--{option}={}", folder.file(file))).to_vec();
        args.insert(0, "--no-defaults".to_owned());
        args.push(format!("--port={port}"));
        args.extend(["--bind-address=127.0.0.1", "--skip-name-resolve"].map(str::to_owned));
        args.extend(["--innodb-buffer-pool-size=16M", "--innodb-flush-log-at-trx-commit=0"].map(str::to_owned));
        args.extend(["--character-set-server=utf8mb4", "--collation-server=utf8mb4_general_ci"].map(str::to_owned));
        args.extend_from_slice(extra);
        if is_root() {
            args.push("--user=root".to_owned());
        }
        let args = args.iter().map(String::as_str).collect::<Vec<_>>();
        Process::start(Account::Own, &program("mariadbd"), &args, &folder.file("log"))
    }

    fn client(&self, database: &str, sql: &str) -> Command {
        let mut command = Command::new(program("mariadb"));
        command.args(["--no-defaults", "-uroot", "-NB", "--default-character-set=utf8mb4"]);
        command.arg(format!("--socket={}", self.socket())).args([database, "-e", sql]);
        command
    }

    fn wait_until_ready(&self) {
        let started = Instant::now();
        while !self.client("mysql", "SELECT 1").output().unwrap().status.success() {
            let log = || std::fs::read_to_string(self.folder.file("log")).unwrap_or_default();
            assert!(started.elapsed() < Duration::from_mins(1), "MariaDB does not start: {}", log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Its unix socket.
    pub(crate) fn socket(&self) -> String {
        self.folder.file("socket")
    }

    /// What a statement prints, without headings, with tabs between columns.
    pub(crate) fn sql(&self, database: &str, sql: &str) -> String {
        stdout(&mut self.client(database, sql))
    }

    /// A new empty database, by its name.
    pub(crate) fn create_database(&self) -> String {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("db{}", NEXT.fetch_add(1, Ordering::Relaxed));
        self.sql("mysql", &format!("CREATE DATABASE {name}"));
        name
    }

    /// How to reach `database` over TCP.
    pub(crate) fn options(&self, database: &str) -> DatabaseOptions {
        DatabaseOptions {
            server: DatabaseServer::MySql {
                host: "127.0.0.1".to_owned(),
                port: self.port,
                unix_socket: None,
                user: "sluice".to_owned(),
                password: Some(Secret::new(PASSWORD)),
                database: database.to_owned(),
                tls: DatabaseTls::default(),
                charset: "utf8mb4".to_owned(),
            },
            max_connections: 10,
            timeout: Duration::from_secs(10),
            prepared: Prepared::Auto,
        }
    }

    /// Stops the server where it stands; connections stay open.
    pub(crate) fn pause(&self) {
        self.process.pause();
    }

    /// Undoes [`pause`](Self::pause).
    pub(crate) fn resume(&self) {
        self.process.signal("CONT");
    }

    /// Kills the server.
    pub(crate) fn kill(&self) {
        self.process.kill();
    }

    /// Starts it again on the same port and files.
    pub(crate) fn restart(&mut self) {
        self.process = Self::launch(&self.folder, self.port, &self.extra);
        self.wait_until_ready();
    }
}
