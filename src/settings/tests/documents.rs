//! What Django's side says, as typed settings.

use serde_json::{Value, json};

use super::{super::TicketViewState, document, problems};
use crate::{
    access_token::Algorithm,
    cache::CacheBackend,
    database::DatabaseServer,
    http::{AuthenticationClass, Middleware, Renderer},
    redis::{RedisAddress, RedisTopology},
    user::{ActiveFlag, FieldKind},
    websocket::OriginPolicy,
};

const ROUTE: &str = "[[route]]\npath = \"ws/chat/<str:room>/\"\n";

#[test]
fn a_whole_project_is_taken_over() {
    let report = document(ROUTE, |_| {});
    assert_eq!(problems(&report), "");
    assert_eq!(report.ticket_view, TicketViewState::Served);
    let settings = report.settings.unwrap();
    let admission = settings.admission.unwrap();

    let DatabaseServer::Postgres { host, port, user, password, database, tls, options } = admission.database.server
    else {
        panic!("another engine");
    };
    assert_eq!((host.as_str(), port, user.as_str(), database.as_str()), ("db.internal", 6432, "mysite", "mysite"));
    assert_eq!(
        (password.unwrap().expose(), tls.mode.as_deref(), options),
        ("database-password", Some("require"), None)
    );

    let CacheBackend::DjangoRedis { redis, pickle_protocol: 5 } = admission.cache.backend else {
        panic!("another cache");
    };
    let RedisTopology::Single(RedisAddress::Tcp { host, port: 6380, tls: None }) = redis.topology else {
        panic!("another place");
    };
    assert_eq!(
        (host.as_str(), redis.password.unwrap().expose(), redis.database),
        ("cache.internal", "cache-password", 3)
    );
    assert_eq!((admission.cache.key.prefix.as_str(), admission.cache.key.version.as_str()), ("site", "2"));

    let tokens = settings.access_token;
    assert_eq!((tokens.algorithm, tokens.leeway.as_secs()), (Algorithm::Hs256, 30));
    assert_eq!(tokens.auth_header_types, ["JWT", "Bearer"]);
    assert_eq!(tokens.signing_key.expose(), "a-secret-key-of-at-least-thirty-two-characters");
    assert_eq!(tokens.verifying_key, None);

    let user = admission.user;
    assert_eq!((user.model.as_str(), user.is_active), ("auth.User", ActiveFlag::Column));
    assert!(user.by_id.sql.ends_with("WHERE \"auth_user\".\"id\" = %s LIMIT 21"));
    assert_eq!(user.by_id.lookup, FieldKind::Integer { min: Some(-2_147_483_648), max: Some(2_147_483_647) });
    assert_eq!(user.by_username.unwrap().lookup, FieldKind::Text);

    let http = settings.http;
    assert_eq!(http.middleware.first(), Some(&Middleware::Cors));
    assert_eq!(http.middleware.len(), 7);
    assert_eq!(http.cors.allowed_origins, ["https://app.example.com"]);
    assert_eq!(http.language.language_code, "en-us");
    let [view] = http.views.as_slice() else {
        panic!("another number of views");
    };
    assert_eq!(view.authentication, [AuthenticationClass::Jwt { challenge: Some("JWT realm=\"api\"".to_owned()) }]);
    assert_eq!(view.renderers, [Renderer::Json, Renderer::Browsable]);

    let hosts = vec!["testserver".to_owned(), ".example.com".to_owned()];
    assert_eq!(settings.websocket.origins, OriginPolicy::Allowed(hosts));
    assert_eq!(settings.routes.len(), 1);
}

#[test]
fn a_later_layer_changes_only_what_it_names() {
    let toml = format!("{ROUTE}[cache]\nlocation = \"redis://elsewhere/7\"\n[database]\nhost = \"127.0.0.1\"\n");
    let settings = document(&toml, |_| {}).settings.unwrap().admission.unwrap();
    let CacheBackend::DjangoRedis { redis, .. } = settings.cache.backend else {
        panic!("another cache");
    };
    assert!(matches!(redis.topology, RedisTopology::Single(RedisAddress::Tcp { host, .. }) if host == "elsewhere"));
    assert_eq!((redis.password, redis.database), (None, 7));
    assert_eq!(settings.cache.key.prefix, "site");
    assert!(
        matches!(settings.database.server, DatabaseServer::Postgres { host, port: 6432, .. } if host == "127.0.0.1")
    );
}

#[test]
fn a_part_of_the_view_that_is_not_understood_leaves_it_to_django() {
    type Change = fn(&mut Value);
    let cases: [(Change, &str); 6] = [
        (
            |d| d["items"]["ticket_views"]["value"][0]["unsupported"] = json!(["mine.View overrides get()"]),
            "overrides get()",
        ),
        (|d| d["items"]["ticket_views"]["value"][0]["renderers"][0]["kind"] = json!("other"), "renderer"),
        (
            |d| d["items"]["ticket_views"]["value"][0]["throttles"] = json!([{"kind": "other", "path": "mine.T"}]),
            "mine.T",
        ),
        (|d| d["items"]["middleware"]["value"][1] = json!({"kind": "other", "path": "mine.M"}), "mine.M"),
        (|d| d["items"]["ticket_views"]["value"] = json!([]), "AsgiValidateTokenView"),
        (
            |d| {
                d["items"]["ticket_views"] =
                    json!({"error": {"exception": "ImportError", "message": "no", "file": "urls.py", "line": 3}});
            },
            "ImportError: no (urls.py:3)",
        ),
    ];
    for (change, word) in cases {
        let report = document(ROUTE, change);
        assert_eq!(problems(&report), "");
        let TicketViewState::LeftToDjango(reasons) = &report.ticket_view else {
            panic!("{word}: {:?}", report.ticket_view);
        };
        assert!(reasons.len() == 1 && reasons[0].contains(word), "{reasons:?}");
        assert!(report.settings.unwrap().http.views.is_empty());

        let said = problems(&document(&format!("{ROUTE}[ticket]\nserve = true"), change));
        assert!(said.starts_with("E070") && said.contains(word), "{said}");
    }
}

#[test]
fn other_ways_in_have_to_be_given_up_by_name() {
    let session = |document: &mut Value| {
        let class = json!({"kind": "session", "path": "rest_framework.authentication.SessionAuthentication", "challenge": null});
        document["items"]["ticket_views"]["value"][0]["authentication"].as_array_mut().unwrap().push(class);
    };
    assert!(matches!(document(ROUTE, session).ticket_view, TicketViewState::LeftToDjango(_)));
    let report = document(&format!("{ROUTE}[ticket]\nignore_authentication = [\"session\"]"), session);
    assert_eq!(report.ticket_view, TicketViewState::Served);
    let middleware =
        |document: &mut Value| document["items"]["middleware"]["value"][1] = json!({"kind": "other", "path": "mine.M"});
    let report = document(&format!("{ROUTE}[http]\ntransparent_middleware = [\"mine.M\"]"), middleware);
    assert_eq!(report.ticket_view, TicketViewState::Served);
    assert_eq!(report.settings.unwrap().http.middleware[1], Middleware::Transparent);
}

#[test]
fn only_what_sockets_need_stops_the_start() {
    let failed =
        json!({"error": {"exception": "ImproperlyConfigured", "message": "Set $X", "file": "/srv/s.py", "line": 7}});
    for item in ["core", "simple_jwt", "ticket_views", "middleware", "security", "cors", "languages", "error_pages"] {
        let report = document(ROUTE, |document| document["items"][item] = failed.clone());
        assert_eq!(problems(&report), "", "{item}");
        assert!(matches!(report.ticket_view, TicketViewState::LeftToDjango(_)), "{item}");
    }
    for item in ["database", "cache", "user", "asgi"] {
        let said = problems(&document(ROUTE, |document| document["items"][item] = failed.clone()));
        assert!(said.contains("ImproperlyConfigured: Set $X (/srv/s.py:7)"), "{item}: {said}");
    }
}

#[test]
fn an_unknown_origin_policy_has_to_be_stated() {
    let unknown = |document: &mut Value| document["items"]["asgi"]["value"]["origins"] = json!({"kind": "unknown"});
    assert!(problems(&document(ROUTE, unknown)).starts_with("E050: "));
    for (stated, expected) in [
        ("\"not_checked\"", OriginPolicy::NotChecked),
        ("\"*\"", OriginPolicy::Allowed(vec!["*".to_owned()])),
        ("[\"https://a\"]", OriginPolicy::Allowed(vec!["https://a".to_owned()])),
        ("\"allowed_hosts\"", OriginPolicy::Allowed(vec!["testserver".to_owned(), ".example.com".to_owned()])),
    ] {
        let report = document(&format!("{ROUTE}[websocket]\nallowed_origins = {stated}"), unknown);
        assert_eq!(problems(&report), "");
        assert_eq!(report.settings.unwrap().websocket.origins, expected);
    }
}

#[test]
fn a_cache_in_local_memory_is_good_for_one_process_that_does_both() {
    let local = |document: &mut Value| {
        document["items"]["cache"]["value"] = json!({"backend": "django.core.cache.backends.locmem.LocMemCache",
            "kind": "locmem", "key_prefix": "", "version": 1, "key_pattern": "{prefix}:{version}:{key}"});
    };
    assert!(problems(&document(ROUTE, local)).starts_with("E043 Django's CACHES[\"default\"]: "));
    let report = document(&format!("debug = true\n{ROUTE}"), local);
    assert_eq!(problems(&report), "");
    assert!(matches!(report.settings.unwrap().admission.unwrap().cache.backend, CacheBackend::InProcess));
    assert!(report.notes.iter().any(|note| note.contains("own memory")));
    let said = problems(&document(&format!("debug = true\n{ROUTE}[ticket]\nserve = false"), local));
    assert!(said.contains("Django issues the tickets into LocMemCache"), "{said}");
}

#[test]
fn a_user_query_that_is_no_fixed_query_stops_the_start() {
    let said = problems(&document(ROUTE, |document| {
        document["items"]["user"]["value"]["by_id"] = Value::Null;
        document["items"]["user"]["value"]["unsupported"] = json!(["User.objects.get(id=...): it reads the clock"]);
    }));
    assert!(said.starts_with("E034 Django's AUTH_USER_MODEL: ") && said.contains("it reads the clock"), "{said}");
    let said = problems(&document(ROUTE, |document| {
        document["items"]["user"]["value"]["unsupported"] = json!(["auth.User.is_active is computed by Python code"]);
    }));
    assert!(said.starts_with("E021 Django's AUTH_USER_MODEL: "), "{said}");
}

#[test]
fn a_document_of_another_version_is_refused() {
    let said = problems(&document(ROUTE, |document| document["schema"] = json!(2)));
    assert!(said.starts_with("E014: the document has schema 2"), "{said}");
}

#[test]
fn a_project_that_cannot_be_imported_is_one_problem() {
    let report = document(ROUTE, |document| {
        document["error"] =
            json!({"exception": "KeyError", "message": "'X'", "file": "/srv/mysite/settings.py", "line": 3});
    });
    let said = problems(&report);
    let expected = "E012: mysite.asgi:application cannot be imported: KeyError: 'X' (/srv/mysite/settings.py:3)";
    assert_eq!(said, expected);
}

#[test]
fn a_pattern_that_cannot_be_used_leaves_the_view_to_django_and_the_sockets_here() {
    type Change = fn(&mut Value);
    let cases: [(Change, &str); 3] = [
        (|d| d["items"]["cors"]["value"]["allowed_origin_regexes"] = json!(["(?a)^https://x$"]), "(?a)^https://x$"),
        (|d| d["items"]["cors"]["value"]["urls_regex"] = json!("^(/api"), "^(/api"),
        (|d| d["items"]["security"]["value"]["redirect_exempt"] = json!(["["]), "["),
    ];
    for (change, pattern) in cases {
        for turned_off in ["", "[ticket]\nserve = false"] {
            let report = document(&format!("{ROUTE}{turned_off}"), change);
            assert_eq!(problems(&report), "");
            let http = report.settings.unwrap().http;
            assert!(http.views.is_empty() && http.cors.allowed_origin_regexes.is_empty(), "{pattern}");
            assert!(http.security.redirect_exempt.is_empty() && http.cors.urls_regex == "^.*$", "{pattern}");
        }
        let said = problems(&document(&format!("{ROUTE}[ticket]\nserve = true"), change));
        assert!(said.starts_with("E070") && said.contains(&format!("{pattern:?}")), "{said}");
    }
    let stated = problems(&document(&format!("{ROUTE}[cors]\nallowed_origin_regexes = [\"(\"]"), |_| {}));
    assert!(stated.starts_with("E004 sluicegate.toml:") && stated.contains("\"(\""), "{stated}");
}
