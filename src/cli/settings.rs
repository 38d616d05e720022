//! `sluicegate settings`.

use super::{DONE, UNUSABLE, args::SettingsArguments, logging, run::print};
use crate::settings::{Report, SCRIPT, render, starter};

pub(super) fn run(arguments: &SettingsArguments) -> u8 {
    if arguments.script {
        return print(SCRIPT.as_bytes());
    }
    logging::start_quiet();
    let report = Report::read(&arguments.project.sources());
    if arguments.routes {
        // What is found is worth showing even where the settings are not good yet: the file is often what is missing.
        return print(starter(&report).as_bytes());
    }
    let code = print(render(&report).as_bytes());
    if code == DONE && !report.problems.is_empty() {
        eprintln!("{}", report.problems);
        return UNUSABLE;
    }
    code
}
