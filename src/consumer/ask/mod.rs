//! Django asked about sockets that it does not hold: `[route.ask]`.
//!
//! A question is one POST to a view. What it says is [`question`], what its answer may say is [`answer`]; both are stated
//! in docs/ask.md.

mod answer;
mod client;
mod failure;
mod question;
mod signature;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::SystemTime,
};

use http::{HeaderName, HeaderValue};
use tokio::{
    sync::Semaphore,
    time::{Instant, timeout_at},
};

use super::{AskOptions, AskSettings, AskUrl};
use crate::{
    causes::with_causes,
    python::{Value, json},
    secret::Secret,
    upstream::Upstream,
};
pub(crate) use answer::{Answer, GroupSend};
use client::View;
pub(crate) use failure::AskFailed;
pub(crate) use question::{About, Asked, AskedFrame, Facts};
use signature::SigningKey;

/// What the questions of all routes have in common, for one reading of the settings.
pub(crate) struct Asks {
    key: SigningKey,
    /// `[ask] max_open`: fair, so that who waits longest asks next.
    open: Semaphore,
    upstream: Option<Arc<Upstream>>,
    /// `SECURE_PROXY_SSL_HEADER`, as a header.
    ssl_header: Option<(HeaderName, HeaderValue)>,
}

impl Asks {
    /// `secret_key`: `SECRET_KEY`, where `[ask] key` is not set. `ssl_header`: `SECURE_PROXY_SSL_HEADER`, such as
    /// `("HTTP_X_FORWARDED_PROTO", "https")`.
    pub(crate) fn new(
        settings: &AskSettings,
        secret_key: &Secret,
        upstream: Option<Arc<Upstream>>,
        ssl_header: Option<&(String, String)>,
    ) -> Arc<Self> {
        let ssl_header = ssl_header.and_then(|(name, value)| {
            let name = name.strip_prefix("HTTP_")?.replace('_', "-");
            Some((HeaderName::from_bytes(name.as_bytes()).ok()?, HeaderValue::from_str(value).ok()?))
        });
        Arc::new(Self {
            key: SigningKey::new(settings.key.as_ref().unwrap_or(secret_key)),
            open: Semaphore::new(settings.max_open.clamp(1, Semaphore::MAX_PERMITS)),
            upstream,
            ssl_header,
        })
    }
}

/// `[route.ask]`, ready to be asked. All sockets of a route share it.
pub(crate) struct Ask {
    asks: Arc<Asks>,
    options: AskOptions,
    /// The route, as written, for messages.
    route: String,
    view: View,
    failures: AtomicU64,
}

impl Ask {
    /// # Errors
    ///
    /// A sentence about a `url` that cannot be used.
    pub(crate) fn new(asks: &Arc<Asks>, route: &str, options: &AskOptions) -> Result<Self, String> {
        let view = match &options.url {
            AskUrl::Path(path) => {
                let upstream = asks.upstream.clone().ok_or("there is no [upstream] that [route.ask] could be on")?;
                View::on_upstream(upstream, path)?
            }
            AskUrl::Url(url) => View::at(url)?,
        };
        Ok(Self {
            asks: Arc::clone(asks),
            options: options.clone(),
            route: route.to_owned(),
            view,
            failures: AtomicU64::new(0),
        })
    }

    /// Whether [`connect`](Self::connect) is to be called.
    pub(crate) const fn on_connect(&self) -> bool {
        self.options.on_connect
    }

    /// Whether [`connected`](Self::connected) and [`disconnect`](Self::disconnect) are to be called.
    pub(crate) const fn on_disconnect(&self) -> bool {
        self.options.on_disconnect
    }

    /// `forward_headers`, in lower case.
    pub(crate) fn forward_headers(&self) -> &[String] {
        &self.options.forward_headers
    }

    /// Asks whether a socket may be opened. `offered`: the client's subprotocols.
    ///
    /// # Errors
    ///
    /// [`AskFailed`], which is counted and logged: the handshake is refused with `ask_failed`.
    pub(crate) async fn connect(&self, about: &About, offered: &[String]) -> Result<Answer, AskFailed> {
        let answer = self.ask(about, None, Asked::Connect).await;
        self.counted(answer.and_then(|answer| Ok(answer.with_offered(offered)?)))
    }

    /// Asks what to do about a frame. One socket asks one question after the other.
    ///
    /// # Errors
    ///
    /// [`AskFailed`], which is counted and logged: nothing is done, and the socket lives.
    pub(crate) async fn receive(
        &self,
        about: &About,
        context: Option<&Value>,
        frame: AskedFrame<'_>,
    ) -> Result<Answer, AskFailed> {
        self.counted(self.ask(about, context, Asked::Receive(frame)).await)
    }

    async fn ask(&self, about: &About, context: Option<&Value>, asked: Asked<'_>) -> Result<Answer, AskFailed> {
        let context = context.map(json::dumps).transpose().map_err(|_| AskFailed::Unserializable)?;
        self.post(asked.body(about, context.as_deref()), asked).await
    }

    /// Posts `body` within the time limit, once it has a place among the open questions.
    async fn post(&self, body: String, asked: Asked<'_>) -> Result<Answer, AskFailed> {
        let limit = self.options.timeout;
        let deadline = Instant::now() + limit;
        // Never closed.
        let Ok(Ok(_place)) = timeout_at(deadline, self.asks.open.acquire()).await else {
            return Err(AskFailed::Busy(limit));
        };
        let signature = self.asks.key.header(body.as_bytes(), SystemTime::now());
        let headers = client::headers(&signature, self.asks.ssl_header.as_ref());
        let answer = timeout_at(deadline, self.view.post(headers, body)).await;
        let body = answer.map_err(|_| AskFailed::Late(limit))??;
        if body.is_empty() { Ok(Answer::default()) } else { Ok(Answer::read(&body, asked.phase())?) }
    }

    /// Logs the first failure of the route at length, and counts all.
    fn counted<T>(&self, answer: Result<T, AskFailed>) -> Result<T, AskFailed> {
        answer.inspect_err(|failed| {
            let failures = self.failures.fetch_add(1, Ordering::Relaxed) + 1;
            // The first one, and then the tenth, the hundredth and so on: a Django that is down must not fill the log.
            if is_power_of_ten(failures) {
                tracing::error!(
                    route = self.route,
                    failures,
                    error = with_causes(failed),
                    "a question was not answered"
                );
            }
        })
    }
}

const fn is_power_of_ten(mut number: u64) -> bool {
    while number.is_multiple_of(10) && number > 0 {
        number /= 10;
    }
    number == 1
}
