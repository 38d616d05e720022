mod farewells;
mod questions;
mod registers;
mod view;

use std::{sync::Arc, time::Duration};

use super::{About, Ask, AskParts, AskScope, Asks, question::Facts};
use crate::{
    consumer::{AskOptions, AskSettings, AskUrl},
    python::Value,
    secret::Secret,
};

const KEY: &str = "django-insecure-test-key";

fn options(url: String) -> AskOptions {
    AskOptions {
        url: AskUrl::Url(url),
        on_connect: true,
        on_disconnect: true,
        timeout: Duration::from_secs(3),
        forward_headers: Vec::new(),
    }
}

fn settings() -> AskSettings {
    AskSettings { key: Some(Secret::new(KEY)), ..AskSettings::default() }
}

fn ask_with(options: &AskOptions, settings: &AskSettings, parts: AskParts) -> Arc<Ask> {
    Ask::new(&Asks::new(settings, None, parts), "ws/room/<slug:room>/", options).unwrap()
}

fn ask(port: u16) -> Arc<Ask> {
    ask_with(&options(url(port)), &settings(), AskParts::default())
}

fn url(port: u16) -> String {
    format!("http://127.0.0.1:{port}/sockets/room/")
}

fn about(channel_name: &str) -> About {
    let scope = AskScope {
        query: Value::Dict(vec![]),
        headers: Value::Dict(vec![]),
        subprotocols: vec!["v1".to_owned()],
        trace: None,
    };
    About::new(Facts {
        user: Value::Int(7),
        route: "ws/room/<slug:room>/",
        kwargs: Vec::new(),
        scope: Some(scope),
        channel_name: Some(channel_name.to_owned()),
    })
    .unwrap()
}
