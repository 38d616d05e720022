//! `sluicegate settings --routes`: a starter file that names each consumer found in the ASGI application.

use std::fmt::Write as _;

use super::{django::AsgiRoute, render::one_line, report::Report};

const HEAD: &str = "\
# sluicegate.toml. Routes are tried in this order. A consumer whose route is not declared here stays with Django: point
# only the declared paths at sluicegate.
";

const EXAMPLE: &str = r#"
# [[route]]
# path = "ws/chat/<str:room>/"          # as in Django's path(); or regex = '^ws/chat/(?P<room>\w+)/$'
#
# [route.receive]
# reply = { message = "{{ content.message }}", user = "{{ user.username }}" }
"#;

/// The file: every route in comments, to be declared one by one.
pub(crate) fn starter(report: &Report) -> String {
    let mut text = HEAD.to_owned();
    if report.found.is_empty() {
        text.push_str("\n# No consumer was found");
        text.push_str(": name the ASGI application with --django mysite.asgi:application.\n");
        text.push_str(EXAMPLE);
        return text;
    }
    report.found.iter().for_each(|route| text.push_str(&commented(route)));
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
    let _ = writeln!(text, "# proxy = \"ws://127.0.0.1:8000\"        # not in this version");
    if route.auth != "ticket" {
        let _ = writeln!(text, "# auth = \"none\"        # no JwtAuthMiddleware before it");
    }
    for method in &route.overridden {
        let _ = writeln!(text, "# The project's own {} is not run here.", one_line(method));
    }
    if !route.middleware.is_empty() {
        let _ = writeln!(text, "# Before it: {}", one_line(&route.middleware.join(", ")));
    }
    text
}
