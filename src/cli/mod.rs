//! The command line: one file per command.

mod args;

use std::process::ExitCode;

use clap::Parser;

use args::{Arguments, Command};

/// Runs `sluicegate` with the process's arguments.
///
/// Exit codes: 0 done, 1 the check or command failed, 2 unusable arguments or settings.
#[must_use]
pub fn main() -> ExitCode {
    match Arguments::parse().command {
        Command::Demo(arguments) => demo::run(&arguments),
        Command::Serve(arguments) => serve::run(&arguments),
        Command::Check(arguments) => check::run(&arguments),
        Command::Settings(arguments) => settings::run(&arguments),
        Command::Ticket(arguments) => ticket::run(&arguments),
    }
}
