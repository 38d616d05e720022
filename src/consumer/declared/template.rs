//! JSON whose texts may hold `{{ expressions }}`.

use std::collections::BTreeSet;

use minijinja::{Environment, Error, ErrorKind, UndefinedBehavior, syntax::SyntaxConfig, value::Value as Jinja};

use super::{names, values};
use crate::python::Value;

/// Instructions and bytes that one frame may cost: some ten milliseconds of CPU.
const FUEL: u64 = 500_000;
/// Templates have no reason to recurse at all.
const RECURSION: usize = 50;
/// What the expression of a text that is one expression is assigned to.
const RESULT: &str = "__result";

/// The compiled texts of one route.
#[derive(Debug)]
pub(super) struct Templates {
    environment: Environment<'static>,
    texts: usize,
    /// The names that the texts read.
    pub(super) names: BTreeSet<String>,
}

/// A piece of JSON, compiled.
#[derive(Debug)]
pub(super) enum Template {
    /// No expression in it.
    Literal(Value),
    /// A text that is one expression: what it computes keeps its type.
    Expression(String),
    /// A text with expressions in it.
    Text(String),
    List(Vec<Template>),
    Dict(Vec<(String, Template)>),
}

/// Why a template gave nothing. Never shows what the client sent.
#[derive(Debug, thiserror::Error)]
pub(super) enum TemplateError {
    /// The template engine's kind of error, such as "undefined value".
    #[error("{0}")]
    Failed(ErrorKind),
    /// A text that is one expression came out undefined.
    #[error("undefined value in {{{{ {0} }}}}")]
    Undefined(String),
}

impl From<Error> for TemplateError {
    fn from(error: Error) -> Self {
        Self::Failed(error.kind())
    }
}

impl Templates {
    pub(super) fn new() -> Self {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
        if let Ok(syntax) = SyntaxConfig::builder().keep_trailing_newline(true).build() {
            environment.set_syntax(syntax);
        }
        environment.set_fuel(Some(FUEL));
        environment.set_recursion_limit(RECURSION);
        Self { environment, texts: 0, names: BTreeSet::new() }
    }

    /// Compiles `json`. What cannot be compiled is described in `problems`.
    ///
    /// `known` are the names that it may read.
    pub(super) fn compile(&mut self, json: &serde_json::Value, known: &[&str], problems: &mut Vec<String>) -> Template {
        match json {
            serde_json::Value::String(text) if text.contains("{{") || text.contains("{%") || text.contains("{#") => {
                for filter in filters(text).filter(|name| !self.knows_filter(name)) {
                    problems.push(format!("{text:?} uses the filter `{filter}`, which does not exist"));
                }
                self.text(text, known).unwrap_or_else(|error| {
                    let what = error.detail().map_or_else(|| error.kind().to_string(), str::to_owned);
                    problems.push(format!("{text:?} is no template: {what}"));
                    Template::Literal(Value::None)
                })
            }
            serde_json::Value::Array(items) => {
                Template::List(items.iter().map(|item| self.compile(item, known, problems)).collect())
            }
            serde_json::Value::Object(entries) => {
                let compile = |(name, value): (&String, _)| (name.clone(), self.compile(value, known, problems));
                Template::Dict(entries.iter().map(compile).collect())
            }
            literal => Template::Literal(values::from_json(literal)),
        }
    }

    fn text(&mut self, text: &str, known: &[&str]) -> Result<Template, Error> {
        if let Some(expression) = text.strip_prefix("{{").and_then(|text| text.strip_suffix("}}"))
            && self.environment.compile_expression(expression).is_ok()
        {
            let name = self.add(format!("{{% set {RESULT} = ({expression}) %}}"), known)?;
            return Ok(Template::Expression(name));
        }
        Ok(Template::Text(self.add(text.to_owned(), known)?))
    }

    fn add(&mut self, source: String, known: &[&str]) -> Result<String, Error> {
        let name = format!("{}", self.texts);
        let names = names::read_by(&source, known.iter().copied());
        self.environment.add_template_owned(name.clone(), source)?;
        self.texts += 1;
        self.names.extend(names);
        Ok(name)
    }

    fn knows_filter(&self, name: &str) -> bool {
        let applied = self.environment.empty_state().apply_filter(name, &[]);
        applied.err().is_none_or(|error| error.kind() != ErrorKind::UnknownFilter)
    }

    /// Whether templates know `name` without being given it.
    pub(super) fn is_global(&self, name: &str) -> bool {
        self.environment.globals().any(|(known, _)| known == name)
    }

    /// Fills `template` in.
    ///
    /// # Errors
    ///
    /// [`TemplateError`]: a value is undefined, or an expression failed or cost too much.
    pub(super) fn render(&self, template: &Template, context: &Jinja) -> Result<Value, TemplateError> {
        Ok(match template {
            Template::Literal(value) => value.clone(),
            Template::Expression(name) => {
                let captured = self.environment.get_template(name)?.render_captured(context.clone())?;
                let value = captured.state().lookup(RESULT).and_then(|value| values::from_template(&value));
                value.ok_or_else(|| TemplateError::Undefined(self.expression(name)))?
            }
            Template::Text(name) => Value::Str(self.environment.get_template(name)?.render(context.clone())?),
            Template::List(items) => {
                Value::List(items.iter().map(|item| self.render(item, context)).collect::<Result<_, _>>()?)
            }
            Template::Dict(entries) => {
                let render = |(name, value): &(String, _)| Ok((name.clone(), self.render(value, context)?));
                Value::Dict(entries.iter().map(render).collect::<Result<_, TemplateError>>()?)
            }
        })
    }

    fn expression(&self, name: &str) -> String {
        let template = self.environment.get_template(name);
        let source = template.as_ref().map_or("", |template| template.source());
        let inside =
            source.split_once('(').and_then(|(_, rest)| rest.rsplit_once(')')).map_or("", |(inside, _)| inside);
        inside.trim().to_owned()
    }
}

/// The names behind a `|` in the tags of a template, which are looked up only when it is rendered.
fn filters(text: &str) -> impl Iterator<Item = &str> {
    let mut found = Vec::new();
    let mut in_tag = false;
    let mut quote = None;
    let mut rest = text;
    while let Some(character) = rest.chars().next() {
        let after = &rest[character.len_utf8()..];
        match quote {
            Some(_) if character == '\\' => {
                rest = after.chars().next().map_or("", |escaped| &after[escaped.len_utf8()..]);
                continue;
            }
            Some(open) => quote = (open != character).then_some(open),
            None if rest.starts_with("{{") || rest.starts_with("{%") => in_tag = true,
            None if rest.starts_with("}}") || rest.starts_with("%}") => in_tag = false,
            None if in_tag && matches!(character, '"' | '\'') => quote = Some(character),
            None if in_tag && character == '|' => {
                let name = after.trim_start();
                let end = name.find(|c: char| c != '_' && !c.is_alphanumeric()).unwrap_or(name.len());
                found.push(&name[..end]);
            }
            None => {}
        }
        rest = after;
    }
    found.into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_are_found_in_tags_and_nowhere_else() {
        let found = |text| filters(text).collect::<Vec<_>>();
        assert_eq!(
            found("a|b {{ c | upper|join('|x') }} {% if \"\\\"|y\"|lower %}|z{% endif %}"),
            ["upper", "join", "lower"]
        );
        assert_eq!(found("{{ 'unclosed"), Vec::<&str>::new());
    }
}
