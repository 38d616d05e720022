//! `sluicegate settings --routes`: a starter file that names each consumer found in the ASGI application.

use std::fmt::Write as _;

use super::{django::AsgiRoute, render::one_line, report::Report, route_proxy::auth_of, sockets::overrides};
use crate::upstream::RouteAuth;

/// With `[upstream]`.
const PASSED_ON: &str = "\
# sluicegate.toml. Nothing has to be declared: what follows is how each socket is passed on to [upstream] as it is.
# Uncomment a route to change it, such as to hold its sockets while Django restarts, or to answer it here.
# Routes are tried in this order.
";

/// Without.
const STAYS: &str = "\
# sluicegate.toml. Routes are tried in this order. A consumer whose route is not declared here stays with Django: point
# only the declared paths at sluicegate, or pass everything else on to Django:

# [upstream]
# url = \"http://127.0.0.1:8000\"
";

/// The tutorial's chat.
const EXAMPLE: &str = r#"
# The chat of the Channels tutorial, answered here as a member of the project's channel layer:

# [[route]]
# path = "ws/chat/<str:room>/"          # as in Django's path(); or regex = '^ws/chat/(?P<room>\w+)/$'
# groups = ["chat_{{ room }}"]
#
# [route.receive]
# group_send = "chat_{{ room }}"
# event = { type = "chat.message", message = "{{ content.message }}" }
#
# [route.events."chat.message"]
# send = { message = "{{ event.message }}" }
"#;

/// The file: every route in comments, to be declared one by one.
pub(crate) fn starter(report: &Report) -> String {
    let has_upstream = report.effective.iter().any(|(key, _, _)| key.path == "upstream.url");
    let mut text = if has_upstream { PASSED_ON } else { STAYS }.to_owned();
    if report.found.is_empty() {
        text.push_str("\n# No consumer was found");
        text.push_str(": name the ASGI application with --django mysite.asgi:application.\n");
        text.push_str(EXAMPLE);
        return text;
    }
    report.found.iter().for_each(|route| text.push_str(&commented(route)));
    text.push_str(EXAMPLE);
    text
}

fn commented(route: &AsgiRoute) -> String {
    let consumer = route.consumer.as_deref().unwrap_or("a consumer that is no class");
    let mut text = format!("\n# {}\n# [[route]]\n", one_line(consumer));
    let (name, pattern) = match (&route.path, &route.regex) {
        (Some(path), _) => ("path", path),
        (None, Some(regex)) => ("regex", regex),
        (None, None) => return text,
    };
    let _ = writeln!(text, "# {name} = {}", toml::Value::from(one_line(pattern)));
    let _ = writeln!(text, "# proxy = true");
    let _ = match (auth_of(route), route.auth.as_str()) {
        (RouteAuth::Ticket, _) => writeln!(text, "# auth = \"ticket\""),
        (RouteAuth::Untouched, "ticket") => {
            writeln!(text, "# auth = \"none\"        # {}", one_line(&overrides(route)))
        }
        (RouteAuth::Untouched, _) => writeln!(text, "# auth = \"none\"        # no JwtAuthMiddleware before it"),
    };
    let _ = writeln!(text, "# hold = \"30s\"        # keep its sockets while Django restarts");
    if !route.middleware.is_empty() {
        let _ = writeln!(text, "# Before it: {}", one_line(&route.middleware.join(", ")));
    }
    text
}
