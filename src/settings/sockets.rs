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
    /// The lines that change it.
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
}

impl SocketRoute<'_> {
    /// The pattern, as written.
    pub(crate) fn written(&self) -> &str {
        match &self.options.pattern {
            RoutePattern::Regex(regex) if regex.is_empty() => "any other path",
            RoutePattern::Path(text) | RoutePattern::Regex(text) => text,
        }
    }

    /// Whether it is every path that no other route has.
    pub(crate) fn is_rest(&self) -> bool {
        is_rest(self.options)
    }

    pub(crate) fn is_held(&self) -> bool {
        matches!(&self.options.kind, RouteKind::Proxy(ProxyOptions { hold: Some(_), .. }))
    }

    /// Where the project's own Python decides whom the ticket lets in.
    pub(crate) fn replaced(&self) -> Option<Replaced> {
        let found = self.found.filter(|found| found.auth == "ticket" && !found.overridden.is_empty())?;
        let RouteKind::Proxy(proxy) = &self.options.kind else { return None };
        let class = found.ticket_middleware.as_deref().unwrap_or("a subclass of JwtAuthMiddleware");
        let methods = found.overridden.iter().map(|name| format!("{name}()")).collect::<Vec<_>>().join(", ");
        let (name, text) = match &self.options.pattern {
            RoutePattern::Path(text) => ("path", text),
            RoutePattern::Regex(text) => ("regex", text),
        };
        let (means, mend) = match proxy.auth {
            RouteAuth::Untouched => (
                "its sockets are passed on untouched, and Django redeems their tickets. To have them redeemed here first, \
                 where a fresh ticket of the same user is all that it needs:",
                format!("[[route]]\n{name} = {}\nproxy = true\nauth = \"ticket\"", toml::Value::from(text.as_str())),
            ),
            RouteAuth::Ticket => (
                "as this route says, the ticket is redeemed here all the same, and Django is given a fresh one of the same \
                 user",
                String::new(),
            ),
        };
        Some(Replaced { sentence: format!("{class} overrides {methods}: {means}"), mend })
    }
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
