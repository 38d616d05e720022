//! Clients that do not read what they are sent.

use std::time::Instant;

use super::*;
use crate::{
    channel_layer::{self, ChannelLayerOptions, LayerBackend, Message},
    consumer::{Cause, Connection, Consumer, ConsumerError, Route, SlowClient},
};

const EVENTS: usize = 1000;
/// More in all than the buffers of a connection on this machine take.
const LENGTH: usize = 32 * 1024;

/// Sends its client what `everybody` is told.
struct Listener;

#[async_trait]
impl Consumer for Listener {
    async fn connect(&mut self, connection: &mut Connection) -> Result<(), ConsumerError> {
        connection.group_add("everybody").await?;
        Ok(())
    }

    async fn event(&mut self, event: Arc<Message>, connection: &mut Connection) -> Result<(), ConsumerError> {
        connection.send_text(event.value().get("text").and_then(|text| text.as_str()).unwrap_or_default());
        Ok(())
    }
}

async fn listened_to(policy: SlowClient) -> TestServer {
    let mut setup = Setup::new();
    let options = ChannelLayerOptions { backend: LayerBackend::InMemory, ..ChannelLayerOptions::default() };
    setup.layer = Some(channel_layer::open(&options).unwrap());
    let outbox = OutboxOptions { messages: 50, policy, ..OutboxOptions::default() };
    setup.routes = vec![
        Route::path("ws/slow/", || Listener).outbox(outbox).into_options(),
        Route::path("ws/fast/", || Listener).into_options(),
    ];
    setup.start().await
}

/// The number of an event, and whether it has its whole length.
fn number(seen: &Seen) -> usize {
    let Seen::Frame { first: 0x81, payload } = seen else { panic!("not a text") };
    assert_eq!(payload.len(), LENGTH);
    std::str::from_utf8(&payload[..8]).unwrap().parse().unwrap()
}

/// Sends all events, no faster than `fast` reads them.
async fn send_all(server: &TestServer, fast: &mut [Client]) {
    let layer = server.setup.layer.clone().unwrap();
    for event in 0..EVENTS {
        let text = format!("{event:08}{}", "x".repeat(LENGTH - 8));
        let event_type = if event % 2 == 0 { "even" } else { "odd" };
        let message = channel_layer::Value::map([("type", event_type.into()), ("text", text.into())]);
        let begun = Instant::now();
        layer.group_send("everybody", &message).await.unwrap();
        for client in &mut *fast {
            assert_eq!(number(&client.see().await), event);
        }
        assert!(begun.elapsed() < Duration::from_secs(2), "somebody waited for a slow client");
    }
}

impl TestServer {
    fn counted(&self, cause: Cause) -> u64 {
        self.site.borrow().websocket.context("/ws/slow/").unwrap().tally.of(cause)
    }
}

async fn open(server: &TestServer) -> (Client, Vec<Client>) {
    let slow = server.socket("/ws/slow/").await;
    let mut fast = Vec::new();
    for _ in 0..3 {
        fast.push(server.socket("/ws/fast/").await);
    }
    (slow, fast)
}

#[tokio::test]
async fn one_that_is_closed_is_told_why_and_nobody_waits_for_it() {
    let server = listened_to(SlowClient::Close).await;
    let (mut slow, mut fast) = open(&server).await;
    send_all(&server, &mut fast).await;
    assert_eq!(server.counted(Cause::ClientTooSlow), 1);
    let mut seen = slow.see_all().await;
    assert_eq!(seen.split_off(seen.len() - 2), [Seen::close(1013, "too slow"), Seen::Eof]);
    let numbers: Vec<_> = seen.iter().map(number).collect();
    assert_eq!(numbers, (0..numbers.len()).collect::<Vec<_>>(), "what it got has no gaps");
    assert!(numbers.len() < EVENTS);
}

#[tokio::test]
async fn one_whose_oldest_events_are_dropped_gets_the_newest_in_order() {
    let server = listened_to(SlowClient::DropOldest).await;
    let (mut slow, mut fast) = open(&server).await;
    send_all(&server, &mut fast).await;
    let dropped = usize::try_from(server.counted(Cause::EventDropped)).unwrap();
    assert!(dropped > 0);
    let mut numbers = Vec::new();
    while numbers.last() != Some(&(EVENTS - 1)) {
        numbers.push(number(&slow.see().await));
    }
    assert!(numbers.is_sorted_by(|one, next| one < next));
    assert_eq!(numbers.len() + dropped, EVENTS, "each is delivered or counted");
    assert!(numbers.ends_with(&(EVENTS - 50..EVENTS).collect::<Vec<_>>()), "the newest have waited");
    assert_eq!(server.counted(Cause::ClientTooSlow), 0);
}

#[tokio::test]
async fn one_that_wants_the_latest_gets_one_of_each_type_when_it_reads_again() {
    let server = listened_to(SlowClient::Latest).await;
    let (mut slow, mut fast) = open(&server).await;
    send_all(&server, &mut fast).await;
    let replaced = usize::try_from(server.counted(Cause::EventReplaced)).unwrap();
    let mut numbers = Vec::new();
    while numbers.last() != Some(&(EVENTS - 1)) {
        numbers.push(number(&slow.see().await));
    }
    assert!(numbers.ends_with(&[EVENTS - 2, EVENTS - 1]), "{:?}", numbers.last_chunk::<4>());
    assert_eq!(numbers.len() + replaced, EVENTS, "each is delivered or counted");
    assert!(replaced > 0);
    assert_eq!((server.counted(Cause::EventDropped), server.counted(Cause::ClientTooSlow)), (0, 0));
}
