//! What is found when settings are read.

use super::*;
use crate::consumer::{Application, DeclaredClose, FrameKind};

#[test]
fn mistakes_are_found_when_settings_are_read() {
    let problems = |reply| {
        compile("ws/<room>/", &["room".to_owned()], &options(&[rule(json!({}), reply)])).unwrap_err().join("\n")
    };
    assert!(problems(json!("{{ contnet.message }}")).contains("did you mean `content`?"));
    assert!(problems(json!(["{{ roam }}"])).contains("did you mean `room`?"));
    assert!(problems(json!({"a": "{{ 1 + }}"})).contains("is no template"));
    assert!(problems(json!("{% if %}")).contains("is no template"));
    assert!(problems(json!("{{ text|nosuchfilter }} x")).contains("nosuchfilter"));
    assert!(problems(json!("{{ text|nosuchfilter }}")).contains("nosuchfilter"));
    assert!(
        compile("ws/", &[], &options(&[rule(json!({}), json!("{% for x in range(3) %}{{ x }}{% endfor %}"))])).is_ok()
    );
}

fn problem(options: &DeclaredOptions) -> String {
    compile("ws/<room>/", &["room".to_owned()], options).unwrap_err().join("\n")
}

#[test]
fn each_place_knows_its_own_names() {
    let groups = |group: &str| DeclaredOptions { groups: vec![group.to_owned()], ..DeclaredOptions::default() };
    assert!(
        problem(&groups("g_{{ content.room }}"))
            .contains("templates of `groups` know no `content`, which only `receive` has")
    );
    assert!(problem(&groups("g_{{ context.org }}")).contains("only a route with `[route.ask]`"));
    assert!(compile("ws/<room>/", &["room".to_owned()], &groups("g_{{ room }}_{{ user.id }}")).is_ok());
    let of_event = DeclaredOptions { events: vec![event("a", json!("{{ text }}"))], ..DeclaredOptions::default() };
    assert!(problem(&of_event).contains("templates of `events` know no `text`"));
    let at_end = sending("g", json!({"type": "left", "code": "{{ code }}"}));
    assert!(
        compiled(&DeclaredOptions { on_disconnect: Some(at_end.clone()), ..DeclaredOptions::default() })
            .reads
            .contains("code")
    );
    assert!(
        problem(&DeclaredOptions { on_connect: Some(at_end), ..DeclaredOptions::default() })
            .contains("only `on_disconnect`")
    );
}

#[test]
fn what_could_never_work_is_refused() {
    let receive = |action| DeclaredOptions {
        receive: vec![DeclaredReceive { action, ..DeclaredReceive::default() }],
        ..DeclaredOptions::default()
    };
    let nowhere = DeclaredAction { event: Some(json!({"type": "x"})), ..DeclaredAction::default() };
    assert!(problem(&receive(nowhere)).contains("goes nowhere"));
    let nothing = DeclaredAction { group_send: Some("g".to_owned()), ..DeclaredAction::default() };
    assert!(problem(&receive(nothing)).contains("need an `event`"));
    assert!(problem(&receive(sending("g", json!({"message": 1})))).contains("needs a `type`"));
    assert!(problem(&receive(sending("g", json!([1])))).contains("is a table"));
    let close = Some(DeclaredClose { code: 1006, reason: String::new() });
    assert!(problem(&receive(DeclaredAction { close, ..DeclaredAction::default() })).contains("code 1006"));
    let late = DeclaredOptions { on_disconnect: Some(replying(json!(1))), ..DeclaredOptions::default() };
    assert!(problem(&late).contains("the client is gone"));
    let ask = DeclaredOptions {
        receive: vec![DeclaredReceive { ask: true, ..DeclaredReceive::default() }],
        ..DeclaredOptions::default()
    };
    assert!(problem(&ask).contains("`[route.ask]`"));
    let binary = DeclaredReceive { frame: FrameKind::Binary, ..rule(json!({"a": 1}), json!(1)) };
    assert!(problem(&options(&[binary])).contains("no binary frame"));
    let events = |types: &[&str]| DeclaredOptions {
        events: types.iter().map(|name| event(name, json!(1))).collect(),
        ..DeclaredOptions::default()
    };
    assert!(problem(&events(&["chat.message", "chat_message"])).contains("is there twice"));
    for never in [".hidden", "_hidden", ""] {
        assert!(problem(&events(&[never])).contains("begin with an underscore"), "{never}");
    }
}

#[test]
fn a_channel_is_only_taken_where_it_is_used() {
    let has_channels = |options: &DeclaredOptions| compiled(options).has_channels();
    assert!(!has_channels(&options(&[rule(json!({}), json!("{{ user.id }}"))])));
    assert!(has_channels(&options(&[rule(json!({}), json!("{{ channel_name }}"))])));
    assert!(has_channels(&DeclaredOptions { groups: vec!["g".to_owned()], ..DeclaredOptions::default() }));
    assert!(has_channels(&DeclaredOptions { events: vec![event("a", json!(1))], ..DeclaredOptions::default() }));
}

#[test]
fn a_socket_has_next_to_nothing_of_its_own() {
    assert!(size_of::<super::super::consumer::DeclaredConsumer>() <= 16);
}
