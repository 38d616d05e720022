//! `sluicegate settings`.

use super::{DONE, UNUSABLE, args::SettingsArguments};
use crate::settings::{Report, SCRIPT, render, starter};

pub(super) fn run(arguments: &SettingsArguments) -> u8 {
    if arguments.script {
        print!("{SCRIPT}");
        return DONE;
    }
    let report = Report::read(&arguments.project.sources());
    if arguments.routes {
        print!("{}", starter(&report));
        return DONE;
    }
    print!("{}", render(&report));
    if report.problems.is_empty() { DONE } else { UNUSABLE }
}
