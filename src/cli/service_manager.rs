//! What the service manager is told, where there is one: systemd, by `sd_notify`.

use std::{env, fs, time::Duration};

use sd_notify::NotifyState;
use tokio::time::interval;

use crate::server::Stopper;

/// Settings are good, sockets are open, and clients are served.
pub(super) fn ready(status: &str) {
    say(&[NotifyState::Ready, NotifyState::Status(status)]);
}

/// Settings are being read again; [`reloaded`] follows.
pub(super) fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => say(&[NotifyState::Reloading, now]),
        Err(error) => tracing::debug!(%error, "no monotonic clock"),
    }
}

/// Whatever came of it.
pub(super) fn reloaded() {
    say(&[NotifyState::Ready]);
}

/// Says once that this process stops, within `longest`; or, where another one of the same service has taken over, that it
/// is the service now.
pub(super) async fn tell_of_the_end(stop: Stopper, longest: Duration) {
    stop.reaches(crate::server::Stop::HandedOver).await;
    match stop.successor() {
        Some(pid) if is_of_this_service(pid) => say(&[NotifyState::MainPid(pid)]),
        _ => {
            let longest = u32::try_from(longest.as_micros()).unwrap_or(u32::MAX);
            say(&[
                NotifyState::Stopping,
                NotifyState::ExtendTimeoutUsec(longest),
                NotifyState::Status("closing its sockets"),
            ]);
        }
    }
}

/// Shows the watchdog that the runtime runs, twice in the time that it gives. Ends at once where there is none.
///
/// `takes_over`: the variables are those of the process before, whose place this one takes.
pub(super) async fn show_life(takes_over: bool) {
    let stated = || env::var("WATCHDOG_USEC").ok()?.parse().ok().map(Duration::from_micros);
    let Some(patience) = (if takes_over { stated() } else { sd_notify::watchdog_enabled() }) else { return };
    let mut signs = interval((patience / 2).max(Duration::from_millis(1)));
    loop {
        signs.tick().await;
        say(&[NotifyState::Watchdog]);
    }
}

fn say(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!(%error, "the service manager cannot be told how far this process is");
    }
}

/// Whether systemd counts that process to the service of this one.
fn is_of_this_service(pid: u32) -> bool {
    let service = |process: &str| fs::read_to_string(format!("/proc/{process}/cgroup")).ok();
    service("self").is_some_and(|own| service(&pid.to_string()) == Some(own))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_of_the_same_service_is_known() {
        assert!(is_of_this_service(std::process::id()));
        assert!(!is_of_this_service(0));
    }
}
