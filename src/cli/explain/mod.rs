//! `sluicegate explain-token` and `explain-handshake`: what would be decided, step by step, and why.

mod handshake;
mod token;

use std::io::{self, Read};

use crate::settings::printable;

pub(super) use handshake::run as handshake;
pub(super) use token::run as token;

/// Prints a step.
fn say(mark: &str, name: &str, what: &str) {
    println!("{mark:5} {name}: {}", printable(what).replace('\n', "\n      "));
}

/// The argument, or with `-` what stands on standard input, so that no secret is in the shell's history.
fn argument_or_stdin(argument: &str) -> io::Result<String> {
    if argument != "-" {
        return Ok(argument.to_owned());
    }
    let mut text = String::new();
    io::stdin().take(1024 * 1024).read_to_string(&mut text)?;
    Ok(text.trim().to_owned())
}
