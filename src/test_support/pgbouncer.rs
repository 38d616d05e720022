//! pgbouncer, the usual pooler in front of PostgreSQL.

use std::{
    net::{Ipv4Addr, TcpStream},
    time::{Duration, Instant},
};

use super::{
    Account, Folder, Process, free_port,
    postgres::{PASSWORD, Postgres},
    program,
};
use crate::database::{DatabaseOptions, DatabaseServer};

/// A pgbouncer in transaction mode.
pub(crate) struct PgBouncer {
    _process: Process,
    port: u16,
    _folder: Folder,
}

impl PgBouncer {
    /// Starts it in front of `server`, with `pool_size` connections to each database; `extra` are further lines of its
    /// configuration.
    pub(crate) fn start(server: &Postgres, pool_size: u32, extra: &str) -> Self {
        let (folder, port) = (Folder::new(Account::Unprivileged), free_port());
        let users = folder.file("users");
        std::fs::write(&users, format!("\"postgres\" \"{PASSWORD}\"\n")).unwrap();
        let configuration = folder.file("pgbouncer.ini");
        let text = format!(
            "[databases]\n* = host=127.0.0.1 port={}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\n\
             unix_socket_dir =\nauth_type = scram-sha-256\nauth_file = {users}\npool_mode = transaction\n\
             default_pool_size = {pool_size}\nmax_client_conn = 500\n{extra}\n",
            server.port()
        );
        std::fs::write(&configuration, text).unwrap();
        let log = folder.file("log");
        let process = Process::start(Account::Unprivileged, &program("pgbouncer"), &[&configuration], &log);
        let started = Instant::now();
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            let log = || std::fs::read_to_string(&log).unwrap_or_default();
            assert!(started.elapsed() < Duration::from_secs(30), "pgbouncer does not start: {}", log());
            std::thread::sleep(Duration::from_millis(10));
        }
        Self { _process: process, port, _folder: folder }
    }

    /// `options`, but through this pooler.
    pub(crate) fn before(&self, mut options: DatabaseOptions) -> DatabaseOptions {
        if let DatabaseServer::Postgres { port, .. } = &mut options.server {
            *port = self.port;
        }
        options
    }
}
