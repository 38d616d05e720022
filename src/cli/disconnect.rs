//! `sluicegate disconnect USER`.

use super::{
    DONE, FAILED, UNUSABLE,
    args::DisconnectArguments,
    logging,
    run::{print_problems, runtime},
};
use crate::{
    app::try_once,
    causes::with_causes,
    channel_layer::{self, ChannelLayerOptions, LayerBackend},
    commands::{ANSWER_TIME, Order, Who, disconnect_everywhere},
    settings::Settings,
};

pub(super) fn run(arguments: &DisconnectArguments) -> u8 {
    logging::start_quiet();
    let settings = match Settings::load(&arguments.project.sources()) {
        Ok(loaded) => loaded.settings,
        Err(problems) => return print_problems(&problems),
    };
    let Some(options) = settings.channel_layer.filter(|options| options.backend != LayerBackend::InMemory) else {
        eprintln!(
            "sluicegate: the project has no channel layer on Redis, by which running servers could be told: see \
             [channel_layer], or disconnect the user on the admin page of each server"
        );
        return UNUSABLE;
    };
    let who = match arguments.user.strip_prefix("id=") {
        Some(key) => Who::Key(key.to_owned()),
        None => Who::Name(arguments.user.clone()),
    };
    match runtime() {
        Ok(runtime) => runtime.block_on(disconnect(who, options)),
        Err(code) => code,
    }
}

async fn disconnect(who: Who, options: ChannelLayerOptions) -> u8 {
    let layer = match channel_layer::open(&options) {
        Ok(layer) => layer,
        Err(error) => {
            eprintln!("sluicegate: {error}");
            return UNUSABLE;
        }
    };
    let done = async {
        try_once(layer.as_ref(), options.timeout).await?;
        disconnect_everywhere(layer.as_ref(), Order::new(who), ANSWER_TIME).await
    };
    let done = done.await;
    layer.close().await;
    match done {
        Ok(done) if done.servers == 0 => {
            eprintln!(
                "sluicegate: no server answered within {} s: none runs on this channel layer, or it has `[channel_layer] \
                 commands = false`",
                ANSWER_TIME.as_secs()
            );
            FAILED
        }
        Ok(done) => {
            let (sockets, servers) = (counted(done.sockets, "socket"), counted(done.servers, "server"));
            println!("{sockets} closed; {servers} answered");
            DONE
        }
        Err(error) => {
            eprintln!("sluicegate: the user could not be disconnected: {}", with_causes(&error));
            FAILED
        }
    }
}

fn counted(count: u64, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}
