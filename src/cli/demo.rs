//! `sluicegate demo`.

use std::sync::Arc;

use tokio::signal::unix::{SignalKind, signal};

use super::{DONE, UNUSABLE, args::DemoArguments, logging, run::runtime, serve};
use crate::{app::App, demo};

pub(super) fn run(arguments: &DemoArguments) -> u8 {
    logging::start(false);
    match runtime() {
        Ok(runtime) => runtime.block_on(show(arguments)),
        Err(code) => code,
    }
}

async fn show(arguments: &DemoArguments) -> u8 {
    let Ok(terminations) = signal(SignalKind::terminate()) else { return serve::no_signals() };
    let (options, site) = match demo::build(&arguments.bind, arguments.data_dir.as_deref()).await {
        Ok(built) => built,
        Err(error) => {
            eprintln!("sluicegate: the demo cannot start: {error}");
            return UNUSABLE;
        }
    };
    let app = match App::with_site(&options, None, site, Arc::default(), Arc::default(), Arc::default()).await {
        Ok(app) => app,
        Err(error) => {
            eprintln!("sluicegate: {error}");
            return UNUSABLE;
        }
    };
    let Ok(stop) = serve::stop(terminations) else { return serve::no_signals() };
    serve::announce(&app);
    eprintln!("Open http://{}/ in a browser. Ctrl-C ends the demo.", app.address());
    app.run(stop).await;
    DONE
}
