use std::{sync::Arc, time::Duration};

use super::{
    super::{Ask, AskParts, Farewells},
    about, ask_with, options, settings, url,
    view::{FakeView, ok},
};
use crate::{channel_layer::ChannelLayerOptions, python::Value, secret::Secret, test_support::redis::Redis};

const LEASE: Duration = Duration::from_secs(3);

fn layer(prefix: &str) -> ChannelLayerOptions {
    let redis = Redis::shared().options();
    let prefix = format!("{prefix}{}", uuid::Uuid::new_v4().simple());
    ChannelLayerOptions { hosts: vec![redis.into()], prefix, lease: Some(LEASE), ..ChannelLayerOptions::default() }
}

fn keys(layer: &ChannelLayerOptions) -> String {
    Redis::shared().command(&["KEYS", &format!("{}*", layer.prefix)]).trim().to_owned()
}

/// One sluicegate of several.
fn process(layer: &ChannelLayerOptions, view: &FakeView) -> (Arc<Farewells>, Arc<Ask>) {
    let farewells = Arc::new(Farewells::default());
    let register = farewells.register(layer).unwrap();
    let parts = AskParts { farewells: Arc::clone(&farewells), register: register.clone(), ..AskParts::default() };
    let ask = ask_with(&options(url(view.port)), &settings(), parts);
    register.unwrap().take_part();
    (farewells, ask)
}

async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..500 {
        if holds() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("{what}");
}

#[tokio::test]
async fn at_a_clean_end_no_key_remains() {
    let (layer, view) = (layer("clean"), FakeView::start(|_| ok("{}")).await);
    let (farewells, ask) = process(&layer, &view);
    assert_eq!(keys(&layer), "");
    ask.remember(&about("one"), None);
    ask.remember(&about("two"), None);
    until("both are written", || keys(&layer).lines().count() == 2).await;
    ask.disconnect(about("one"), None, 1000);
    ask.disconnect(about("two"), None, 1000);
    farewells.finish().await;
    assert_eq!((keys(&layer).as_str(), view.asked().len()), ("", 2));
}

#[tokio::test]
async fn one_of_the_others_tells_of_a_process_that_was_killed() {
    let (layer, view) = (layer("killed"), FakeView::start(|_| ok("{}")).await);
    let context = Value::Dict(vec![("org".to_owned(), Value::Int(3))]);
    // A runtime of its own, which ends without any notice.
    let (layer_of_it, port) = (layer.clone(), view.port);
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            let farewells = Arc::new(Farewells::default());
            let register = farewells.register(&layer_of_it).unwrap();
            let parts = AskParts { farewells, register, ..AskParts::default() };
            let ask = ask_with(&options(url(port)), &settings(), parts);
            for socket in 0..300 {
                ask.remember(&about(&format!("specific.dead!{socket}")), Some(&context));
            }
            until("all are written", || {
                let keys = keys(&layer_of_it);
                let Some(key) = keys.lines().find(|key| key.contains("asked:")) else { return false };
                Redis::shared().command(&["HLEN", key]).trim() == "300"
            })
            .await;
        });
        runtime.shutdown_background();
    })
    .join()
    .unwrap();
    let alive = [process(&layer, &view), process(&layer, &view)];
    assert!(view.asked().is_empty(), "the lease holds");
    let mut told: Vec<_> = view.asked_times(300).await.into_iter().map(|question| question.body).collect();
    tokio::time::sleep(LEASE).await;
    assert_eq!(view.asked().len(), 300, "each once");
    told.sort();
    told.dedup();
    assert_eq!(told.len(), 300);
    assert!(told.iter().all(|body| body.ends_with(r#""context": {"org": 3}, "code": 1006}"#)), "{}", told[0]);
    until("nothing is left", || keys(&layer).is_empty()).await;
    drop(alive);
}

#[tokio::test]
async fn what_redis_forgot_is_written_again_and_an_idle_process_is_in_no_key() {
    let (layer, view) = (layer("forgot"), FakeView::start(|_| ok("{}")).await);
    let (farewells, ask) = process(&layer, &view);
    ask.remember(&about("one"), None);
    until("it is written", || keys(&layer).lines().count() == 2).await;
    for key in keys(&layer).lines() {
        Redis::shared().command(&["DEL", key]);
    }
    until("it is written again", || keys(&layer).lines().count() == 2).await;
    ask.disconnect(about("one"), None, 1000);
    until("nothing is left", || keys(&layer).is_empty()).await;
    drop(farewells);
}

#[tokio::test]
async fn what_is_written_is_encrypted_where_messages_are() {
    let mut layer = layer("secret");
    layer.symmetric_encryption_keys = vec![Secret::new("key")];
    let view = FakeView::start(|_| ok("{}")).await;
    let (farewells, ask) = process(&layer, &view);
    ask.remember(&about("one"), None);
    until("it is written", || keys(&layer).lines().count() == 2).await;
    let key = keys(&layer).lines().find(|key| key.contains("asked:")).unwrap().to_owned();
    let kept = Redis::shared().command(&["HGET", &key, "one"]);
    assert!(!kept.contains("user") && !kept.contains("sockets"), "{kept}");
    ask.disconnect(about("one"), None, 1000);
    farewells.finish().await;
}
