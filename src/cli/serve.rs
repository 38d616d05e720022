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
    DONE, FAILED, UNUSABLE,
    args::ServeArguments,
    logging,
    run::{print_problems, runtime},
};
use crate::{
    app::{App, Reloader},
    settings::{Loaded, Settings, Sources, TicketViewState},
};

/// Passwords rotate: a refused login reads the settings again, but no more often than this.
const BETWEEN_RELOADS: Duration = Duration::from_mins(1);

pub(super) fn run(arguments: &ServeArguments) -> u8 {
    logging::start(arguments.log_json);
    let sources = arguments.project.sources();
    let loaded = match Settings::load(&sources) {
        Ok(loaded) => loaded,
        Err(problems) => return print_problems(&problems),
    };
    log_notes(&loaded);
    match runtime() {
        Ok(runtime) => runtime.block_on(serve(sources, loaded.settings)),
        Err(code) => code,
    }
}

async fn serve(sources: Sources, settings: Settings) -> u8 {
    let (Ok(hangups), Ok(terminations)) = (signal(SignalKind::hangup()), signal(SignalKind::terminate())) else {
        return no_signals();
    };
    let app = match App::build(settings).await {
        Ok(app) => app,
        Err(error) => {
            eprintln!("sluicegate: {error}");
            return UNUSABLE;
        }
    };
    let Ok(stop) = stop(terminations) else { return no_signals() };
    announce(&app);
    let reloads = tokio::spawn(reload(app.reloader(), sources, hangups));
    app.run(stop).await;
    reloads.abort();
    DONE
}

/// The one line on stdout: when it comes, the server accepts.
pub(super) fn announce(app: &App) {
    let mut stdout = io::stdout().lock();
    let written = writeln!(stdout, "sluicegate listening on http://{}", app.address()).and_then(|()| stdout.flush());
    if let Err(error) = written {
        tracing::warn!(%error, "nobody reads standard output");
    }
}

/// Ready at SIGTERM, or at Ctrl-C. Ctrl-C is caught from this call on, which comes before [`announce`]: until then it
/// ends the process at once, even where the database keeps the start waiting.
pub(super) fn stop(mut terminations: Signal) -> io::Result<impl Future<Output = ()>> {
    let mut interrupts = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminations.recv() => {}
            _ = interrupts.recv() => {}
        }
        tracing::info!("stopping");
    })
}

pub(super) fn no_signals() -> u8 {
    eprintln!("sluicegate: the system gives no signal handlers");
    FAILED
}

fn log_notes(loaded: &Loaded) {
    for note in &loaded.notes {
        tracing::info!("{note}");
    }
    match &loaded.ticket_view {
        TicketViewState::Served => {}
        TicketViewState::TurnedOff => tracing::info!("the ticket view is not served: [ticket] serve = false"),
        TicketViewState::LeftToDjango(parts) => {
            tracing::info!("the ticket view is left to Django: {}", parts.join("; "));
        }
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
        let sources = sources.clone();
        match tokio::task::spawn_blocking(move || Settings::load(&sources)).await {
            Ok(Ok(loaded)) => {
                log_notes(&loaded);
                match reloader.reload(loaded.settings).await {
                    Ok(()) => tracing::info!("settings reloaded"),
                    Err(error) => tracing::error!("settings not reloaded, the old ones stay: {error}"),
                }
            }
            Ok(Err(problems)) => tracing::error!("settings not reloaded, the old ones stay:\n{problems}"),
            Err(error) => tracing::error!(%error, "settings not reloaded, the old ones stay"),
        }
    }
}
