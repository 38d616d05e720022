use std::time::Duration;

use super::*;
use crate::consumer::{Close, Connection, Consumer, ConsumerError, Frame};

/// `server close:<code>:<reason>` in a text closes; `fail` ends with an error. What it was told at the end is kept.
#[derive(Default)]
pub(super) struct Scripted {
    pub(super) disconnects: Mutex<Vec<u16>>,
}

struct ScriptedConsumer(Arc<Scripted>);

impl Application for Scripted {
    fn consumer(self: Arc<Self>) -> Box<dyn Consumer> {
        Box::new(ScriptedConsumer(self))
    }

    fn reads(&self, _: &str) -> bool {
        false
    }
}

#[async_trait]
impl Consumer for ScriptedConsumer {
    async fn connect(&mut self, connection: &mut Connection) -> Result<(), ConsumerError> {
        connection.send_text("hello");
        Ok(())
    }

    async fn receive(&mut self, frame: Frame, connection: &mut Connection) -> Result<(), ConsumerError> {
        let Frame::Text(text) = frame else { return Err(Close::new(1003, "text only").unwrap().into()) };
        if let Some(script) = text.strip_prefix("close:") {
            let (code, reason) = script.split_once(':').unwrap_or((script, ""));
            let close = Close::new(if code.is_empty() { 1000 } else { code.parse().unwrap() }, reason);
            connection.send_text("last words");
            connection.close(close.unwrap());
            connection.send_text("too late");
        }
        connection.send_bytes(b"seen");
        Ok(())
    }

    async fn disconnect(&mut self, code: u16, _: &mut Connection) {
        self.0.disconnects.lock().unwrap().push(code);
    }
}

pub(super) fn scripted() -> (Setup, Arc<Scripted>) {
    let mut setup = Setup::new();
    let application = Arc::new(Scripted::default());
    setup.applications.push((RoutePattern::Path("ws/script/".to_owned()), Arc::clone(&application) as _));
    (setup, application)
}

pub(super) async fn greeted(server: &TestServer) -> Client {
    let mut client = server.socket("/ws/script/").await;
    assert_eq!(client.see().await, Seen::text("hello"));
    client
}

#[tokio::test]
async fn a_consumer_s_close_comes_after_what_it_sent_before() {
    let (setup, application) = scripted();
    let server = setup.start().await;
    let mut client = greeted(&server).await;
    client.send(&text("close:4001:because")).await;
    client.send(&text("more")).await;
    assert_eq!(client.see().await, Seen::text("last words"));
    assert_eq!(client.see().await, Seen::close(4001, "because"));
    // The server waits for the answer.
    assert!(timeout(Duration::from_millis(300), client.see()).await.is_err());
    client.send(&text("still talking")).await;
    client.send(&close(4001, "because")).await;
    assert_eq!(client.see().await, Seen::Eof);
    drop(client);
    server.emptied().await;
    assert_eq!(*application.disconnects.lock().unwrap(), [4001]);
}

#[tokio::test]
async fn a_peer_that_never_answers_a_close_is_dropped() {
    let (mut setup, _) = scripted();
    setup.websocket.close_timeout = Duration::from_millis(300);
    let server = setup.start().await;
    let mut client = greeted(&server).await;
    client.send(&text("close:")).await;
    assert_eq!(client.see().await, Seen::text("last words"));
    assert_eq!(client.see_all().await[0], Seen::close(1000, ""));
    server.emptied().await;
}

#[tokio::test]
async fn the_consumer_is_told_how_it_ended() {
    let (setup, application) = scripted();
    let server = setup.start().await;
    let mut expected = Vec::new();
    let mut ended = async |bytes: &[u8], code| {
        let mut client = greeted(&server).await;
        client.send(bytes).await;
        if !bytes.is_empty() {
            client.see_all().await;
        }
        drop(client);
        server.emptied().await;
        expected.push(code);
        assert_eq!(*application.disconnects.lock().unwrap(), expected);
    };
    ended(&close(4321, "bye"), 4321).await;
    ended(&frame(0x88, b""), 1005).await;
    ended(b"", 1005).await;
    ended(&[0x81, 0], 1002).await;
    ended(&frame(0x82, b"x"), 1003).await;
}

#[tokio::test]
async fn frames_before_a_violation_still_count() {
    let (setup, _) = scripted();
    let server = setup.start().await;
    let mut client = greeted(&server).await;
    client.send(&[text("one"), text("two"), vec![0x83, 0x80, 0, 0, 0, 0]].concat()).await;
    let seen = Seen::Frame { first: 0x82, payload: b"seen".to_vec() };
    assert_eq!(client.see_all().await, [seen.clone(), seen, Seen::close(1002, "invalid opcode"), Seen::Eof]);
}

#[tokio::test]
async fn stopping_closes_sockets_with_1012_and_refuses_new_ones() {
    let (setup, application) = scripted();
    let mut server = setup.start().await;
    let mut clients = Vec::new();
    for _ in 0..10 {
        clients.push(greeted(&server).await);
    }
    let mut idle = server.connect().await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    server.stop.take();
    for mut client in clients {
        assert_eq!(client.see_all().await, [Seen::close(1012, ""), Seen::Eof]);
    }
    assert_eq!(idle.see().await, Seen::Eof);
    timeout(LONG, server.task).await.unwrap().unwrap();
    assert!(TcpStream::connect(server.address).await.is_err());
    assert_eq!(*application.disconnects.lock().unwrap(), [1012; 10]);
}
