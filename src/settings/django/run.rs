//! Runs the script in the project's Python, and gets its document back.
//!
//! The script goes in by standard input and the document comes out by standard output, which the script sets aside
//! for itself before it imports the project: neither keys nor passwords ever lie in a file.

use std::{
    ffi::OsString,
    io::{self, Read, Write},
    os::unix::process::CommandExt,
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc::{self, Receiver},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process_group};

use super::super::{cancellation::Cancellation, mask::without_login};

/// How long the project may take to be imported and read.
pub(super) const TIME_LIMIT: Duration = Duration::from_mins(1);

/// How much of the document is read; translations of some hundred languages stay far below.
const LARGEST_DOCUMENT: usize = 32 * 1024 * 1024;

/// How much of what the project prints is kept, for the message if it fails.
const KEPT_OUTPUT: usize = 64 * 1024;

/// Variables whose values are no secrets, and would only be missed in a message.
const HARMLESS: &[&str] = &[
    "DJANGO_SETTINGS_MODULE",
    "HOME",
    "HOSTNAME",
    "LANG",
    "LOGNAME",
    "OLDPWD",
    "PATH",
    "PWD",
    "PYTHONPATH",
    "SHELL",
    "TERM",
    "USER",
    "VIRTUAL_ENV",
];

/// One run of the script.
pub(super) struct Run<'a> {
    pub(super) python: &'a Path,
    pub(super) project: &'a Path,
    pub(super) target: Option<&'a str>,
    pub(super) environment: &'a [(OsString, OsString)],
    /// What the script is asked for in the place of the settings.
    pub(super) option: Option<&'a str>,
    pub(super) limit: Duration,
    pub(super) cancellation: &'a Cancellation,
}

/// Why there is no document. What the project printed is masked.
#[derive(Debug)]
pub(super) enum RunError {
    NotStarted(io::Error),
    TimedOut { limit: Duration, printed: String },
    Failed { status: String, printed: String },
}

impl Run<'_> {
    /// The document. The script has two seconds less than the limit, so that it can still say where it hangs.
    pub(super) fn output(&self, script: &'static str) -> Result<Vec<u8>, RunError> {
        let mut command = Command::new(self.python);
        command.arg("-").args(self.target).args(self.option).current_dir(self.project);
        command.arg(format!("--timeout={}", self.limit.as_secs().saturating_sub(2).max(1)));
        command.env_clear().envs(self.environment.iter().map(|(name, value)| (name, value)));
        // Reading settings leaves no files behind.
        command.env("PYTHONDONTWRITEBYTECODE", "1");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
        let _running = self.cancellation.running();
        let mut child = command.spawn().map_err(RunError::NotStarted)?;

        let stdin = child.stdin.take();
        // A Python that ends early closes the pipe; its status says more than this error.
        thread::spawn(move || stdin.map(|mut stdin| stdin.write_all(script.as_bytes())));
        let document = collect(child.stdout.take(), LARGEST_DOCUMENT, false);
        let printed = collect(child.stderr.take(), KEPT_OUTPUT, true);

        let status = wait(&mut child, self.limit, self.cancellation).map_err(RunError::NotStarted)?;
        let grace = Duration::from_secs(1);
        let document = document.recv_timeout(grace).unwrap_or_default();
        let printed = || self.masked(&printed.recv_timeout(grace).unwrap_or_default());
        match status {
            None => Err(RunError::TimedOut { limit: self.limit, printed: printed() }),
            Some(status) if status.success() && !document.is_empty() => Ok(document),
            // A project that cannot be imported may still be told in the document.
            Some(_) if document.ends_with(b"}\n") || document.ends_with(b"}") => Ok(document),
            Some(status) => Err(RunError::Failed { status: status.to_string(), printed: printed() }),
        }
    }

    /// The end of what was printed: no line of source, no value of a variable, no login of a URL.
    fn masked(&self, printed: &[u8]) -> String {
        let mut text = String::from_utf8_lossy(printed).into_owned();
        let mut secrets: Vec<(&str, &str)> = self
            .environment
            .iter()
            .filter_map(|(name, value)| Some((name.to_str()?, value.to_str()?)))
            .filter(|(name, value)| value.len() >= 6 && !HARMLESS.contains(name))
            .collect();
        secrets.sort_by_key(|(_, value)| std::cmp::Reverse(value.len()));
        for (name, value) in secrets {
            text = text.replace(value, &format!("${name}"));
        }
        tail(&text)
    }
}

/// The last lines, without the source lines of tracebacks (which hold literals) and logins in URLs.
fn tail(text: &str) -> String {
    let lines: Vec<_> = text.lines().filter(|line| !line.starts_with("    ") && !line.trim().is_empty()).collect();
    let kept = &lines[lines.len().saturating_sub(12)..];
    kept.iter().map(|line| without_login(line)).collect::<Vec<_>>().join("\n")
}

/// Waits for the end; at the limit, or where it is cancelled, the whole process group is killed.
fn wait(child: &mut Child, limit: Duration, cancellation: &Cancellation) -> io::Result<Option<ExitStatus>> {
    let start = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if start.elapsed() >= limit || cancellation.is_cancelled() {
            // Not reaped yet, so the group is still its own. Processes that left the group are not ours to find.
            if let Some(group) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
                let _ = kill_process_group(group, Signal::KILL);
            }
            child.kill()?;
            child.wait()?;
            return Ok(None);
        }
        thread::sleep(Duration::from_millis(10));
    }
}

/// Reads a stream to its end in a thread of its own; keeps at most `limit` bytes, the last or the first.
fn collect(stream: Option<impl Read + Send + 'static>, limit: usize, keep_last: bool) -> Receiver<Vec<u8>> {
    let (sender, receiver) = mpsc::sync_channel(1);
    thread::spawn(move || {
        let mut kept = Vec::new();
        let mut chunk = vec![0; 16 * 1024];
        if let Some(mut stream) = stream {
            while let Ok(read @ 1..) = stream.read(&mut chunk) {
                kept.extend_from_slice(&chunk[..read]);
                if kept.len() > limit && keep_last {
                    kept.drain(..kept.len() - limit);
                }
                kept.truncate(limit);
            }
        }
        let _ = sender.send(kept);
    });
    receiver
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(script: &'static str, environment: &[(&str, &str)], limit: Duration) -> Result<Vec<u8>, RunError> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let mut environment: Vec<(OsString, OsString)> =
            environment.iter().map(|(name, value)| (name.into(), value.into())).collect();
        environment.push(("PATH".into(), path));
        let here = Path::new(".");
        let run = Run {
            python: Path::new("python3"),
            project: here,
            target: Some("t"),
            environment: &environment,
            option: None,
            limit,
            cancellation: &Cancellation::default(),
        };
        run.output(script)
    }

    const LONG: Duration = Duration::from_secs(30);

    #[test]
    fn what_the_script_prints_comes_back_and_its_argument_arrives() {
        let output = run("import sys; print(sys.argv[1] * 100000, end='')", &[], LONG).unwrap();
        assert_eq!(output, b"t".repeat(100_000));
    }

    #[test]
    fn a_project_that_hangs_is_killed_with_its_children() {
        let script = "import subprocess, time, sys\n\
                      p = subprocess.Popen(['sleep', '600']); print(p.pid, file=sys.stderr, flush=True); time.sleep(600)";
        let Err(RunError::TimedOut { printed, .. }) = run(script, &[], Duration::from_secs(5)) else {
            panic!("it ended by itself");
        };
        thread::sleep(Duration::from_millis(200));
        let state = std::fs::read_to_string(format!("/proc/{}/stat", printed.trim().parse::<u32>().unwrap()))
            .unwrap_or_default();
        assert!(state.is_empty() || state.contains(") Z "), "still there: {state}");
    }

    #[test]
    fn what_a_failed_project_printed_shows_no_secret() {
        let script = "import os\ndef f():\n    raise ValueError('bad ' + os.environ['DB_PASSWORD'] + ' at postgres://u:p@h/n')\nf()";
        let Err(RunError::Failed { printed, .. }) = run(script, &[("DB_PASSWORD", "hunter2222")], LONG) else {
            panic!("it did not fail");
        };
        assert!(printed.ends_with("ValueError: bad $DB_PASSWORD at postgres://***@h/n"), "{printed}");
        assert!(!printed.contains("raise"), "{printed}");
    }

    #[test]
    fn a_python_that_is_not_there_is_an_error_of_its_own() {
        let run = Run {
            python: Path::new("/nowhere/python"),
            project: Path::new("."),
            target: None,
            environment: &[],
            option: None,
            limit: LONG,
            cancellation: &Cancellation::default(),
        };
        assert!(matches!(run.output(""), Err(RunError::NotStarted(_))));
    }
}
