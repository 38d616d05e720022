//! The command line: one file per command.

mod args;
mod settings;

use std::process::ExitCode;

use clap::Parser;

use args::{Arguments, Command};

/// Done.
const DONE: u8 = 0;
/// The check or command failed.
const FAILED: u8 = 1;
/// The arguments or settings cannot be used.
const UNUSABLE: u8 = 2;

/// Runs `sluicegate` with the process's arguments.
///
/// Exit codes: 0 done, 1 the check or command failed, 2 unusable arguments or settings.
#[must_use]
pub fn main() -> ExitCode {
    let code = match Arguments::parse().command {
        Command::Settings(arguments) => settings::run(&arguments),
        _ => FAILED,
    };
    ExitCode::from(code)
}
