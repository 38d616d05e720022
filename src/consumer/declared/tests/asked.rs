//! A view decides, as a small server that answers what it is told to.

use std::sync::Mutex;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use super::*;
use crate::{
    channel_layer::{self, ChannelLayer, ChannelLayerOptions, LayerBackend, Value as Event},
    consumer::{
        Application, AskOptions, AskSettings, AskUrl, Consumer, ConsumerError, Failure, RouteContext,
        ask::{Ask, AskParts, Asks},
    },
    reason::Reason,
    secret::Secret,
};

/// A view that gives these answers, one after the other, and keeps what it was asked.
struct Django {
    url: String,
    asked: Arc<Mutex<Vec<serde_json::Value>>>,
}

impl Django {
    async fn answering(answers: Vec<serde_json::Value>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/sockets/", listener.local_addr().unwrap());
        let asked = Arc::<Mutex<Vec<serde_json::Value>>>::default();
        let kept = Arc::clone(&asked);
        tokio::spawn(async move {
            for answer in answers {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut request = Vec::new();
                let question = loop {
                    stream.read_buf(&mut request).await.unwrap();
                    let body = request.windows(4).position(|end| end == b"\r\n\r\n").map(|at| &request[at + 4..]);
                    if let Some(Ok(question)) = body.map(serde_json::from_slice) {
                        break question;
                    }
                };
                kept.lock().unwrap().push(question);
                let (status, body) =
                    answer.as_u64().map_or((200, answer.to_string()), |status| (status, String::new()));
                let head = format!("HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nConnection: close\r\n");
                let answer = format!("{head}Content-Length: {}\r\n\r\n{body}", body.len());
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        Self { url, asked }
    }

    fn options(&self) -> AskOptions {
        AskOptions {
            url: AskUrl::Url(self.url.clone()),
            on_connect: true,
            on_disconnect: true,
            timeout: Duration::from_secs(5),
            forward_headers: Vec::new(),
        }
    }

    /// What it was asked so far, once there are `count` questions.
    async fn asked(&self, count: usize) -> Vec<serde_json::Value> {
        let mut tries = 0;
        while self.asked.lock().unwrap().len() < count {
            tries += 1;
            assert!(tries < 500, "was not asked");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        self.asked.lock().unwrap().clone()
    }
}

/// Socket and view of a route that asks.
struct Asking {
    declared: Arc<Declared>,
    layer: Arc<dyn ChannelLayer>,
    recorder: Arc<Recorder>,
    connection: Connection,
    consumer: Box<dyn Consumer>,
}

impl Asking {
    async fn new(django: &Django, options: DeclaredOptions) -> Self {
        let options = DeclaredOptions { ask: Some(django.options()), ..options };
        let declared = Arc::new(compiled(&options));
        let settings = AskSettings { key: Some(Secret::new("key")), ..AskSettings::default() };
        let ask = Ask::new(&Asks::new(&settings, None, AskParts::default()), "ws/test/", &django.options()).unwrap();
        let in_memory = ChannelLayerOptions { backend: LayerBackend::InMemory, ..ChannelLayerOptions::default() };
        let layer = channel_layer::open(&in_memory).unwrap();
        let recorder = Arc::new(Recorder::default());
        let channel = layer.new_channel(Arc::clone(&recorder) as _).await.unwrap();
        let context = RouteContext {
            route: "ws/test/".to_owned(),
            captures: captures().map(|(name, _)| name.to_owned()).to_vec(),
            layer: Some(Arc::clone(&layer)),
            ask: Some(ask),
            ..RouteContext::default()
        };
        let state = recorder.connection(&captures()).state;
        let connection = Connection::new(state, Arc::clone(&recorder) as _, Arc::new(context), Some(channel));
        let consumer = Arc::clone(&declared).consumer();
        Self { declared, layer, recorder, connection, consumer }
    }

    async fn connect(&mut self) -> Result<(), ConsumerError> {
        self.consumer.connect(&mut self.connection).await
    }

    async fn hears(&self, group: &str) -> bool {
        self.recorder.events.lock().unwrap().clear();
        self.layer.group_send(group, &Event::map([("type", "x".into())])).await.unwrap();
        !self.recorder.events.lock().unwrap().is_empty()
    }
}

fn asking_for_frames() -> DeclaredOptions {
    let action = replying(json!("{{ context.n }}"));
    DeclaredOptions {
        groups: vec!["org_{{ context.org }}".to_owned()],
        receive: vec![DeclaredReceive { ask: true, action, ..DeclaredReceive::default() }],
        ..DeclaredOptions::default()
    }
}

#[tokio::test]
async fn a_view_gives_context_groups_and_messages() {
    let django = Django::answering(vec![
        json!({"context": {"org": 5, "n": 1}, "groups": ["extra"], "send": {"hello": "é"},
               "group_send": [{"group": "org_5", "event": {"type": "came"}}]}),
        json!({"context": {"org": 5, "n": 2}, "group_discard": ["extra"], "send": "first"}),
        json!(500),
        json!({}),
    ])
    .await;
    let mut asking = Asking::new(&django, asking_for_frames()).await;
    asking.connect().await.unwrap();
    assert_eq!(asking.recorder.texts(), [r#"{"hello": "\u00e9"}"#]);
    assert_eq!(asking.recorder.events.lock().unwrap().len(), 1, "its own event reaches it");
    assert!(asking.hears("org_5").await && asking.hears("extra").await);
    for frame in [r#"{"a": 1.0}"#, "no json"] {
        asking.consumer.receive(text(frame), &mut asking.connection).await.unwrap();
    }
    assert_eq!(asking.recorder.texts()[1..], [r#""first""#, "2"], "a question without an answer sends nothing");
    assert!(asking.hears("org_5").await && !asking.hears("extra").await);
    asking.consumer.disconnect(1001, &mut asking.connection).await;
    let asked = django.asked(4).await;
    let types: Vec<_> = asked.iter().map(|question| question["type"].as_str().unwrap()).collect();
    assert_eq!(types, ["websocket.connect", "websocket.receive", "websocket.receive", "websocket.disconnect"]);
    assert_eq!((&asked[1]["content"], &asked[1]["context"]["n"]), (&json!({"a": 1.0}), &json!(1)));
    assert_eq!((&asked[2]["text"], &asked[2]["context"]["n"]), (&json!("no json"), &json!(2)));
    assert_eq!((&asked[3]["code"], &asked[3]["kwargs"]["room"]), (&json!(1001), &json!("lobby")));
    assert!(counted(&asking.declared).is_empty(), "the question counts for itself");
}

#[tokio::test]
async fn a_view_refuses_the_handshake() {
    let django = Django::answering(vec![json!({"close": 4003})]).await;
    let mut asking = Asking::new(&django, asking_for_frames()).await;
    let error = asking.connect().await.unwrap_err();
    assert!(matches!(error.0, Failure::Denied(Reason::AskRefused, close) if close.code() == 4003));
    assert!(asking.recorder.frames.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_view_that_fails_refuses_the_handshake() {
    let django = Django::answering(vec![json!(500), json!({"context": {}})]).await;
    let refused = async || match Asking::new(&django, asking_for_frames()).await.connect().await.unwrap_err().0 {
        Failure::Refused(reason) => reason,
        _ => panic!("was not refused"),
    };
    assert_eq!(refused().await, Reason::AskFailed);
    assert_eq!(refused().await, Reason::GroupInvalid, "its context has no org");
}

#[tokio::test]
async fn a_view_is_told_where_a_socket_that_it_let_in_is_not_opened() {
    let django = Django::answering(vec![json!({"context": {"org": "no name"}}), json!({})]).await;
    let mut asking = Asking::new(&django, asking_for_frames()).await;
    assert!(asking.connect().await.is_err());
    let asked = django.asked(2).await;
    assert_eq!((&asked[1]["type"], &asked[1]["code"]), (&json!("websocket.disconnect"), &json!(1006)));
}
