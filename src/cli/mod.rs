//! The command line: one file per command.

mod activation;
mod args;
mod check;
mod completions;
mod demo;
mod disconnect;
mod explain;
mod healthcheck;
mod logging;
mod man;
mod run;
mod serve;
mod service_manager;
mod settings;
mod signals;
mod ticket;

use std::process::ExitCode;

use clap::Parser;

use args::{Arguments, Command, OwnRoutesArguments};

use crate::consumer::Route;

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
        Command::Serve(arguments) => serve::run(&arguments, []),
        Command::Check(arguments) => check::run(&arguments),
        Command::Settings(arguments) => settings::run(&arguments),
        Command::Ticket(arguments) => ticket::run(&arguments),
        Command::Disconnect(arguments) => disconnect::run(&arguments),
        Command::ExplainToken(arguments) => explain::token(&arguments),
        Command::ExplainHandshake(arguments) => explain::handshake(&arguments),
        Command::Healthcheck(arguments) => healthcheck::run(&arguments),
        Command::Completions(arguments) => completions::run(&arguments),
        Command::Man(arguments) => man::run(&arguments),
    };
    ExitCode::from(code)
}

/// Runs `sluicegate serve`, with the process's arguments as its flags, and with `routes` before those of the settings:
/// what a program with consumers written in Rust has for its `main`.
///
/// ```no_run
/// use std::process::ExitCode;
///
/// use sluicegate::{
///     async_trait,
///     consumer::{Connection, Consumer, ConsumerError, Frame, Route},
/// };
///
/// struct Echo;
///
/// #[async_trait]
/// impl Consumer for Echo {
///     async fn receive(&mut self, frame: Frame, connection: &mut Connection) -> Result<(), ConsumerError> {
///         connection.send(frame);
///         Ok(())
///     }
/// }
///
/// fn main() -> ExitCode {
///     sluicegate::cli::main_with([Route::path("ws/echo/", || Echo)])
/// }
/// ```
#[must_use]
pub fn main_with(routes: impl IntoIterator<Item = Route>) -> ExitCode {
    ExitCode::from(serve::run(&OwnRoutesArguments::parse().serve, routes))
}
