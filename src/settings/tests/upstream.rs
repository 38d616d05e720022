//! `[upstream]`, and routes that are passed on to it.

use std::time::Duration;

use serde_json::{Value, json};

use super::{
    super::{Report, TicketViewState, render, starter},
    ENOUGH, Given, document, problems, toml,
};
use crate::{
    consumer::{RouteKind, RoutePattern},
    upstream::{HoldOptions, ProxyOptions, RouteAuth},
    websocket::OriginPolicy,
};

const UPSTREAM: &str = "[upstream]\nurl = \"http://127.0.0.1:8000\"\n";
const CHAT: &str = "ws/chat/<str:room>/";

/// Each proxied route, as written, with what is said of it.
fn proxies(report: &Report) -> Vec<(String, ProxyOptions)> {
    let routes = &report.settings.as_ref().expect("settings").routes;
    let proxied = routes.iter().filter_map(|route| {
        let (RoutePattern::Path(text) | RoutePattern::Regex(text)) = &route.pattern;
        if let RouteKind::Proxy(proxy) = &route.kind { Some((text.clone(), proxy.clone())) } else { None }
    });
    proxied.collect()
}

fn to_upstream(auth: RouteAuth) -> ProxyOptions {
    ProxyOptions { upstream: None, auth, hold: None }
}

fn routes(routes: Value) -> impl FnOnce(&mut Value) {
    move |document| document["items"]["asgi"]["value"]["routes"] = routes
}

#[test]
fn one_flag_puts_it_before_a_whole_project() {
    let environment = [("SLUICEGATE_UPSTREAM", "http://web-1:8000, unix:/run/django.sock")];
    let document = Some(super::DOCUMENT.to_owned());
    let report = Given { document, environment: &environment, ..Given::default() }.read();
    assert_eq!(problems(&report), "");
    assert_eq!(proxies(&report), [(CHAT.to_owned(), to_upstream(RouteAuth::Ticket))]);
    let upstream = report.settings.unwrap().upstream.unwrap();
    let shown: Vec<_> = upstream.servers.iter().map(ToString::to_string).collect();
    assert_eq!(shown, ["http://web-1:8000", "unix:/run/django.sock"]);
    assert_eq!((upstream.timeout.as_secs(), upstream.connect_timeout.as_secs()), (60, 3));
    assert_eq!((upstream.health_path, upstream.health_interval.as_secs()), (None, 1));
}

#[test]
fn the_routes_of_the_project_come_after_those_of_the_file() {
    let found = routes(json!([
        {"path": CHAT, "auth": "ticket"},
        {"regex": "^ws/session/$", "auth": "none"},
        {"path": "ws/own/", "auth": "ticket", "overridden": ["auth"]},
    ]));
    let report = document(&format!("{UPSTREAM}[[route]]\npath = \"ws/declared/\"\n"), found);
    assert_eq!(problems(&report), "");
    let expected = [
        (CHAT.to_owned(), to_upstream(RouteAuth::Ticket)),
        ("^ws/session/$".to_owned(), to_upstream(RouteAuth::Untouched)),
        ("ws/own/".to_owned(), to_upstream(RouteAuth::Untouched)),
    ];
    assert_eq!(proxies(&report), expected);
    let first = &report.settings.unwrap().routes[0];
    assert_eq!(first.pattern, RoutePattern::Path("ws/declared/".to_owned()));
}

#[test]
fn routes_of_nested_routers_are_shown_as_written_and_matched_as_channels_does() {
    let matches = r"\A(?>(?:ws/))(?>/*)(?>(?:told/\Z))";
    let found = || routes(json!([{"path": "ws/told/", "matches": matches, "auth": "ticket"}]));
    let written = RoutePattern::Path("ws/told/".to_owned());
    let proxied = "[[route]]\npath = \"ws/told/\"\nproxy = true\n";
    let answered = "[[route]]\npath = \"ws/told/\"\n";
    for (stated, expected) in [("", 1), (proxied, 1), (answered, 2)] {
        let report = document(&format!("{UPSTREAM}{stated}"), found());
        assert_eq!(problems(&report), "");
        assert_eq!(proxies(&report), [("ws/told/".to_owned(), to_upstream(RouteAuth::Ticket))]);
        let all = report.settings.unwrap().routes;
        assert!(all.iter().all(|route| route.pattern == written), "{stated}");
        assert_eq!(all.len(), expected, "{stated}");
        assert_eq!(all.last().unwrap().matches.as_deref(), Some(matches), "{stated}");
        assert_eq!(all.last().unwrap().matched(), RoutePattern::Regex(matches.to_owned()));
    }
}

#[test]
fn from_a_pattern_that_cannot_be_matched_on_sockets_are_untouched() {
    let found = routes(json!([
        {"path": "ws/a/", "auth": "ticket"},
        {"path": "ws/<hex:b>/", "auth": "ticket", "consumer": "mysite.consumers.B"},
        {"path": "ws/c/", "auth": "ticket"},
    ]));
    let report = document(UPSTREAM, found);
    assert_eq!(problems(&report), "");
    assert_eq!(proxies(&report), [("ws/a/".to_owned(), to_upstream(RouteAuth::Ticket))]);
    let note = report.notes.iter().find(|note| note.contains("mysite.consumers.B")).unwrap();
    assert!(note.contains("passed on untouched"), "{note}");
}

#[test]
fn a_route_takes_its_auth_from_the_route_of_the_project_that_is_written_like_it() {
    let report = document(&format!("{UPSTREAM}[[route]]\npath = \"{CHAT}\"\nproxy = true\nhold = \"30s\"\n"), |_| {});
    assert_eq!(problems(&report), "");
    let hold = HoldOptions { time: Duration::from_secs(30), buffer: HoldOptions::DEFAULT_BUFFER };
    let expected = ProxyOptions { hold: Some(hold), ..to_upstream(RouteAuth::Ticket) };
    assert_eq!(proxies(&report)[0], (CHAT.to_owned(), expected));

    let other = format!("{UPSTREAM}[[route]]\npath = \"ws/other/\"\nproxy = true\n");
    let said = problems(&document(&other, |_| {}));
    assert!(said.starts_with("E060 sluicegate.toml:5: whether JwtAuthMiddleware stands before"), "{said}");
    let report = document(&format!("{other}auth = \"none\"\n"), |_| {});
    assert_eq!(problems(&report), "");
    assert_eq!(proxies(&report)[0], ("ws/other/".to_owned(), to_upstream(RouteAuth::Untouched)));
}

#[test]
fn a_route_may_have_servers_of_its_own() {
    let route = "[[route]]\npath = \"ws/\"\nproxy = [\"ws://a:1\", \"http://b:2\"]\nauth = \"ticket\"\n";
    let report = document(&format!("[upstream]\ntimeout = 5\n{route}"), |_| {});
    assert_eq!(problems(&report), "");
    let (_, proxy) = proxies(&report).remove(0);
    let own = proxy.upstream.unwrap();
    assert_eq!((own.servers.len(), own.timeout.as_secs()), (2, 5));
    let settings = report.settings.unwrap();
    assert_eq!((settings.upstream, settings.routes.len()), (None, 1));
}

#[test]
fn hold_holds_for_every_socket_unless_a_route_says_otherwise() {
    let text = format!(
        "{UPSTREAM}hold = \"1m\"\nhold_buffer = \"1 MiB\"\n[[route]]\npath = \"{CHAT}\"\nproxy = true\nhold = false\n\
         [[route]]\npath = \"ws/other/\"\nproxy = true\nauth = \"none\"\nhold_buffer = 7\n"
    );
    let report = document(&text, |_| {});
    assert_eq!(problems(&report), "");
    let time = Duration::from_mins(1);
    let held = |auth, buffer| ProxyOptions { hold: Some(HoldOptions { time, buffer }), ..to_upstream(auth) };
    let expected = [
        (CHAT.to_owned(), to_upstream(RouteAuth::Ticket)),
        ("ws/other/".to_owned(), held(RouteAuth::Untouched, 7)),
        (String::new(), held(RouteAuth::Untouched, 1 << 20)),
    ];
    assert_eq!(proxies(&report), expected);
}

#[test]
fn a_route_for_every_path_leaves_none_to_be_found() {
    let report = document(&format!("{UPSTREAM}[[route]]\nregex = \"\"\nproxy = true\nauth = \"none\"\n"), |_| {});
    assert_eq!(proxies(&report), [(String::new(), to_upstream(RouteAuth::Untouched))]);
}

#[test]
fn where_django_answers_every_socket_its_own_validator_checks_their_origins() {
    let unknown = |document: &mut Value| document["items"]["asgi"]["value"]["origins"] = json!({"kind": "unknown"});
    let report = document(UPSTREAM, unknown);
    assert_eq!(problems(&report), "");
    assert_eq!(report.settings.unwrap().websocket.origins, OriginPolicy::NotChecked);
    let declared = format!("{UPSTREAM}[[route]]\npath = \"ws/declared/\"\n");
    assert!(problems(&document(&declared, unknown)).starts_with("E050: "));
    // What is known holds for the sockets whose ticket is redeemed here.
    let known = document(UPSTREAM, |_| {}).settings.unwrap().websocket.origins;
    assert!(matches!(known, OriginPolicy::Allowed(hosts) if hosts.len() == 2));
}

#[test]
fn with_an_upstream_nothing_else_has_to_be_served() {
    let toml_alone = |extra: &str| {
        let top = ENOUGH.split("[websocket]").next().unwrap();
        problems(&toml(&format!("{top}[ticket]\nserve = false\n{extra}")))
    };
    assert!(toml_alone("").starts_with("E061: "));
    assert_eq!(toml_alone(UPSTREAM), "");
}

#[test]
fn every_mistake_is_told_with_its_line() {
    let mend = "proxy = true        # or a URL such as \"http://127.0.0.1:8000\", or a list of them";
    let cases = [
        ("proxy = 1\nauth = \"none\"", format!("E003 sluicegate.toml:5: `route.proxy` takes true, an address or a list of addresses\n    {mend}")),
        ("auth = \"none\"", format!("E060 sluicegate.toml:5: `route.auth` is about a route that is passed on, and this one has no `proxy`\n    {mend}")),
        ("proxy = true\nauth = \"none\"\nhold_buffer = 1", "E060 sluicegate.toml:7: `route.hold_buffer` needs a `hold`\n    hold = \"30s\"".to_owned()),
        ("proxy = true\nauth = \"none\"\nhold = \"soon\"", "E003 sluicegate.toml:7: `route.hold` takes a number of seconds, or a text such as \"30s\" or \"5m\", or false\n    hold = \"30s\"".to_owned()),
        ("proxy = \"http://127.0.0.1:8001\"\nauth = \"none\"", "E062 sluicegate.toml:5: http://127.0.0.1:8001 is where sluicegate itself listens, so requests would go round in a loop\n    --bind 127.0.0.1:8001 --upstream http://127.0.0.1:8000        # Django's own port".to_owned()),
        ("proxy = true\ngroups = [\"a\"]", "E060 sluicegate.toml:6: a route has a `proxy` or `groups`: either Django's consumer answers, or this table".to_owned()),
        ("proxy = true\nauth = \"none\"\nreceive = { reply = 1 }", "E060 sluicegate.toml:7: a route has a `proxy` or `receive`: either Django's consumer answers, or this table".to_owned()),
    ];
    for (lines, expected) in cases {
        let text = format!("{UPSTREAM}[[route]]\npath = \"ws/\"\n{lines}\n");
        assert_eq!(problems(&document(&text, |_| {})), expected, "{lines}");
    }
    let said = problems(&document("[[route]]\npath = \"ws/\"\nproxy = true\nauth = \"none\"\n", |_| {}));
    assert!(
        said.starts_with("E060 sluicegate.toml:3: `proxy = true` passes sockets on to [upstream], and there is none"),
        "{said}"
    );
    for (line, word) in [
        ("url = \"127.0.0.1:8000\"", "is no URL such as"),
        ("url = \"http://localhost:8001\"", "loop"),
        ("url = \"http://h\"\ntimeout = 0", "`upstream.timeout` of zero"),
        ("url = \"http://h\"\nhealth_path = \"health\"", "starts with a slash"),
    ] {
        let said = problems(&document(&format!("[upstream]\n{line}\n"), |_| {}));
        assert!(said.starts_with("E062 sluicegate.toml:") && said.contains(word), "{said}");
    }
}

#[test]
fn what_becomes_of_each_route_is_shown() {
    let found = routes(json!([
        {"path": CHAT, "auth": "ticket", "consumer": "mysite.consumers.Chat"},
        {"path": "ws/session/", "auth": "none", "consumer": "mysite.consumers.Session"},
        {"path": "ws/own/", "auth": "ticket", "consumer": "mysite.consumers.Own",
         "ticket_middleware": "mysite.middleware.Own", "overridden": ["auth", "get_user"]},
    ]));
    let report =
        document(&format!("{UPSTREAM}[[route]]\npath = \"ws/session/\"\nproxy = true\nhold = \"30s\"\n"), found);
    assert_eq!(problems(&report), "");
    let shown = render(&report);
    let expected = "\
# Sockets, in the order in which routes are tried:
#     ws/session/: proxied untouched, held for 30s (mysite.consumers.Session)
#     ws/chat/<str:room>/: proxied, ticket redeemed here (mysite.consumers.Chat)
#     ws/own/: proxied untouched (mysite.consumers.Own)
# mysite.middleware.Own overrides auth(), get_user(), which only its own Python can do: the sockets of ws/own/ are passed on untouched";
    assert!(shown.contains(expected), "{shown}");
    assert!(shown.contains("url = [\"http://127.0.0.1:8000\"]  # sluicegate.toml:2"), "{shown}");
    toml::from_str::<toml::Table>(&shown).unwrap();
    let passed_on = "passed on to http://127.0.0.1:8000: every HTTP request but the ticket view's and health, sockets of \
                     1 route with the ticket redeemed here, of 2 routes untouched, and of any other path untouched";
    assert_eq!(report.settings.as_ref().unwrap().passed_on().as_deref(), Some(passed_on));
    let text = starter(&report);
    for part in [
        "# Nothing has to be declared",
        "# path = \"ws/own/\"\n# proxy = true\n# auth = \"none\"        # mysite.middleware.Own overrides auth(), get_user()\n",
        "# path = \"ws/chat/<str:room>/\"\n# proxy = true\n# auth = \"ticket\"\n",
    ] {
        assert!(text.replace("sluicegate.toml. ", "").contains(part), "{part}\n{text}");
    }
    // A route that says so has its ticket redeemed here whatever the middleware does.
    let report =
        document(&format!("{UPSTREAM}[[route]]\npath = \"ws/own/\"\nproxy = true\nauth = \"ticket\"\n"), |document| {
            document["items"]["asgi"]["value"]["routes"][0]["path"] = json!("ws/own/");
            document["items"]["asgi"]["value"]["routes"][0]["overridden"] = json!(["auth"]);
        });
    let replaced = report.replaced().remove(0);
    assert!(replaced.sentence.contains("redeemed here all the same") && replaced.mend.is_empty());
}

#[test]
fn an_application_that_could_not_be_read_is_passed_on_whole() {
    let failed = json!({"error": {"exception": "ImportError", "message": "no", "file": "asgi.py", "line": 3}});
    let cases = [(failed, "ImportError: no (asgi.py:3)"), (json!({"value": null}), "no ASGI application was named")];
    for (item, word) in cases {
        let report = document(UPSTREAM, |document| document["items"]["asgi"] = item);
        assert_eq!(problems(&report), "");
        assert!(
            report.notes.iter().any(|note| note.starts_with(word) && note.contains("untouched")),
            "{:?}",
            report.notes
        );
        assert!(report.settings.unwrap().routes.is_empty());
    }
}

/// A cache that cannot hold tickets, a user query that is none, and a database of another kind.
const UNUSABLE: [(&str, &str); 3] = [
    ("cache", r#"{"backend": "django.core.cache.backends.memcached.PyMemcacheCache", "kind": "memcached"}"#),
    ("user", r#"{"model": "mine.User", "is_active": "column", "unsupported": ["it reads the clock"]}"#),
    ("database", r#"{"alias": "default", "vendor": "oracle"}"#),
];

#[test]
fn users_and_cache_are_needed_only_where_tickets_are_issued_or_redeemed_here() {
    for (item, value) in UNUSABLE {
        let with = |toml: &str, auth: &str| {
            document(&format!("{UPSTREAM}{toml}"), |document| {
                document["items"][item]["value"] = serde_json::from_str(value).unwrap();
                document["items"]["asgi"]["value"]["routes"][0]["auth"] = json!(auth);
            })
        };
        let needed = problems(&with("", "ticket"));
        assert!(needed.starts_with('E') && !needed.starts_with("E07"), "{item}: {needed}");
        let report = with("", "none");
        assert_eq!(problems(&report), "", "{item}");
        assert!(matches!(&report.ticket_view, TicketViewState::LeftToDjango(why) if !why.is_empty()), "{item}");
        let settings = report.settings.unwrap();
        assert!(settings.admission.is_none() && settings.http.views.is_empty());
        let said = problems(&with("[ticket]\nserve = true\n", "none"));
        assert!(said.starts_with("E070"), "{item}: {said}");
        // With the routes stated to be Django's own affair, nothing is needed either.
        let report = with("[[route]]\nregex = \"\"\nproxy = true\nauth = \"none\"\n", "ticket");
        assert_eq!(problems(&report), "", "{item}");
    }
    let report = document(&format!("{UPSTREAM}[ticket]\nserve = false\n"), routes(json!([])));
    assert_eq!(problems(&report), "");
    assert!(report.settings.unwrap().admission.is_none());
}

#[test]
fn what_django_is_to_redeem_cannot_stand_in_local_memory() {
    let local = |auth: &'static str| {
        move |document: &mut Value| {
            document["items"]["cache"]["value"] = json!({"backend": "django.core.cache.backends.locmem.LocMemCache",
                "kind": "locmem", "key_prefix": "", "version": 1, "key_pattern": "{prefix}:{version}:{key}"});
            document["items"]["asgi"]["value"]["routes"][0]["auth"] = json!(auth);
        }
    };
    let said = problems(&document(&format!("debug = true\n{UPSTREAM}"), local("ticket")));
    assert!(said.starts_with("E043 ") && said.contains("unknown to the Django behind"), "{said}");
    let report = document(&format!("debug = true\n{UPSTREAM}"), local("none"));
    assert_eq!(problems(&report), "");
    assert!(matches!(report.ticket_view, TicketViewState::LeftToDjango(_)));
}
