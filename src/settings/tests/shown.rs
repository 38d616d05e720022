//! What the `settings` command prints.

use serde_json::json;

use super::{
    super::{render, starter},
    ENOUGH, document, toml,
};

#[test]
fn what_is_printed_can_be_read_again_and_shows_no_secret() {
    let toml_alone = render(&toml(ENOUGH));
    let with_django = render(&document("[[route]]\npath = \"ws/\"\n", |_| {}));
    for text in [&toml_alone, &with_django] {
        for secret in ["database-password", "cache-password", "a-secret-key"] {
            assert!(!text.contains(secret), "{text}");
        }
        let read: toml::Table = toml::from_str(text).unwrap_or_else(|error| panic!("{error}\n{text}"));
        assert!(read.contains_key("route"), "{text}");
    }
    for line in [
        "bind = \"127.0.0.1:8001\"  # default",
        "url = \"postgres://***@db.internal/mysite\"  # sluicegate.toml:6",
        "location = [\"redis://***@cache.internal:6379/1\"]  # sluicegate.toml:9",
        "secret_key = \"***\"  # sluicegate.toml:2",
        "# The ticket view is served here.",
    ] {
        assert!(toml_alone.lines().any(|shown| shown == line), "{line}\n{toml_alone}");
    }
    for line in
        ["leeway = 30  # Django's SIMPLE_JWT[\"LEEWAY\"]", "key_prefix = \"site\"  # Django's CACHES[\"default\"]"]
    {
        assert!(with_django.lines().any(|shown| shown == line), "{line}\n{with_django}");
    }
}

#[test]
fn control_characters_in_names_do_not_break_what_is_printed() {
    let problems = toml("\"a\\u001bb\\rc\" = 1\n");
    let with_django = document("", |document| {
        document["items"]["asgi"]["value"]["unsupported"] = json!(["a\u{7f}b"]);
        document["items"]["asgi"]["value"]["routes"][0]["consumer"] = json!("a\u{1b}b");
    });
    for text in [render(&problems), render(&with_django), starter(&with_django)] {
        toml::from_str::<toml::Table>(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
        assert!(text.contains("a b") || text.contains("a\\u{1b}b"), "{text}");
    }
}

#[test]
fn the_starter_file_names_each_consumer() {
    let text = starter(&document("", |_| {}));
    assert!(
        text.contains("# mysite.consumers.ChatConsumer\n# [[route]]\n# path = \"ws/chat/<str:room>/\"\n"),
        "{text}"
    );
    assert!(toml::from_str::<toml::Table>(&text).unwrap().is_empty());
    assert!(starter(&toml(ENOUGH)).contains("No consumer was found"));
}
