//! The command line: one file per command.

mod args;
mod check;
mod demo;
mod logging;
mod run;
mod serve;
mod settings;
mod ticket;

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
        Command::Demo(arguments) => demo::run(&arguments),
        Command::Serve(arguments) => serve::run(&arguments),
        Command::Check(arguments) => check::run(&arguments),
        Command::Settings(arguments) => settings::run(&arguments),
        Command::Ticket(arguments) => ticket::run(&arguments),
    };
    ExitCode::from(code)
}
