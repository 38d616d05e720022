use std::sync::Arc;

use super::{
    super::{AskParts, Farewells},
    about, ask_with, options, settings, url,
    view::{FakeView, answer, ok},
};

#[tokio::test]
async fn a_view_is_told_of_an_end_until_it_answers() {
    let view = FakeView::start(|number| if number < 2 { Some(answer("502 Bad Gateway", "")) } else { ok("{}") }).await;
    let farewells = Arc::new(Farewells::default());
    let parts = AskParts { farewells: Arc::clone(&farewells), ..AskParts::default() };
    let ask = ask_with(&options(url(view.port)), &settings(), parts);
    ask.disconnect(about("specific.a!b"), None, 1001);
    farewells.finish().await;
    let asked = view.asked();
    assert_eq!(asked.len(), 3);
    assert!(asked[2].body.starts_with(r#"{"type": "websocket.disconnect", "#), "{}", asked[2].body);
    assert!(asked[2].body.ends_with(r#""channel_name": "specific.a!b", "code": 1001}"#), "{}", asked[2].body);
    assert_eq!(farewells.lost(), 0);
}

#[tokio::test]
async fn an_answer_that_will_never_do_is_not_asked_for_again() {
    for wrong in [answer("404 Not Found", ""), answer("200 OK", r#"{"send": 1}"#)] {
        let view = FakeView::start(move |_| Some(wrong.clone())).await;
        let farewells = Arc::new(Farewells::default());
        let parts = AskParts { farewells: Arc::clone(&farewells), ..AskParts::default() };
        ask_with(&options(url(view.port)), &settings(), parts).disconnect(about("c"), None, 1000);
        farewells.finish().await;
        assert_eq!((view.asked().len(), farewells.lost()), (1, 1));
    }
}
