//! Django asked about sockets that it does not hold: `[route.ask]`.
//!
//! A question is one POST to a view. What it says is [`question`], what its answer may say is [`answer`]; both are stated
//! in docs/ask.md.
//!
//! A consumer whose route has one ([`RouteContext::ask`](super::RouteContext)) calls, in `connect`,
//! [`about`](Ask::about) once, then [`connect`](Ask::connect) where [`on_connect`](Ask::on_connect) says so, and does what
//! the [`Answer`] says; when it has joined its groups, [`remember`](Ask::remember), and again when its context changes. For
//! a frame with `ask = true` it calls [`receive`](Ask::receive), and in `disconnect` [`disconnect`](Ask::disconnect), the
//! last and `remember` only where [`on_disconnect`](Ask::on_disconnect) says so.

mod answer;
mod client;
mod failure;
mod farewell;
mod paths;
mod question;
mod register;
mod scripts;
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

use super::{AskOptions, AskSettings, AskUrl, Connection};
use crate::{
    causes::with_causes,
    channel_layer::ChannelLayer,
    python::{Value, json},
    trace::Trace,
    upstream::Upstream,
};
pub(crate) use answer::Answer;
use client::View;
pub(crate) use failure::AskFailed;
pub(crate) use farewell::Farewells;
pub(crate) use paths::OwnPaths;
pub(crate) use question::{About, AskScope, AskedFrame};
use question::{Asked, Facts};
pub(crate) use register::Register;
use signature::SigningKey;

/// What the questions of all routes have in common, for one reading of the settings. The default is for none at all.
#[derive(Default)]
pub(crate) struct Asks {
    /// `None` without a `SECRET_KEY`.
    key: Option<SigningKey>,
    /// `[ask] max_open`: fair, so that who waits longest asks next.
    open: Places,
    /// How many of these may be about sockets that have ended.
    turns: Places,
    upstream: Option<Arc<Upstream>>,
    /// `SECURE_PROXY_SSL_HEADER`, as a header.
    ssl_header: Option<(HeaderName, HeaderValue)>,
    layer: Option<Arc<dyn ChannelLayer>>,
    farewells: Arc<Farewells>,
    register: Option<Arc<Register>>,
}

/// What [`Asks`] are put together from, besides their settings.
#[derive(Default)]
pub(crate) struct AskParts {
    pub(crate) upstream: Option<Arc<Upstream>>,
    /// Where events go that a view answers to the end of a socket.
    pub(crate) layer: Option<Arc<dyn ChannelLayer>>,
    pub(crate) farewells: Arc<Farewells>,
    /// Where sockets are written down that views are told the end of.
    pub(crate) register: Option<Arc<Register>>,
}

/// How many questions may be open.
struct Places(Semaphore);

impl Places {
    fn new(most: usize) -> Self {
        Self(Semaphore::new(most.clamp(1, Semaphore::MAX_PERMITS)))
    }
}

impl Default for Places {
    fn default() -> Self {
        Self::new(AskSettings::default().max_open)
    }
}

impl Asks {
    /// `ssl_header`: `SECURE_PROXY_SSL_HEADER`, such as `("HTTP_X_FORWARDED_PROTO", "https")`.
    pub(crate) fn new(settings: &AskSettings, ssl_header: Option<&(String, String)>, parts: AskParts) -> Arc<Self> {
        let AskParts { upstream, layer, farewells, register } = parts;
        let ssl_header = ssl_header.and_then(|(name, value)| {
            let name = name.strip_prefix("HTTP_")?.replace('_', "-");
            Some((HeaderName::from_bytes(name.as_bytes()).ok()?, HeaderValue::from_str(value).ok()?))
        });
        Arc::new(Self {
            key: settings.key.as_ref().map(SigningKey::new),
            open: Places::new(settings.max_open),
            turns: Places::new(settings.max_open / 4),
            upstream,
            ssl_header,
            layer,
            farewells,
            register,
        })
    }
}

/// `[route.ask]`, ready to be asked. All sockets of a route share it.
pub(crate) struct Ask {
    asks: Arc<Asks>,
    key: SigningKey,
    options: AskOptions,
    /// The route, as written, for messages.
    route: String,
    view: View,
    failures: AtomicU64,
}

impl Ask {
    /// # Errors
    ///
    /// A sentence about a `url` that cannot be used, or a key that is missing.
    pub(crate) fn new(asks: &Arc<Asks>, route: &str, options: &AskOptions) -> Result<Arc<Self>, String> {
        let view = match &options.url {
            AskUrl::Path(path) => {
                let upstream = asks.upstream.clone().ok_or("there is no [upstream] that [route.ask] could be on")?;
                View::on_upstream(upstream, path)?
            }
            AskUrl::Url(url) => View::at(url)?,
        };
        let key = asks.key.clone().ok_or("[route.ask] needs secret_key or [ask] key, to sign what it asks")?;
        let ask = Arc::new(Self {
            asks: Arc::clone(asks),
            key,
            options: options.clone(),
            route: route.to_owned(),
            view,
            failures: AtomicU64::new(0),
        });
        if let Some(register) = &asks.register
            && options.on_disconnect
        {
            register.add_view(options.url.as_str(), &ask);
        }
        Ok(ask)
    }

    /// Whether [`connect`](Self::connect) is to be called.
    pub(crate) const fn on_connect(&self) -> bool {
        self.options.on_connect
    }

    /// Whether [`remember`](Self::remember) and [`disconnect`](Self::disconnect) are to be called.
    pub(crate) const fn on_disconnect(&self) -> bool {
        self.options.on_disconnect
    }

    /// `url`, as written.
    pub(crate) fn url(&self) -> &str {
        self.options.url.as_str()
    }

    /// `forward_headers`, in lower case.
    pub(crate) fn forward_headers(&self) -> &[String] {
        &self.options.forward_headers
    }

    /// What all questions about this connection say of it, to be made once, in `connect`.
    ///
    /// # Errors
    ///
    /// [`AskFailed`], which is counted and logged: a name in the path has no form in JSON.
    pub(crate) fn about(&self, connection: &mut Connection) -> Result<About, AskFailed> {
        let scope = connection.state.asked.take().map(|scope| *scope);
        let context = connection.context();
        let kwargs = context.captures.iter().zip(&connection.state.captures);
        let facts = Facts {
            user: Value::from(&connection.state.user),
            route: &self.route,
            // Of a group that took no part in the match there is no argument, as in Django.
            kwargs: kwargs.filter_map(|(name, value)| Some((name.clone(), value.clone()?))).collect(),
            scope,
            channel_name: connection.channel_name(),
        };
        self.counted(About::new(facts).map_err(|_| AskFailed::Unserializable))
    }

    /// Asks whether a socket may be opened.
    ///
    /// # Errors
    ///
    /// [`AskFailed`], which is counted and logged: the handshake is refused with `ask_failed`.
    pub(crate) async fn connect(&self, about: &About) -> Result<Answer, AskFailed> {
        let answer = self.ask(about, None, Asked::Connect).await;
        self.counted(answer.and_then(|answer| Ok(answer.with_offered(about.offered())?)))
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
        self.post(asked.body(about, context.as_deref()), asked, about.trace()).await
    }

    /// Posts `body` within the time limit, once it has a place among the open questions.
    async fn post(&self, body: String, asked: Asked<'_>, trace: Option<Trace>) -> Result<Answer, AskFailed> {
        let limit = self.options.timeout;
        let deadline = Instant::now() + limit;
        // Never closed.
        let Ok(Ok(_place)) = timeout_at(deadline, self.asks.open.0.acquire()).await else {
            return Err(AskFailed::Busy(limit));
        };
        let signature = self.key.header(body.as_bytes(), SystemTime::now());
        let mut headers = client::headers(&signature, self.asks.ssl_header.as_ref());
        if let Some(trace) = trace {
            trace.pass_on(&mut headers);
        }
        let answer = timeout_at(deadline, self.view.post(headers, body)).await;
        let body = answer.map_err(|_| AskFailed::Late(limit))??;
        Ok(body.map_or_else(|| Ok(Answer::default()), |body| Answer::read(&body, asked.phase()))?)
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

#[cfg(test)]
mod tests;
