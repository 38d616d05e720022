//! `sluicegate demo`.

use std::sync::Arc;

use super::{
    DONE, UNUSABLE,
    args::DemoArguments,
    logging,
    run::runtime,
    serve,
    signals::{self, StopSignals},
};
use crate::{
    app::App,
    demo,
    server::{Given, Stopper},
};

pub(super) fn run(arguments: &DemoArguments) -> u8 {
    logging::start(false);
    match runtime() {
        Ok(runtime) => runtime.block_on(show(arguments)),
        Err(code) => code,
    }
}

async fn show(arguments: &DemoArguments) -> u8 {
    let Ok(signals) = StopSignals::catch() else { return signals::none() };
    let (options, site) = match demo::build(&arguments.bind, arguments.data_dir.as_deref()).await {
        Ok(built) => built,
        Err(error) => {
            eprintln!("sluicegate: the demo cannot start: {error}");
            return UNUSABLE;
        }
    };
    let parts = (Arc::default(), Arc::default(), Arc::default());
    let app = match App::with_site(&options, None, Given::default(), site, parts.0, parts.1, parts.2).await {
        Ok(app) => app,
        Err(error) => {
            eprintln!("sluicegate: {error}");
            return UNUSABLE;
        }
    };
    serve::announce(&app);
    eprintln!("Open http://{}/ in a browser. Ctrl-C ends the demo.", app.address());
    let stop = Stopper::default();
    let stopping = tokio::spawn(signals.follow(stop.clone()));
    app.run_until(stop).await;
    stopping.abort();
    DONE
}
