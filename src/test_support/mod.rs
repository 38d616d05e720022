//! Real servers for tests: each listens on a free port of 127.0.0.1, keeps its files in a folder of its own, and is
//! gone when the test program ends, however that ends.

mod folder;
mod process;

pub(crate) mod certificates;
pub(crate) mod mariadb;
pub(crate) mod pgbouncer;
pub(crate) mod postgres;
pub(crate) mod redis;

use std::{
    net::{Ipv4Addr, TcpListener},
    path::PathBuf,
    process::Command,
    sync::OnceLock,
};

pub(crate) use folder::Folder;
pub(crate) use process::{Account, Process};

/// The program `name`, from `PATH` or a folder that distributions keep it in.
///
/// # Panics
///
/// Names the program if it is not installed: such a test fails, it is not skipped.
pub(crate) fn program(name: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let postgres =
        std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten().map(|e| e.path().join("bin"));
    let folders = postgres.chain(std::env::split_paths(&path)).chain(["/usr/sbin".into(), "/usr/local/sbin".into()]);
    let found = folders.map(|folder| folder.join(name)).find(|file| file.is_file());
    found.unwrap_or_else(|| panic!("this test needs the program {name}, which is not installed"))
}

/// A port that nothing listens on.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}

/// Whether the tests run as root, which PostgreSQL and pgbouncer refuse to do.
pub(crate) fn is_root() -> bool {
    static ROOT: OnceLock<bool> = OnceLock::new();
    *ROOT.get_or_init(|| stdout(Command::new("id").arg("-u")).trim() == "0")
}

/// What `command` prints; panics with what it says if it fails.
pub(crate) fn stdout(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[cfg(test)]
mod tests {
    use super::{mariadb::MariaDb, pgbouncer::PgBouncer, postgres::Postgres};

    #[test]
    fn the_servers_start_and_answer() {
        let postgres = Postgres::shared();
        let database = postgres.create_database();
        assert_eq!(postgres.sql(&database, "SELECT 1, 'x'").trim(), "1|x");
        PgBouncer::start(postgres, 1, "");
        let mariadb = MariaDb::shared();
        let database = mariadb.create_database();
        assert_eq!(mariadb.sql(&database, "SELECT 1, 'x'").trim(), "1\tx");
    }

    #[test]
    fn a_killed_server_can_be_started_again() {
        let mut postgres = Postgres::start(&[]);
        postgres.kill();
        postgres.restart();
        assert_eq!(postgres.sql("postgres", "SELECT 1").trim(), "1");
    }
}
