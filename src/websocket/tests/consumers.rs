//! Consumers written in Rust, as a program with its own has them.

use super::*;
use crate::{
    channel_layer::{self, ChannelLayerOptions, LayerBackend, Message},
    consumer::{Close, Connection, Consumer, ConsumerError, Frame, Route},
    websocket::RefuseBy,
};

/// Ends as its path and its frames say, and tells the others in its room of each event.
#[derive(Default)]
struct Ending;

#[async_trait]
impl Consumer for Ending {
    async fn connect(&mut self, connection: &mut Connection) -> Result<(), ConsumerError> {
        match connection.kwarg("how").as_deref() {
            Some("deny") => Err(ConsumerError::deny()),
            Some("close") => Err(ConsumerError::close(4001, "not today")),
            Some("close-itself") => {
                connection.close(Close::new(4002, "by itself").unwrap());
                Ok(())
            }
            Some("fail") => Err(std::io::Error::other("no room").into()),
            Some("panic") => panic!("in connect"),
            _ => {
                connection.group_add("everybody").await?;
                connection.set_subprotocol("v2");
                connection
                    .send_json(&serde_json::json!({ "name": connection.username(), "id": connection.user_id() }))?;
                Ok(())
            }
        }
    }

    async fn receive(&mut self, frame: Frame, connection: &mut Connection) -> Result<(), ConsumerError> {
        match &frame {
            Frame::Text(text) if text == "panic" => panic!("in receive"),
            Frame::Text(text) if text.starts_with("close") => {
                return Err(ConsumerError::close(text["close".len()..].trim().parse()?, "as asked"));
            }
            Frame::Text(text) if text.starts_with("say") => {
                let event = serde_json::json!({ "type": "said", "text": text });
                connection.group_send("everybody", &event.into()).await?;
            }
            _ => connection.send(frame),
        }
        Ok(())
    }

    async fn event(&mut self, event: Arc<Message>, connection: &mut Connection) -> Result<(), ConsumerError> {
        let text = event.value().get("text").and_then(|text| text.as_str()).unwrap_or_default();
        assert_ne!(text, "say panic");
        connection.send_text(text);
        Ok(())
    }

    async fn disconnect(&mut self, code: u16, _: &mut Connection) {
        assert_ne!(code, 4999, "a panic at the end");
    }
}

fn with_layer() -> Setup {
    let mut setup = Setup::new();
    let options = ChannelLayerOptions { backend: LayerBackend::InMemory, ..ChannelLayerOptions::default() };
    setup.layer = Some(channel_layer::open(&options).unwrap());
    setup.routes.insert(0, Route::path("ws/end/<str:how>/", Ending::default).into_options());
    setup
}

const GREETING: &str = r#"{"name": "alice", "id": 1}"#;

async fn open(server: &TestServer) -> Client {
    let (mut client, answer) = server.handshake("/ws/end/later/").await;
    assert_eq!((answer.status, answer.headers["sec-websocket-protocol"].as_str()), (101, "v2"));
    assert_eq!(client.see().await, Seen::text(GREETING));
    client
}

#[tokio::test]
async fn a_consumer_refuses_a_handshake_by_a_close_and_fails_by_anything_else() {
    let server = with_layer().start().await;
    for (how, status, code) in [
        ("deny", 403, "consumer_refused"),
        ("close", 403, "consumer_refused"),
        ("close-itself", 403, "consumer_refused"),
        ("fail", 500, "consumer_failed"),
        ("panic", 500, "consumer_failed"),
    ] {
        let (_, answer) = server.handshake(&format!("/ws/end/{how}/")).await;
        assert_eq!((answer.status, answer.code().as_str()), (status, code), "{how}");
    }
    server.emptied().await;

    let mut setup = with_layer();
    setup.websocket.refuse = RefuseBy::Close;
    let server = setup.start().await;
    for (how, code, reason) in [
        ("deny", 1000, ""),
        ("close", 4001, "not today"),
        ("close-itself", 4002, "by itself"),
        ("fail", 4503, "consumer_failed"),
    ] {
        let mut client = server.socket(&format!("/ws/end/{how}/")).await;
        assert_eq!(client.see().await, Seen::close(code, reason), "{how}");
    }
}

#[tokio::test]
async fn an_error_or_a_panic_closes_with_1011_and_nobody_else_notices() {
    let server = with_layer().start().await;
    let mut other = open(&server).await;
    for bytes in [text("close not a number"), text("close 1006"), text("panic")] {
        let mut client = open(&server).await;
        client.send(&bytes).await;
        assert_eq!(client.see().await, Seen::close(1011, ""));
    }
    let mut client = open(&server).await;
    client.send(&text("close 4005")).await;
    assert_eq!(client.see().await, Seen::close(4005, "as asked"));
    let mut client = open(&server).await;
    client.send(&close(4999, "")).await;
    assert_eq!(client.see_all().await, [Seen::close(4999, ""), Seen::Eof], "its disconnect panics");
    other.send(&text("still here")).await;
    assert_eq!(other.see().await, Seen::text("still here"));
    drop(other);
    server.emptied().await;
}

#[tokio::test]
async fn members_of_a_group_get_its_events_until_they_are_gone() {
    let server = with_layer().start().await;
    let (mut one, mut other) = (open(&server).await, open(&server).await);
    one.send(&text("say hello")).await;
    assert_eq!(one.see().await, Seen::text("say hello"));
    assert_eq!(other.see().await, Seen::text("say hello"));
    one.send(&close(1000, "")).await;
    assert_eq!(one.see_all().await, [Seen::close(1000, ""), Seen::Eof]);
    other.send(&text("say panic")).await;
    assert_eq!(other.see().await, Seen::close(1011, ""));
    server.emptied().await;
}
