//! `sluicegate serve`.

use std::{
    io::{self, Write},
    time::Duration,
};

use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    time::Instant,
};

use super::{
    DONE, FAILED, UNUSABLE, activation,
    args::ServeArguments,
    logging,
    run::{print_problems, runtime},
    service_manager,
    signals::{self, StopSignals},
};
use crate::{
    app::{App, Reloader},
    consumer::Route,
    server::{Given, Stop, Stopper},
    settings::{Loaded, Settings, Sources, TicketViewState},
};

/// Passwords rotate: a refused login reads the settings again, but no more often than this.
const BETWEEN_RELOADS: Duration = Duration::from_mins(1);

/// How long the end waits for the project's Python to be gone, where settings are still being read.
const LONGEST_CANCELLATION: Duration = Duration::from_secs(1);

/// `routes` come before those of the settings.
pub(super) fn run(arguments: &ServeArguments, routes: impl IntoIterator<Item = Route>) -> u8 {
    logging::start(arguments.log_json);
    let given = match activation::sockets() {
        Ok(given) => given,
        Err(error) => {
            eprintln!("sluicegate: {error}");
            return UNUSABLE;
        }
    };
    let routes = routes.into_iter().map(Route::into_options).collect();
    let sources = Sources { routes, ..arguments.project.sources() };
    match runtime() {
        Ok(runtime) => {
            let cancellation = sources.cancellation.clone();
            let code = runtime.block_on(serve(sources, given));
            cancellation.cancel(LONGEST_CANCELLATION);
            runtime.shutdown_background();
            code
        }
        Err(code) => code,
    }
}

/// Handles signals from the first moment: reading Django's settings takes seconds, and a SIGHUP that comes meanwhile,
/// as from a log rotation or a deployment, must not end the process. It is followed by a reload.
async fn serve(sources: Sources, given: Given) -> u8 {
    let (Ok(hangups), Ok(signals)) = (signal(SignalKind::hangup()), StopSignals::catch()) else {
        return signals::none();
    };
    let stop = Stopper::default();
    tokio::spawn(signals.follow(stop.clone()));
    let app = tokio::select! {
        app = start(&sources, given) => match app {
            Ok(app) => app,
            Err(code) => return code,
        },
        () = stop.reaches(Stop::Spread) => return DONE,
    };
    announce(&app);
    service_manager::ready(&format!("serving {}://{}", app.scheme(), app.address()));
    tokio::spawn(service_manager::tell_of_the_end(stop.clone(), app.longest_stop()));
    tokio::spawn(service_manager::show_life(app.takes_over()));
    let reloads = tokio::spawn(reload(app.reloader(), sources, hangups));
    app.run_until(stop).await;
    reloads.abort();
    DONE
}

/// Reads the settings and puts the server together; where that fails, prints why and gives the exit code.
async fn start(sources: &Sources, given: Given) -> Result<App, u8> {
    let sources = sources.clone();
    let loaded = match tokio::task::spawn_blocking(move || Settings::load(&sources)).await {
        Ok(Ok(loaded)) => loaded,
        Ok(Err(problems)) => return Err(print_problems(&problems)),
        Err(error) => {
            eprintln!("sluicegate: the settings could not be read: {error}");
            return Err(FAILED);
        }
    };
    log_notes(&loaded);
    Box::pin(App::build_on(loaded.settings, given)).await.map_err(|error| {
        eprintln!("sluicegate: {error}");
        UNUSABLE
    })
}

/// The one line on stdout: when it comes, the server accepts.
pub(super) fn announce(app: &App) {
    let mut stdout = io::stdout().lock();
    let written =
        writeln!(stdout, "sluicegate listening on {}://{}", app.scheme(), app.address()).and_then(|()| stdout.flush());
    if let Err(error) = written {
        tracing::warn!(%error, "nobody reads standard output");
    }
}

fn log_notes(loaded: &Loaded) {
    for note in &loaded.notes {
        tracing::info!("{note}");
    }
    match &loaded.ticket_view {
        TicketViewState::Served => {}
        TicketViewState::TurnedOff => tracing::info!("the ticket view is not served: [ticket] serve = false"),
        TicketViewState::LeftToDjango(parts) => {
            tracing::info!("the ticket view is not served here: {}", parts.join("; "));
        }
    }
    if let Some(passed_on) = loaded.settings.passed_on() {
        tracing::info!("{passed_on}");
    }
}

/// Reads all settings again at SIGHUP, or when a login is refused, and swaps them if they are good.
async fn reload(reloader: Reloader, sources: Sources, mut hangups: Signal) {
    let mut last: Option<Instant> = None;
    loop {
        tokio::select! {
            signal = hangups.recv() => if signal.is_none() { return },
            () = reloader.login_refused() => {
                if last.is_some_and(|last| last.elapsed() < BETWEEN_RELOADS) {
                    continue;
                }
                tracing::warn!("a login was refused: reading the settings again");
            }
        }
        last = Some(Instant::now());
        service_manager::reloading();
        let sources = sources.clone();
        let error = match tokio::task::spawn_blocking(move || Settings::load(&sources)).await {
            Ok(Ok(loaded)) => {
                log_notes(&loaded);
                Box::pin(reloader.reload(loaded.settings)).await.err().map(|error| error.to_string())
            }
            Ok(Err(problems)) => Some(problems.to_string()),
            Err(error) => Some(error.to_string()),
        };
        reloader.count(error.is_none());
        match error {
            None => tracing::info!("settings reloaded"),
            Some(error) => tracing::error!("settings not reloaded, the old ones stay: {error}"),
        }
        service_manager::reloaded();
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt, time::Instant};

    use super::*;
    use crate::{
        settings::DjangoTarget,
        test_support::{Account, Folder},
    };

    /// A project whose Python runs `script`.
    fn sources(folder: &Folder, script: &str) -> Sources {
        let python = folder.path().join("python");
        fs::write(&python, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&python, fs::Permissions::from_mode(0o755)).unwrap();
        Sources {
            django: Some(DjangoTarget::Named("mysite.settings".to_owned())),
            project_dir: Some(folder.path().to_owned()),
            python: Some(python),
            environment: std::env::vars_os().collect(),
            ..Sources::default()
        }
    }

    /// The script's parent is this process, which a signal without a handler would end.
    #[tokio::test]
    async fn signals_that_come_while_the_settings_are_read_are_handled() {
        let folder = Folder::new(Account::Own);
        let hung_up = sources(&folder, "kill -HUP $PPID; sleep 0.3; exit 3");
        assert_eq!(serve(hung_up, Given::default()).await, UNUSABLE, "the start goes on after SIGHUP");
        let begun = Instant::now();
        let terminated = sources(&folder, "kill -TERM $PPID; sleep 5; exit 3");
        assert_eq!(serve(terminated, Given::default()).await, DONE);
        assert!(begun.elapsed() < Duration::from_secs(4), "SIGTERM ends the start at once");
        let sources = self::sources(&folder, "echo $$ > pid; kill -TERM $PPID; exec sleep 60");
        let cancellation = sources.cancellation.clone();
        assert_eq!(serve(sources, Given::default()).await, DONE);
        cancellation.cancel(LONGEST_CANCELLATION);
        let pid = fs::read_to_string(folder.path().join("pid")).unwrap();
        assert!(!std::path::Path::new("/proc").join(pid.trim()).exists(), "the project's Python still runs");
    }
}
