//! A consumer of a few lines of TOML: what a frame is answered with.

mod names;
mod now;
mod template;
mod values;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::SystemTime,
};

use async_trait::async_trait;
use minijinja::value::Value as Jinja;

use super::{Application, Connection, Consumer, ConsumerError, DeclaredOptions, DeclaredOutput, Frame};
use crate::python::{Value, json};
use template::{Template, TemplateError, Templates};

/// What templates may read besides the route's captured names.
const NAMES: [&str; 7] = ["user", "content", "text", "bytes", "query", "headers", "now"];

/// Containers within one another that a frame may have. Python reads more (some 900), but templates recurse.
const MAX_DEPTH: usize = 128;

/// A declared route, compiled. Every socket of the route shares it.
#[derive(Debug)]
pub(crate) struct Declared {
    /// The route as written, for messages.
    route: String,
    /// The names of the route's captures, in their order.
    captures: Vec<String>,
    rules: Vec<Rule>,
    templates: Templates,
    /// Frames that a template failed on.
    failures: AtomicU64,
}

/// One `[[route.receive]]`.
#[derive(Debug)]
struct Rule {
    when: Vec<(String, Value)>,
    reply: Template,
}

/// Compiles a declared route, `route`, whose groups are called `captures`, and checks their names.
///
/// # Errors
///
/// A sentence for each text that is no template and each name that a template cannot know.
pub(crate) fn compile(route: &str, captures: &[String], options: &DeclaredOptions) -> Result<Declared, Vec<String>> {
    let mut problems = Vec::new();
    let mut templates = Templates::new();
    let known: Vec<&str> = captures.iter().map(String::as_str).chain(NAMES).collect();
    let rules = options
        .receive
        .iter()
        .filter_map(|rule| {
            let Some(DeclaredOutput::Json(reply)) = &rule.action.reply else { return None };
            Some(Rule {
                when: rule.when.iter().map(|(key, value)| (key.clone(), values::from_json(value))).collect(),
                reply: templates.compile(reply, &known, &mut problems),
            })
        })
        .collect();
    for name in &templates.names {
        if known.contains(&name.as_str()) || templates.is_global(name) {
            continue;
        }
        let nearest = known.iter().max_by(|a, b| strsim::jaro(a, name).total_cmp(&strsim::jaro(b, name)));
        problems.push(format!(
            "templates of this route know no `{name}`; did you mean `{}`? Known are {}",
            nearest.unwrap_or(&""),
            known.join(", ")
        ));
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    Ok(Declared { route: route.to_owned(), captures: captures.to_vec(), rules, templates, failures: AtomicU64::new(0) })
}

impl Declared {
    /// The text that answers `frame`; `None` where no rule fits.
    fn reply(&self, frame: &Frame, connection: &Connection, now: SystemTime) -> Option<Result<String, ReplyError>> {
        let has_conditions = self.rules.iter().any(|rule| !rule.when.is_empty());
        let content = match frame {
            Frame::Text(text) if has_conditions || self.reads("content") => json::loads_str(text).ok(),
            Frame::Text(_) | Frame::Binary(_) => None,
        };
        if content.as_ref().is_some_and(|content| values::is_deeper(content, MAX_DEPTH)) {
            return Some(Err(ReplyError::TooDeep));
        }
        let rule = self.rules.iter().find(|rule| rule.fits(content.as_ref()))?;
        let names = self.context(frame, content.as_ref(), connection, now);
        let rendered = self.templates.render(&rule.reply, &names);
        Some(rendered.map_err(ReplyError::from).and_then(|value| Ok(json::dumps(&value)?)))
    }

    /// Only what the templates read is made.
    fn context(&self, frame: &Frame, content: Option<&Value>, connection: &Connection, now: SystemTime) -> Jinja {
        let state = &connection.state;
        let mut names: Vec<(String, Jinja)> = Vec::new();
        let mut give = |name: &str, value: &dyn Fn() -> Option<Jinja>| {
            if self.reads(name)
                && let Some(value) = value()
            {
                names.push((name.to_owned(), value));
            }
        };
        for (name, value) in self.captures.iter().zip(&state.captures) {
            give(name, &|| value.as_ref().map(values::to_template));
        }
        // A captured name hides one of ours.
        let is_ours = |name: &str| !self.captures.iter().any(|captured| captured == name);
        for name in NAMES.into_iter().filter(|name| is_ours(name)) {
            give(name, &|| match (name, frame) {
                ("user", _) => Some(user(connection)),
                ("content", _) => content.map(values::to_template),
                ("text", Frame::Text(text)) => Some(Jinja::from(text.as_str())),
                ("bytes", Frame::Binary(bytes)) => Some(Jinja::from_bytes(bytes.clone())),
                ("query", _) => state.query.as_deref().map(values::to_template),
                ("headers", _) => state.headers.as_deref().map(values::to_template),
                ("now", _) => Some(Jinja::from(now::isoformat(now))),
                _ => None,
            });
        }
        values::dict(names)
    }

    /// Logs the first failure of the route, and counts all. The socket lives on.
    fn failed(&self, error: &ReplyError) {
        if self.failures.fetch_add(1, Ordering::Relaxed) == 0 {
            tracing::error!(route = self.route, %error, "a reply could not be made; later failures of this route are only counted");
        }
    }
}

impl Application for Declared {
    fn consumer(self: Arc<Self>) -> Box<dyn Consumer> {
        Box::new(DeclaredConsumer(self))
    }

    fn reads(&self, name: &str) -> bool {
        self.templates.names.contains(name)
    }
}

fn user(connection: &Connection) -> Jinja {
    let mut entries = vec![("id".to_owned(), values::to_template(&Value::from(&connection.state.user)))];
    if let Some(username) = &connection.state.username {
        entries.push(("username".to_owned(), Jinja::from(&**username)));
    }
    values::dict(entries)
}

impl Rule {
    fn fits(&self, content: Option<&Value>) -> bool {
        self.when.iter().all(|(key, expected)| {
            content.and_then(|content| content.get(key)).is_some_and(|value| values::equal(value, expected))
        })
    }
}

/// Why a frame got no answer.
#[derive(Debug, thiserror::Error)]
enum ReplyError {
    #[error(transparent)]
    Template(#[from] TemplateError),
    #[error("the frame has more than {MAX_DEPTH} containers within one another")]
    TooDeep,
    #[error(transparent)]
    Json(#[from] json::Unserializable),
}

/// The consumer of one socket.
struct DeclaredConsumer(Arc<Declared>);

#[async_trait]
impl Consumer for DeclaredConsumer {
    /// Answers as Channels' `AsyncJsonWebsocketConsumer.send_json` writes it. Unlike there, a frame that is no JSON, or
    /// that nothing fits, is no exception: it is ignored.
    async fn receive(&mut self, frame: Frame, connection: &mut Connection) -> Result<(), ConsumerError> {
        match self.0.reply(&frame, connection, SystemTime::now()) {
            Some(Ok(text)) => connection.send_text(&text),
            Some(Err(error)) => self.0.failed(&error),
            None => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
