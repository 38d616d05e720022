//! Routes to consumers that are written in Rust.

use std::{fmt, sync::Arc};

use super::{Application, Consumer, OutboxOptions, RouteKind, RouteOptions, RoutePattern, RustConsumer};

/// A route to a consumer written in Rust: `path("ws/chat/<str:room>/", ChatConsumer.as_asgi())`.
///
/// ```
/// use sluicegate::consumer::{Consumer, Route};
///
/// struct Silent;
///
/// impl Consumer for Silent {}
///
/// let route = Route::path("ws/silent/<int:number>/", || Silent);
/// ```
pub struct Route {
    pattern: RoutePattern,
    application: Made,
    outbox: OutboxOptions,
    connections: Option<usize>,
}

impl Route {
    /// A route as Django's `path()` has it, with the converters `int`, `str`, `slug`, `uuid` and `path`; it has no slash
    /// at its start. `consumer` makes the consumer of each socket.
    pub fn path<C: Consumer + 'static>(
        path: impl Into<String>,
        consumer: impl Fn() -> C + Send + Sync + 'static,
    ) -> Self {
        Self::new(RoutePattern::Path(path.into()), consumer)
    }

    /// A route as Django's `re_path()` has it, with a regular expression of Python's.
    pub fn regex<C: Consumer + 'static>(
        regex: impl Into<String>,
        consumer: impl Fn() -> C + Send + Sync + 'static,
    ) -> Self {
        Self::new(RoutePattern::Regex(regex.into()), consumer)
    }

    fn new<C: Consumer + 'static>(pattern: RoutePattern, consumer: impl Fn() -> C + Send + Sync + 'static) -> Self {
        let application = Made { make: Box::new(move || Box::new(consumer())), has_channels: true };
        Self { pattern, application, outbox: OutboxOptions::default(), connections: None }
    }

    /// No channel for its sockets, which then can be in no group. Where no route has channels, no channel layer is opened.
    #[must_use]
    pub fn without_channels(mut self) -> Self {
        self.application.has_channels = false;
        self
    }

    /// What may wait for a client that reads slowly, and what happens beyond that.
    #[must_use]
    pub fn outbox(mut self, options: OutboxOptions) -> Self {
        self.outbox = options;
        self
    }

    /// How many sockets the route may have in this process; a handshake past it is refused with 503.
    #[must_use]
    pub fn connections(mut self, most: usize) -> Self {
        self.connections = Some(most);
        self
    }

    pub(crate) fn into_options(self) -> RouteOptions {
        let kind = RouteKind::Rust(RustConsumer::new(self.application));
        let connections = self.connections;
        RouteOptions { outbox: self.outbox, connections, ..RouteOptions::new(self.pattern, kind) }
    }
}

impl fmt::Debug for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Route").field("pattern", &self.pattern).finish_non_exhaustive()
    }
}

/// Makes consumers by a function.
struct Made {
    make: Box<dyn Fn() -> Box<dyn Consumer> + Send + Sync>,
    has_channels: bool,
}

impl Application for Made {
    fn consumer(self: Arc<Self>) -> Box<dyn Consumer> {
        (self.make)()
    }

    /// Its consumers may ask for anything.
    fn reads(&self, _name: &str) -> bool {
        true
    }

    fn has_channels(&self) -> bool {
        self.has_channels
    }
}
