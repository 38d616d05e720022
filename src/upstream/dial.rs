//! A WebSocket handshake with Django, for a client whose own is answered by it.

use std::{future::Future, pin::Pin, time::Duration};

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, Uri, header};
use http_body_util::Empty;
use hyper::{body::Incoming, client::conn::http1};
use hyper_util::rt::TokioIo;
use tokio::time::timeout;
use tungstenite::handshake::derive_accept_key;
use uuid::Uuid;

use super::{Connected, Forwarding, Lease, MAX_HEADERS, Stream};

/// A handshake as it goes to Django.
#[derive(Clone)]
pub(crate) struct Handshake {
    /// Path and query. May hold a ticket: there is no `Debug`.
    pub(crate) target: Uri,
    pub(crate) headers: HeaderMap,
}

/// A connection to Django whose handshake is done.
#[derive(Debug)]
pub(crate) struct OpenUpstream {
    pub(crate) stream: Stream,
    /// What came behind the handshake.
    pub(crate) early: Bytes,
    /// To be kept as long as the stream.
    pub(crate) lease: Lease,
}

/// What Django said to a handshake.
#[derive(Debug)]
pub(crate) enum HandshakeAnswer {
    /// 101, with the headers that are for the client.
    Accepted(HeaderMap, OpenUpstream),
    /// Anything else, for the client; its body comes as it is read.
    Refused(Response<Incoming>),
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DialError {
    #[error("the upstream did not answer a handshake in time")]
    Late,
    #[error("the upstream's answer to a handshake cannot be read")]
    Broken(#[from] hyper::Error),
    #[error("the upstream's answer to a handshake is not one: {0}")]
    Wrong(&'static str),
}

impl Handshake {
    /// The same handshake with a nonce of its own.
    pub(crate) fn with_new_key(mut self) -> Self {
        let key = STANDARD.encode(Uuid::new_v4().as_bytes());
        // Base64 is a header's value.
        if let Ok(key) = HeaderValue::try_from(key) {
            self.headers.insert(header::SEC_WEBSOCKET_KEY, key);
        }
        self
    }

    /// Sends the handshake over `connected`, and waits for the head of its answer for as long as `patience`.
    ///
    /// # Errors
    ///
    /// [`DialError`]: there is none, or one that no server may give.
    pub(crate) async fn send(
        self,
        connected: Connected,
        patience: Duration,
        forwarding: &Forwarding,
    ) -> Result<HandshakeAnswer, DialError> {
        let answer = timeout(patience, self.exchange(connected, forwarding)).await;
        answer.unwrap_or(Err(DialError::Late))
    }

    async fn exchange(self, connected: Connected, forwarding: &Forwarding) -> Result<HandshakeAnswer, DialError> {
        let Connected { stream, lease } = connected;
        let accept = self.headers.get(header::SEC_WEBSOCKET_KEY).map(|key| derive_accept_key(key.as_bytes()));
        let (mut sender, connection) =
            http1::Builder::new().max_headers(MAX_HEADERS).handshake::<_, Empty<Bytes>>(TokioIo::new(stream)).await?;
        let mut connection: Pin<Box<dyn Future<Output = hyper::Result<()>> + Send>> =
            Box::pin(connection.with_upgrades());
        let mut is_over = false;
        let mut response = {
            let mut sending = std::pin::pin!(sender.send_request(self.into_request()));
            tokio::select! {
                biased;
                response = &mut sending => response?,
                // What was wrong with the connection, the sending tells too.
                _ = &mut connection => {
                    is_over = true;
                    sending.await?
                }
            }
        };
        if response.status() != StatusCode::SWITCHING_PROTOCOLS {
            forwarding.clean_answer(response.headers_mut());
            if !is_over {
                tokio::spawn(async move {
                    // An error is the body's too, which has a reader.
                    let _ = connection.await;
                    drop((sender, lease));
                });
            }
            return Ok(HandshakeAnswer::Refused(response));
        }
        check(response.headers(), accept.as_deref()).map_err(DialError::Wrong)?;
        let upgrade = hyper::upgrade::on(&mut response);
        let mut headers = std::mem::take(response.headers_mut());
        if !is_over {
            connection.await?;
        }
        let parts =
            upgrade.await?.downcast::<TokioIo<Stream>>().map_err(|_| DialError::Wrong("it is of another kind"))?;
        forwarding.clean_answer(&mut headers);
        headers.remove(header::CONTENT_LENGTH);
        let open = OpenUpstream { stream: parts.io.into_inner(), early: parts.read_buf, lease };
        Ok(HandshakeAnswer::Accepted(headers, open))
    }

    fn into_request(self) -> Request<Empty<Bytes>> {
        let mut request = Request::new(Empty::new());
        *request.uri_mut() = self.target;
        *request.headers_mut() = self.headers;
        let headers = request.headers_mut();
        headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        headers.remove(header::CONTENT_LENGTH);
        request
    }
}

/// RFC 6455, 4.1, what a client checks of an answer with 101.
fn check(headers: &HeaderMap, accept: Option<&str>) -> Result<(), &'static str> {
    let has = |name: HeaderName, value: &str| {
        let values = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
        values.flat_map(|values| values.split(',')).any(|token| token.trim().eq_ignore_ascii_case(value))
    };
    if !has(header::UPGRADE, "websocket") || !has(header::CONNECTION, "upgrade") {
        return Err("it upgrades to something else");
    }
    if headers.get(header::SEC_WEBSOCKET_ACCEPT).map(HeaderValue::as_bytes) != accept.map(str::as_bytes) {
        return Err("Sec-WebSocket-Accept is wrong");
    }
    Ok(())
}
