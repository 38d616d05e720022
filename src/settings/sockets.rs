//! How the sockets of each route are treated: what `check`, `settings` and the log say.

use std::fmt::{self, Write as _};

use super::{Report, Settings, django::AsgiRoute};
use crate::{
    consumer::{RouteKind, RouteOptions, RoutePattern},
    upstream::{HoldOptions, ProxyOptions, RouteAuth},
};

/// A route in the order in which they are tried, and the project's own, where it has one written like it.
pub(crate) struct SocketRoute<'a> {
    options: &'a RouteOptions,
    found: Option<&'a AsgiRoute>,
}

/// What is not a fault, but has to be known: a subclass of `JwtAuthMiddleware` whose Python is not run here.
pub(crate) struct Replaced {
    pub(crate) sentence: String,
    /// The lines that change it, for the first of its routes.
    pub(crate) mend: String,
}

impl Report {
    /// Every route; none where the settings are not good to start with.
    pub(crate) fn sockets(&self) -> impl Iterator<Item = SocketRoute<'_>> {
        let routes = self.settings.iter().flat_map(|settings| &settings.routes);
        routes.map(|options| {
            let found = self.found.iter().find(|found| found.pattern().as_ref() == Some(&options.pattern));
            SocketRoute { options, found }
        })
    }

    /// What of the project's own middleware decides about tickets, each class once.
    pub(crate) fn replaced(&self) -> Vec<Replaced> {
        let mut groups: Vec<(String, RouteAuth, Vec<SocketRoute<'_>>)> = Vec::new();
        for route in self.sockets() {
            let Some((what, auth)) = route.replaced() else { continue };
            match groups.iter_mut().find(|group| (&group.0, group.1) == (&what, auth)) {
                Some((_, _, routes)) => routes.push(route),
                None => groups.push((what, auth, vec![route])),
            }
        }
        groups.into_iter().map(|(what, auth, of)| Replaced::new(&what, auth, &of)).collect()
    }
}

impl Replaced {
    fn new(what: &str, auth: RouteAuth, of: &[SocketRoute<'_>]) -> Self {
        let first = of.first().map_or("", SocketRoute::written);
        let sockets = match of.len() {
            1 => format!("the sockets of {first}"),
            count => format!("the sockets of {count} routes, such as {first},"),
        };
        if auth == RouteAuth::Ticket {
            let sentence = format!(
                "{what}. As the file says, the tickets for {sockets} are redeemed here all the same; it is given a fresh \
                 one of the same user"
            );
            return Self { sentence, mend: String::new() };
        }
        let sentence = format!(
            "{what}, which only its own Python can do: {sockets} are passed on untouched, and Django redeems their tickets. \
             Where a fresh ticket of the same user is all that it needs, they can be redeemed here first:"
        );
        let name = of.first().map_or("path", SocketRoute::kind_of_pattern);
        Self {
            sentence,
            mend: format!("[[route]]\n{name} = {}\nproxy = true\nauth = \"ticket\"", toml::Value::from(first)),
        }
    }
}

impl SocketRoute<'_> {
    /// The pattern, as written.
    pub(crate) fn written(&self) -> &str {
        match &self.options.pattern {
            RoutePattern::Regex(regex) if regex.is_empty() => "any other path",
            RoutePattern::Path(text) | RoutePattern::Regex(text) => text,
        }
    }

    /// The key of a `[[route]]` that takes the pattern.
    pub(crate) fn kind_of_pattern(&self) -> &'static str {
        match self.options.pattern {
            RoutePattern::Regex(_) => "regex",
            RoutePattern::Path(_) => "path",
        }
    }

    /// Whether it is every path that no other route has.
    pub(crate) fn is_rest(&self) -> bool {
        is_rest(self.options)
    }

    pub(crate) fn is_held(&self) -> bool {
        matches!(&self.options.kind, RouteKind::Proxy(ProxyOptions { hold: Some(_), .. }))
    }

    /// What stands before the project's consumer, and not before this one, which takes its place.
    pub(crate) fn not_run(&self) -> Vec<&str> {
        let (RouteKind::Rust(_) | RouteKind::Declared(_), Some(found)) = (&self.options.kind, self.found) else {
            return Vec::new();
        };
        let is_known = |path: &str| {
            let is_ticket = found.ticket_middleware.as_deref() == Some(path) && found.overridden.is_empty();
            is_ticket || path.starts_with("channels.") || path.starts_with("django_channels_jwt.")
        };
        found.middleware.iter().map(String::as_str).filter(|path| !is_known(path)).collect()
    }

    /// The project's own consumer.
    pub(crate) fn consumer(&self) -> Option<&str> {
        self.found?.consumer.as_deref()
    }

    /// Where the project's own Python decides whom the ticket lets in: what it is, and whether it is passed over.
    fn replaced(&self) -> Option<(String, RouteAuth)> {
        let found = self.found.filter(|found| found.auth == "ticket" && !found.overridden.is_empty())?;
        let RouteKind::Proxy(proxy) = &self.options.kind else { return None };
        Some((overrides(found), proxy.auth))
    }
}

/// Which class replaces what of `JwtAuthMiddleware`.
pub(super) fn overrides(found: &AsgiRoute) -> String {
    let class = found.ticket_middleware.as_deref().unwrap_or("a subclass of JwtAuthMiddleware");
    let methods = found.overridden.iter().map(|name| format!("{name}()")).collect::<Vec<_>>().join(", ");
    format!("{class} overrides {methods}")
}

impl fmt::Display for SocketRoute<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.options.kind {
            RouteKind::Rust(_) | RouteKind::Declared(_) => f.write_str("answered here")?,
            RouteKind::Proxy(proxy) => {
                f.write_str(match proxy.auth {
                    RouteAuth::Ticket => "proxied, ticket redeemed here",
                    RouteAuth::Untouched => "proxied untouched",
                })?;
                if let Some(own) = &proxy.upstream {
                    write!(f, ", to {}", listed(&own.servers))?;
                }
                if let Some(HoldOptions { time, .. }) = proxy.hold {
                    write!(f, ", held for {time:?}")?;
                }
            }
        }
        match self.found.and_then(|found| found.consumer.as_deref()) {
            Some(consumer) => write!(f, " ({consumer})"),
            None => Ok(()),
        }
    }
}

impl Settings {
    /// What goes to the upstream, in a sentence for the log at start; `None` where nothing does.
    pub(crate) fn passed_on(&self) -> Option<String> {
        let count = |auth| {
            let is_it = |route: &&RouteOptions| {
                matches!(&route.kind, RouteKind::Proxy(proxy) if proxy.auth == auth) && !is_rest(route)
            };
            self.routes.iter().filter(is_it).count()
        };
        let (redeemed, untouched) = (count(RouteAuth::Ticket), count(RouteAuth::Untouched));
        let mut text = match &self.upstream {
            Some(upstream) => format!("passed on to {}: every HTTP request but ", listed(&upstream.servers)),
            None if redeemed + untouched == 0 => return None,
            None => "passed on: ".to_owned(),
        };
        if self.upstream.is_some() {
            text.push_str(if self.http.views.is_empty() { "health, " } else { "the ticket view's and health, " });
        }
        let _ = write!(
            text,
            "sockets of {} with the ticket redeemed here, of {} untouched",
            routes(redeemed),
            routes(untouched)
        );
        if self.upstream.is_some() {
            text.push_str(", and of any other path untouched");
        }
        Some(text)
    }
}

fn is_rest(route: &RouteOptions) -> bool {
    matches!(&route.pattern, RoutePattern::Regex(regex) if regex.is_empty())
}

fn routes(count: usize) -> String {
    format!("{count} {}", if count == 1 { "route" } else { "routes" })
}

fn listed(servers: &[impl ToString]) -> String {
    servers.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
