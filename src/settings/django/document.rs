//! The document of `docs/django-json.md`.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::{
    super::problem::{Code, Problem},
    NEW_DOCUMENT,
};
use crate::consumer::RoutePattern;

/// The version of the document that is read here.
const SCHEMA: u64 = 1;

#[derive(Debug, Deserialize)]
pub(super) struct Document {
    schema: u64,
    #[serde(default)]
    pub(super) target: Option<String>,
    #[serde(default)]
    pub(super) items: BTreeMap<String, Item>,
    /// Where the project could not be imported at all.
    #[serde(default)]
    pub(super) error: Option<ItemError>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Item {
    #[serde(default)]
    pub(super) value: Value,
    #[serde(default)]
    pub(super) error: Option<ItemError>,
}

#[derive(Debug, Deserialize)]
pub(super) struct ItemError {
    pub(super) exception: String,
    #[serde(default)]
    pub(super) message: String,
    #[serde(default)]
    pub(super) file: Option<String>,
    #[serde(default)]
    pub(super) line: Option<u64>,
}

/// Reads the document. What Python's start-up may have printed before it on the same stream is skipped.
pub(super) fn parse(text: &[u8]) -> Result<Document, Problem> {
    let schema = text.windows(8).position(|window| window == br#""schema""#).unwrap_or_default();
    let start = text.iter().take(schema).rposition(|&byte| byte == b'{').unwrap_or_default();
    let document: Document = serde_json::from_slice(text.get(start..).unwrap_or_default()).map_err(|error| {
        // serde_json's own message may quote a value.
        let sentence = format!("this is not a settings document (line {}, column {})", error.line(), error.column());
        Problem::new(Code::NotTheDocument, sentence).mend(NEW_DOCUMENT)
    })?;
    if document.schema == SCHEMA {
        return Ok(document);
    }
    let sentence = format!("the document has schema {}, this version reads {SCHEMA}", document.schema);
    Err(Problem::new(Code::NotTheDocument, sentence).mend(NEW_DOCUMENT))
}

/// `user`.
#[derive(Debug, Deserialize)]
pub(in super::super) struct UserItem {
    pub(in super::super) model: String,
    pub(in super::super) by_id: Option<Statement>,
    /// Absent in documents of older versions.
    #[serde(default)]
    pub(in super::super) all_fields: Option<AllFields>,
    pub(in super::super) by_user_id_field: Option<Statement>,
    pub(in super::super) by_username: Option<Statement>,
    pub(in super::super) blacklist: Option<Statement>,
    /// `"column"`, `true` or `false`.
    pub(in super::super) is_active: Value,
    #[serde(default)]
    pub(in super::super) unsupported: Vec<String>,
}

/// The statement that selects every column that can be read, and what they hold.
#[derive(Debug, Deserialize)]
pub(in super::super) struct AllFields {
    pub(in super::super) statement: Statement,
    pub(in super::super) fields: BTreeMap<String, ColumnItem>,
}

/// A column: its kind, or the class that is not known here.
#[derive(Debug, Deserialize)]
pub(in super::super) struct ColumnItem {
    #[serde(default)]
    pub(in super::super) kind: String,
    #[serde(default)]
    pub(in super::super) column: usize,
    #[serde(default)]
    pub(in super::super) places: usize,
    #[serde(default)]
    pub(in super::super) aware: bool,
    #[serde(default)]
    pub(in super::super) unsupported: Option<String>,
}

/// A statement that Django compiled.
#[derive(Debug, Deserialize)]
pub(in super::super) struct Statement {
    pub(in super::super) sql: String,
    /// `{"sentinel": true}` or `{"value": ...}`.
    pub(in super::super) params: Vec<Value>,
    pub(in super::super) columns: Vec<String>,
    pub(in super::super) lookup: Field,
    pub(in super::super) id: Field,
}

/// A field's kind.
#[derive(Debug, Deserialize)]
pub(in super::super) struct Field {
    pub(in super::super) kind: String,
    #[serde(default)]
    pub(in super::super) min: Option<i64>,
    #[serde(default)]
    pub(in super::super) max: Option<i64>,
}

/// An entry of `ticket_views`.
#[derive(Debug, Deserialize)]
pub(in super::super) struct TicketViewEntry {
    pub(in super::super) pattern: String,
    pub(in super::super) path: Option<String>,
    pub(in super::super) view: String,
    pub(in super::super) name: String,
    pub(in super::super) description: String,
    pub(in super::super) allowed_methods: AllowedMethods,
    pub(in super::super) authentication: Vec<AuthenticationEntry>,
    pub(in super::super) renderers: Vec<RendererEntry>,
    pub(in super::super) parses: Vec<String>,
    pub(in super::super) throttles: Vec<ThrottleEntry>,
    pub(in super::super) format_parameter: Option<String>,
    pub(in super::super) compact_json: bool,
    pub(in super::super) unicode_json: bool,
    #[serde(default)]
    pub(in super::super) unsupported: Vec<String>,
}

/// `allowed_methods`: as a list, or joined as in the header.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(in super::super) enum AllowedMethods {
    Joined(String),
    List(Vec<String>),
}

#[derive(Debug, Deserialize)]
pub(in super::super) struct AuthenticationEntry {
    pub(in super::super) kind: String,
    pub(in super::super) path: String,
    pub(in super::super) challenge: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(in super::super) struct RendererEntry {
    pub(in super::super) kind: String,
    pub(in super::super) path: String,
}

#[derive(Debug, Deserialize)]
pub(in super::super) struct ThrottleEntry {
    pub(in super::super) kind: String,
    pub(in super::super) path: String,
    pub(in super::super) scope: Option<String>,
    pub(in super::super) requests: Option<u64>,
    pub(in super::super) period: Option<f64>,
}

/// An entry of `middleware`.
#[derive(Debug, Deserialize)]
pub(in super::super) struct MiddlewareEntry {
    pub(in super::super) kind: String,
    pub(in super::super) path: String,
}

/// `languages`.
#[derive(Debug, Default, Deserialize)]
pub(in super::super) struct Languages {
    pub(in super::super) language_code: String,
    #[serde(default)]
    pub(in super::super) use_i18n: bool,
    #[serde(default)]
    pub(in super::super) cookie_name: String,
    #[serde(default, rename = "languages")]
    pub(in super::super) codes: Vec<String>,
    #[serde(default)]
    pub(in super::super) texts: BTreeMap<String, BTreeMap<String, String>>,
}

/// `error_pages`.
#[derive(Debug, Default, Deserialize)]
pub(in super::super) struct ErrorPages {
    #[serde(flatten)]
    pub(in super::super) pages: BTreeMap<String, Value>,
}

/// `asgi`.
#[derive(Debug, Deserialize)]
pub(in super::super) struct Asgi {
    #[serde(default)]
    pub(in super::super) routes: Vec<AsgiRoute>,
    pub(in super::super) origins: Origins,
    #[serde(default)]
    pub(in super::super) unsupported: Vec<String>,
}

#[derive(Clone, Debug, Deserialize)]
pub(in super::super) struct AsgiRoute {
    #[serde(default)]
    pub(in super::super) path: Option<String>,
    #[serde(default)]
    pub(in super::super) regex: Option<String>,
    /// What is matched in the place of the pattern, with nested routers.
    #[serde(default)]
    pub(in super::super) matches: Option<String>,
    #[serde(default)]
    pub(in super::super) consumer: Option<String>,
    #[serde(default)]
    pub(in super::super) middleware: Vec<String>,
    #[serde(default)]
    pub(in super::super) auth: String,
    /// The class of `JwtAuthMiddleware` or of its subclass, where one is among the middleware.
    #[serde(default)]
    pub(in super::super) ticket_middleware: Option<String>,
    /// The methods of it that a subclass replaces.
    #[serde(default)]
    pub(in super::super) overridden: Vec<String>,
}

impl AsgiRoute {
    /// The pattern, as a `[[route]]` would have it.
    pub(in super::super) fn pattern(&self) -> Option<RoutePattern> {
        let path = self.path.clone().map(RoutePattern::Path);
        path.or_else(|| self.regex.clone().map(RoutePattern::Regex))
    }

    /// What is matched.
    pub(in super::super) fn matched(&self) -> Option<RoutePattern> {
        self.matches.clone().map(RoutePattern::Regex).or_else(|| self.pattern())
    }
}

#[derive(Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(in super::super) enum Origins {
    NotChecked,
    Allowed { allowed: Vec<String> },
    Unknown,
}
