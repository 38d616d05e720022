//! The whole of the settings, from files, documents and variables.

mod arbitrary;
mod channel_layer;
mod consumers_page;
mod documents;
mod error_page;
mod problems;
mod projects;
mod routes;
mod shown;
mod upstream;
mod user_fields;
mod without_django;

use std::fs;

use serde_json::Value;

use super::{Report, Sources};
use crate::test_support::{Account, Folder};

/// A document that the script printed for a project with PostgreSQL, Django's Redis cache and one consumer.
const DOCUMENT: &str = include_str!("../../../tests/vectors/settings-document.json");

/// What is enough to run without Django.
const ENOUGH: &str = r#"
secret_key = "a-secret-key-of-at-least-thirty-two-characters"
allowed_hosts = ["example.com"]

[database]
url = "postgres://mysite:database-password@db.internal/mysite"

[cache]
location = "redis://:cache-password@cache.internal:6379/1"

[websocket]
allowed_origins = ["https://example.com"]

[[route]]
path = "ws/chat/<str:room>/"
"#;

/// Settings in a folder of their own.
#[derive(Default)]
struct Given<'a> {
    toml: Option<&'a str>,
    document: Option<String>,
    environment: &'a [(&'a str, &'a str)],
    allow_local: bool,
}

impl Given<'_> {
    fn read(&self) -> Report {
        let folder = Folder::new(Account::Own);
        let file = |name: &str, text: &str| {
            let path = folder.path().join(name);
            fs::write(&path, text).unwrap();
            path
        };
        let sources = Sources {
            config: self.toml.map(|text| file("sluicegate.toml", text)),
            django_json: self.document.as_deref().map(|text| file("django.json", text)),
            project_dir: Some(folder.path().to_owned()),
            environment: self.environment.iter().map(|(name, value)| (name.into(), value.into())).collect(),
            allow_local: self.allow_local,
            ..Sources::default()
        };
        let mut report = Report::read(&sources);
        report.at_home(&format!("{}/", folder.path().display()));
        report
    }
}

fn toml(text: &str) -> Report {
    Given { toml: Some(text), ..Given::default() }.read()
}

/// The document after `change`, with `toml` over it.
fn document(toml: &str, change: impl FnOnce(&mut Value)) -> Report {
    let mut document: Value = serde_json::from_str(DOCUMENT).unwrap();
    change(&mut document);
    Given { toml: Some(toml), document: Some(document.to_string()), ..Given::default() }.read()
}

/// All problems, one after the other.
fn problems(report: &Report) -> String {
    report.problems.to_string()
}
