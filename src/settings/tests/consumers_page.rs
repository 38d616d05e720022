//! What `docs/consumers.md` shows works.

use super::toml;

const PAGE: &str = include_str!("../../../docs/consumers.md");

const ENOUGH: &str = r#"
secret_key = "a-secret-key-of-at-least-thirty-two-characters"
allowed_hosts = ["example.com"]

[database]
url = "postgres://mysite:database-password@db.internal/mysite"

[cache]
location = "redis://:cache-password@cache.internal:6379/1"

[websocket]
allowed_origins = ["https://example.com"]

[channel_layer]
url = "redis://127.0.0.1:6379/0"

[upstream]
url = "http://127.0.0.1:8000"
"#;

#[test]
fn every_route_of_the_page_of_consumers_is_good() {
    let blocks: Vec<_> = PAGE.split("```toml\n").skip(1).filter_map(|block| block.split("```").next()).collect();
    assert!(blocks.len() >= 5, "{}", blocks.len());
    for block in blocks {
        let report = toml(&format!("{ENOUGH}\n{block}"));
        assert!(report.problems.is_empty(), "{block}\n{}", report.problems);
    }
    let broken = toml(&format!("{ENOUGH}\n[[route]]\npath = \"ws/\"\ngroups = [\"{{{{ nosuch }}}}\"]"));
    assert!(broken.problems.to_string().contains("nosuch"));
}
