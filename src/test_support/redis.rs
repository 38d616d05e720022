//! Redis and its Sentinels.

use std::{
    io::{BufRead, BufReader},
    process::{Child, ChildStdout, Command, Stdio},
    sync::OnceLock,
    time::{Duration, Instant},
};

use super::{Account, Folder, Process, free_port, program, stdout};
use crate::redis::{RedisAddress, RedisOptions, RedisTls, RedisTopology};

/// A Redis without persistence, on a port and on a unix socket.
pub(crate) struct Redis {
    process: Process,
    port: u16,
    extra: Vec<String>,
    folder: Folder,
}

impl Redis {
    /// One server for all tests that leave it alone.
    pub(crate) fn shared() -> &'static Self {
        static SHARED: OnceLock<Redis> = OnceLock::new();
        SHARED.get_or_init(|| Self::start(&[]))
    }

    /// A server of one's own, to pause and to kill; `extra` are options such as `--requirepass`, `secret`.
    pub(crate) fn start(extra: &[&str]) -> Self {
        let (folder, port) = (Folder::new(Account::Own), free_port());
        let extra = extra.iter().map(|&option| option.to_owned()).collect::<Vec<_>>();
        let server = Self { process: Self::launch(&folder, port, &extra), port, extra, folder };
        server.wait_until_ready();
        server
    }

    fn launch(folder: &Folder, port: u16, extra: &[String]) -> Process {
        let (port, socket) = (port.to_string(), folder.file("socket"));
        let mut args = vec!["--bind", "127.0.0.1", "--port", &port, "--unixsocket", &socket];
        args.extend(["--save", "", "--appendonly", "no", "--dir", folder.path().to_str().unwrap()]);
        args.extend(["--repl-diskless-sync-delay", "0"]);
        args.extend(extra.iter().map(String::as_str));
        Process::start(Account::Own, &program("redis-server"), &args, &folder.file("log"))
    }

    fn wait_until_ready(&self) {
        let started = Instant::now();
        // An answer of any kind: the server may want a password, or be loading.
        while !self.client(&["PING"]).output().unwrap().status.success() {
            let log = || std::fs::read_to_string(self.folder.file("log")).unwrap_or_default();
            assert!(started.elapsed() < Duration::from_secs(30), "Redis does not start: {}", log());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn client(&self, command: &[&str]) -> Command {
        let mut client = Command::new(program("redis-cli"));
        client.args(["--raw", "-s", &self.socket()]).args(command);
        client
    }

    /// What Redis answers, as `redis-cli --raw` prints it, without the last line's end.
    pub(crate) fn command(&self, command: &[&str]) -> String {
        stdout(&mut self.client(command)).trim_end_matches('\n').to_owned()
    }

    /// Shows from now on what others send.
    pub(crate) fn monitor(&self) -> Monitor {
        let mut client = self.client(&["MONITOR"]).stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(client.stdout.take().unwrap());
        let mut ready = String::new();
        lines.read_line(&mut ready).unwrap();
        assert_eq!(ready, "OK\n");
        Monitor { client, lines }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Its unix socket.
    pub(crate) fn socket(&self) -> String {
        self.folder.file("socket")
    }

    /// How to reach it over TCP, without a password.
    pub(crate) fn options(&self) -> RedisOptions {
        options(RedisTopology::Single(tcp(self.port, None)))
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

    /// Starts it again on the same port, empty.
    pub(crate) fn restart(&mut self) {
        self.process = Self::launch(&self.folder, self.port, &self.extra);
        self.wait_until_ready();
    }
}

/// `MONITOR`.
pub(crate) struct Monitor {
    client: Child,
    lines: BufReader<ChildStdout>,
}

impl Monitor {
    /// The commands so far, each argument in quotes, up to and with the first that contains `last`; without those that
    /// scripts run.
    pub(crate) fn until(&mut self, last: &str) -> Vec<String> {
        let mut commands = Vec::new();
        while !commands.last().is_some_and(|command: &String| command.contains(last)) {
            let mut line = String::new();
            assert_ne!(self.lines.read_line(&mut line).unwrap(), 0, "MONITOR ended");
            // `1700000000.000000 [0 127.0.0.1:50000] "GET" "key"`
            let (client, command) = line.split_once("] ").unwrap();
            if !client.ends_with(" lua") {
                commands.push(command.trim_end().to_owned());
            }
        }
        commands
    }
}

impl Drop for Monitor {
    fn drop(&mut self) {
        let _ = self.client.kill();
        let _ = self.client.wait();
    }
}

/// A Redis that speaks TLS on `port`, and the files for it.
pub(crate) struct TlsRedis {
    /// Runs as long as this lives.
    _redis: Redis,
    port: u16,
    files: Folder,
}

impl TlsRedis {
    /// A server whose certificate names `name` (as `DNS:localhost`); `extra` are further options, such as
    /// `--tls-auth-clients yes`.
    pub(crate) fn start(name: &str, extra: &[&str]) -> Self {
        let (files, port) = (Folder::new(Account::Own), free_port());
        openssl(
            &files,
            "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=authority -keyout ca.key -out ca.pem",
        );
        for (file, extension) in [("server", format!("subjectAltName={name}")), ("client", String::new())] {
            std::fs::write(files.file("extension"), format!("basicConstraints=CA:FALSE\n{extension}\n")).unwrap();
            openssl(
                &files,
                &format!(
                    "req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN={file} -keyout {file}.key -out {file}.csr"
                ),
            );
            openssl(
                &files,
                &format!(
                    "x509 -req -in {file}.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile extension -out {file}.pem"
                ),
            );
        }
        Self::launch(files, port, extra)
    }

    /// A server whose certificate, which names `name`, is its own authority, as `openssl req -x509` makes them.
    pub(crate) fn self_signed(name: &str) -> Self {
        let (files, port) = (Folder::new(Account::Own), free_port());
        openssl(
            &files,
            &format!(
                "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=redis -addext subjectAltName={name} -keyout server.key -out server.pem"
            ),
        );
        std::fs::copy(files.file("server.pem"), files.file("ca.pem")).unwrap();
        Self::launch(files, port, &[])
    }

    fn launch(files: Folder, port: u16, extra: &[&str]) -> Self {
        let (port_text, ca) = (port.to_string(), files.file("ca.pem"));
        let (certificate, key) = (files.file("server.pem"), files.file("server.key"));
        let mut options = vec!["--tls-port", &port_text, "--tls-cert-file", &certificate, "--tls-key-file", &key];
        options.extend(["--tls-ca-cert-file", &ca, "--tls-auth-clients", "no"]);
        options.extend(extra);
        let redis = Redis::start(&options);
        Self { _redis: redis, port, files }
    }

    /// How to reach it; `tls` may name `ca.pem`, `client.pem` and `client.key` by [`file`](Self::file).
    pub(crate) fn options(&self, tls: RedisTls) -> RedisOptions {
        options(RedisTopology::Single(tcp(self.port, Some(tls))))
    }

    pub(crate) fn file(&self, name: &str) -> std::path::PathBuf {
        self.files.path().join(name)
    }
}

fn openssl(files: &Folder, command: &str) {
    stdout(Command::new(program("openssl")).args(command.split(' ')).current_dir(files.path()));
}

/// The name of the service that [`Sentinel`]s watch.
pub(crate) const SERVICE: &str = "mymaster";

/// A Sentinel that watches one primary and its replicas.
pub(crate) struct Sentinel {
    process: Process,
    port: u16,
    _folder: Folder,
}

impl Sentinel {
    /// Starts it; it alone is a quorum, and finds a primary down after half a second.
    pub(crate) fn start(primary: &Redis, extra: &str) -> Self {
        let (folder, port) = (Folder::new(Account::Own), free_port());
        let file = folder.file("sentinel.conf");
        let text = format!(
            "port {port}\nbind 127.0.0.1\ndir {}\nsentinel monitor {SERVICE} 127.0.0.1 {} 1\n\
             sentinel down-after-milliseconds {SERVICE} 500\nsentinel failover-timeout {SERVICE} 2000\n{extra}\n",
            folder.path().display(),
            primary.port
        );
        std::fs::write(&file, text).unwrap();
        let log = folder.file("log");
        let process = Process::start(Account::Own, &program("redis-sentinel"), &[&file], &log);
        let sentinel = Self { process, port, _folder: folder };
        let started = Instant::now();
        while !sentinel.client(&["PING"]).output().unwrap().status.success() {
            let log = || std::fs::read_to_string(&log).unwrap_or_default();
            assert!(started.elapsed() < Duration::from_secs(30), "the Sentinel does not start: {}", log());
            std::thread::sleep(Duration::from_millis(10));
        }
        sentinel
    }

    fn client(&self, command: &[&str]) -> Command {
        let mut client = Command::new(program("redis-cli"));
        client.args(["--raw", "-p", &self.port.to_string()]).args(command);
        client
    }

    /// Waits until it knows a replica, without which there is nothing to fail over to.
    pub(crate) fn wait_for_replica(&self) {
        let started = Instant::now();
        while stdout(&mut self.client(&["SENTINEL", "REPLICAS", SERVICE])).trim().is_empty() {
            assert!(started.elapsed() < Duration::from_secs(30), "the Sentinel finds no replica");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    pub(crate) fn address(&self) -> RedisAddress {
        tcp(self.port, None)
    }

    /// Kills it.
    pub(crate) fn kill(&self) {
        self.process.kill();
    }
}

/// `sentinels` and their service, without passwords.
pub(crate) fn by_sentinel(sentinels: Vec<RedisAddress>) -> RedisOptions {
    options(RedisTopology::Sentinel {
        sentinels,
        service: SERVICE.to_owned(),
        sentinel_username: None,
        sentinel_password: None,
        primary_tls: None,
    })
}

/// Database 0 without a password.
pub(crate) fn options(topology: RedisTopology) -> RedisOptions {
    RedisOptions { topology, username: None, password: None, database: 0 }
}

/// A port of this machine.
pub(crate) fn tcp(port: u16, tls: Option<RedisTls>) -> RedisAddress {
    RedisAddress::Tcp { host: "127.0.0.1".to_owned(), port, tls }
}
