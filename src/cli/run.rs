//! What commands have in common.

use std::io::{self, Write};

use tokio::runtime::Runtime;

use super::{DONE, FAILED, UNUSABLE};
use crate::settings::Problems;

/// The runtime, with the one crypto provider installed: two of them panic at the first TLS connection.
///
/// # Errors
///
/// The exit code, after the reason was printed.
pub(super) fn runtime() -> Result<Runtime, u8> {
    // Fails only where a provider is installed already, which then is this one.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(|error| {
        eprintln!("sluicegate: the runtime does not start: {error}");
        FAILED
    })
}

/// Prints what is wrong with the settings; the exit code.
pub(super) fn print_problems(problems: &Problems) -> u8 {
    eprintln!("{problems}");
    UNUSABLE
}

/// Prints to standard output; the exit code. A reader that stops early, such as `head`, is no failure to speak of.
pub(super) fn print(text: &[u8]) -> u8 {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text).and_then(|()| stdout.flush()) {
        Ok(()) => DONE,
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => DONE,
        Err(error) => {
            eprintln!("sluicegate: standard output: {error}");
            FAILED
        }
    }
}
