//! `sluicegate settings`.

use std::io::{self, Write};

use super::{DONE, FAILED, UNUSABLE, args::SettingsArguments, logging};
use crate::settings::{Report, SCRIPT, render, starter};

pub(super) fn run(arguments: &SettingsArguments) -> u8 {
    if arguments.script {
        return print(SCRIPT);
    }
    logging::start_quiet();
    let report = Report::read(&arguments.project.sources());
    if arguments.routes {
        // What is found is worth showing even where the settings are not good yet: the file is often what is missing.
        return print(&starter(&report));
    }
    let code = print(&render(&report));
    if code == DONE && !report.problems.is_empty() {
        eprintln!("{}", report.problems);
        return UNUSABLE;
    }
    code
}

/// A reader that stops early, such as `head`, is no failure to speak of.
fn print(text: &str) -> u8 {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Ok(()) => DONE,
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => DONE,
        Err(error) => {
            eprintln!("sluicegate: standard output: {error}");
            FAILED
        }
    }
}
