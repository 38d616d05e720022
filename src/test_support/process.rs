//! A server's process.

use std::{
    io::{BufRead, BufReader},
    os::unix::process::CommandExt,
    path::Path,
    process::{Child, Command, Stdio},
    sync::OnceLock,
};

use super::{folder::OwnGroup, is_root, stdout};

/// Who a server runs as.
#[derive(Clone, Copy)]
pub(crate) enum Account {
    /// Whoever runs the tests.
    Own,
    /// `postgres` where the tests run as root; whoever runs the tests otherwise.
    Unprivileged,
}

impl Account {
    /// User and group, if they are to be changed to.
    pub(crate) fn ids(self) -> Option<(u32, u32)> {
        static POSTGRES: OnceLock<(u32, u32)> = OnceLock::new();
        let id = |flag| stdout(Command::new("id").args([flag, "postgres"])).trim().parse().unwrap();
        match self {
            Self::Unprivileged if is_root() => Some(*POSTGRES.get_or_init(|| (id("-u"), id("-g")))),
            Self::Own | Self::Unprivileged => None,
        }
    }

    /// `program` run as this account.
    pub(crate) fn command(self, program: &Path) -> Command {
        let mut command = Command::new(program);
        if let Some((user, group)) = self.ids() {
            command.uid(user).gid(group);
        }
        command
    }
}

/// A running server, which ends on drop, and also where nothing is dropped (statics, a killed test program).
pub(crate) struct Process {
    pid: u32,
    guard: Child,
}

impl Process {
    /// Starts `program` with `args`; what it prints goes to the file `log`.
    pub(crate) fn start(account: Account, program: &Path, args: &[&str], log: &str) -> Self {
        // The guard prints the server's id, and ends it when its own input ends.
        let script = "log=$1; shift; \"$@\" </dev/null >>\"$log\" 2>&1 & echo $!; exec >/dev/null; read _; kill -KILL $! 2>/dev/null";
        let mut guard = account
            .command(Path::new("/bin/sh"))
            .args(["-c", script, "sh", log])
            .arg(program)
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .process_group_of_its_own()
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(guard.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Self { pid: line.trim().parse().unwrap(), guard }
    }

    /// Stops the server where it stands, and waits until it does: another thread may go on for a moment after the signal was
    /// sent, and answer.
    pub(crate) fn pause(&self) {
        self.signal("STOP");
        let children = std::fs::read_to_string(format!("/proc/{0}/task/{0}/children", self.pid)).unwrap_or_default();
        for pid in [self.pid.to_string().as_str()].into_iter().chain(children.split_whitespace()) {
            while !is_stopped(pid) {
                std::thread::sleep(std::time::Duration::from_millis(1));
            }
        }
    }

    /// Sends a signal such as `STOP`, `CONT`, `TERM` or `KILL` to the server and to the processes that it started.
    pub(crate) fn signal(&self, signal: &str) {
        // The parent first, so that it starts no more.
        let mut all = vec![self.pid.to_string()];
        let children = std::fs::read_to_string(format!("/proc/{0}/task/{0}/children", self.pid)).unwrap_or_default();
        all.extend(children.split_whitespace().map(str::to_owned));
        let _ = Command::new("kill").arg(format!("-{signal}")).args(all).stderr(Stdio::null()).status();
    }

    /// Kills the server at once, as a power cut would, and waits until it is gone.
    pub(crate) fn kill(&self) {
        self.signal("KILL");
        self.wait_until_gone();
    }

    /// Waits until the server has ended.
    pub(crate) fn wait_until_gone(&self) {
        let stat = format!("/proc/{}/stat", self.pid);
        // The guard does not wait for it: a zombie counts as gone.
        while std::fs::read_to_string(&stat).is_ok_and(|stat| !stat.contains(") Z ")) {
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
    }
}

/// Whether every thread of the process has stopped, or is gone.
fn is_stopped(pid: &str) -> bool {
    let Ok(threads) = std::fs::read_dir(format!("/proc/{pid}/task")) else { return true };
    threads.flatten().all(|thread| {
        let stat = std::fs::read_to_string(thread.path().join("stat")).unwrap_or_default();
        // The state follows the name, which is in parentheses and may hold any character.
        stat.rsplit_once(')').is_none_or(|(_, rest)| rest.trim_start().starts_with(['T', 't', 'Z', 'X']))
    })
}

impl Drop for Process {
    fn drop(&mut self) {
        self.signal("KILL");
        drop(self.guard.stdin.take());
        let _ = self.guard.wait();
    }
}
