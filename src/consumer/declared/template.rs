//! JSON and texts that may hold `{{ expressions }}`.

use std::collections::BTreeSet;

use minijinja::{
    Environment, Error, ErrorKind, Output, State, UndefinedBehavior, syntax::SyntaxConfig, value::Value as Jinja,
};

use super::{
    names,
    values::{self, NotAValue},
};

/// Instructions and bytes that one text may cost: some ten milliseconds of CPU.
const FUEL: u64 = 500_000;
/// Templates have no reason to recurse at all.
const RECURSION: usize = 50;
/// What the expression of a text that is one expression is assigned to.
const RESULT: &str = "__result";
/// What the texts that become names are called in the environment.
const NAME: &str = "name ";

/// The compiled texts of one route.
#[derive(Debug)]
pub(super) struct Templates {
    environment: Environment<'static>,
    texts: usize,
}

/// A piece of JSON or a text, compiled.
#[derive(Debug)]
pub(super) struct Template {
    part: Part,
    /// What it reads of the names that it is given.
    pub(super) reads: BTreeSet<String>,
}

#[derive(Debug)]
enum Part {
    /// No expression in it.
    Literal(Jinja),
    /// A text that is one expression: what it computes keeps its type.
    Expression(String),
    /// A text with expressions in it.
    Text(String),
    List(Vec<Part>),
    Dict(Vec<(String, Part)>),
}

/// Why a template gave nothing. Never shows what the client sent.
#[derive(Debug, thiserror::Error)]
pub(super) enum TemplateError {
    /// The template engine's kind of error, and the template.
    #[error("{0} in {1:?}")]
    Failed(ErrorKind, String),
    /// A text that is one expression came out as nothing that can be passed on.
    #[error("{0} in {{{{ {1} }}}}")]
    NotAValue(NotAValue, String),
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
        environment.set_formatter(format);
        // It could put a value into itself again and again, and what is nested too deeply overflows the stack.
        environment.remove_global("namespace");
        // Its text shows everything that a template is given.
        environment.remove_global("debug");
        Self { environment, texts: 0 }
    }

    /// Compiles JSON, whose texts may be templates. `known` are the names that they may read.
    ///
    /// # Errors
    ///
    /// What cannot be compiled, in `problems`.
    pub(super) fn json(&mut self, json: &serde_json::Value, known: &[&str], problems: &mut Vec<String>) -> Template {
        let mut reads = BTreeSet::new();
        let part = self.part(json, known, &mut reads, problems);
        Template { part, reads }
    }

    /// Compiles a text that stays one.
    pub(super) fn text(&mut self, text: &str, known: &[&str], problems: &mut Vec<String>) -> Template {
        self.written("", text, known, problems)
    }

    /// Compiles the name of a group or a channel, in which `None` and what is no plain value have no place.
    pub(super) fn name(&mut self, text: &str, known: &[&str], problems: &mut Vec<String>) -> Template {
        self.written(NAME, text, known, problems)
    }

    fn written(&mut self, kind: &str, text: &str, known: &[&str], problems: &mut Vec<String>) -> Template {
        let mut reads = BTreeSet::new();
        if !is_template(text) {
            return Template { part: Part::Literal(Jinja::from(text)), reads };
        }
        self.check_filters(text, problems);
        let added = self.add(kind, text.to_owned(), known, &mut reads);
        let part = added.map_or_else(|error| refused(text, &error, problems), Part::Text);
        Template { part, reads }
    }

    fn part(
        &mut self,
        json: &serde_json::Value,
        known: &[&str],
        reads: &mut BTreeSet<String>,
        problems: &mut Vec<String>,
    ) -> Part {
        match json {
            serde_json::Value::String(text) if is_template(text) => {
                self.check_filters(text, problems);
                if let Some(expression) = text.strip_prefix("{{").and_then(|text| text.strip_suffix("}}"))
                    && self.environment.compile_expression(expression).is_ok()
                {
                    let source = format!("{{% set {RESULT} = ({expression}) %}}");
                    let added = self.add("", source, known, reads);
                    return added.map_or_else(|error| refused(text, &error, problems), Part::Expression);
                }
                let added = self.add("", text.clone(), known, reads);
                added.map_or_else(|error| refused(text, &error, problems), Part::Text)
            }
            serde_json::Value::Array(items) => {
                Part::List(items.iter().map(|item| self.part(item, known, reads, problems)).collect())
            }
            serde_json::Value::Object(entries) => {
                let part = |(name, value): (&String, _)| (name.clone(), self.part(value, known, reads, problems));
                Part::Dict(entries.iter().map(part).collect())
            }
            literal => Part::Literal(values::from_python(&values::from_json(literal))),
        }
    }

    fn add(
        &mut self,
        kind: &str,
        source: String,
        known: &[&str],
        reads: &mut BTreeSet<String>,
    ) -> Result<String, Error> {
        let name = format!("{kind}{}", self.texts);
        let mut names = names::read_by(&source, known.iter().copied());
        names.retain(|name| known.contains(&name.as_str()) || !self.is_global(name));
        self.environment.add_template_owned(name.clone(), source)?;
        self.texts += 1;
        reads.extend(names);
        Ok(name)
    }

    /// Whether templates know `name` without being given it.
    fn is_global(&self, name: &str) -> bool {
        self.environment.globals().any(|(known, _)| known == name)
    }

    fn check_filters(&self, text: &str, problems: &mut Vec<String>) {
        for filter in filters(text).filter(|name| !self.knows_filter(name)) {
            problems.push(format!("{text:?} uses the filter `{filter}`, which does not exist"));
        }
    }

    fn knows_filter(&self, name: &str) -> bool {
        let applied = self.environment.empty_state().apply_filter(name, &[]);
        applied.err().is_none_or(|error| error.kind() != ErrorKind::UnknownFilter)
    }

    /// Fills `template` in.
    ///
    /// # Errors
    ///
    /// [`TemplateError`]: a value is undefined, or an expression failed or cost too much.
    pub(super) fn render(&self, template: &Template, context: &Jinja) -> Result<Jinja, TemplateError> {
        self.render_part(&template.part, context)
    }

    /// Fills a text in.
    ///
    /// # Errors
    ///
    /// As [`render`](Self::render).
    pub(super) fn render_text(&self, template: &Template, context: &Jinja) -> Result<String, TemplateError> {
        match &template.part {
            Part::Text(name) => self.fill_in(name, context),
            part => {
                let value = self.render_part(part, context)?;
                let text = values::to_text(&value).map(std::borrow::Cow::into_owned);
                text.map_err(|error| TemplateError::NotAValue(error, self.source(part)))
            }
        }
    }

    fn render_part(&self, part: &Part, context: &Jinja) -> Result<Jinja, TemplateError> {
        Ok(match part {
            Part::Literal(value) => value.clone(),
            Part::Expression(name) => {
                let template = self.environment.get_template(name);
                let captured = template.and_then(|template| template.render_captured(context.clone()));
                let captured = captured.map_err(|error| TemplateError::Failed(error.kind(), self.source(part)))?;
                let value = captured.state().lookup(RESULT).unwrap_or_default();
                if value.is_undefined() {
                    return Err(TemplateError::NotAValue(NotAValue::Undefined, self.source(part)));
                }
                value
            }
            Part::Text(name) => Jinja::from(self.fill_in(name, context)?),
            Part::List(items) => {
                let items = items.iter().map(|item| self.render_part(item, context));
                Jinja::from(items.collect::<Result<Vec<_>, _>>()?)
            }
            Part::Dict(entries) => {
                let entries = entries.iter().map(|(name, part)| Ok((name.as_str(), self.render_part(part, context)?)));
                values::dict(entries.collect::<Result<Vec<_>, TemplateError>>()?)
            }
        })
    }

    fn fill_in(&self, name: &str, context: &Jinja) -> Result<String, TemplateError> {
        let template = self.environment.get_template(name);
        let text = template.and_then(|template| template.render(context.clone()));
        text.map_err(|error| TemplateError::Failed(error.kind(), self.text_of(name)))
    }

    fn source(&self, part: &Part) -> String {
        match part {
            Part::Expression(name) => {
                let source = self.text_of(name);
                let inside =
                    source.split_once('(').and_then(|(_, rest)| rest.rsplit_once(')')).map_or("", |(inside, _)| inside);
                inside.trim().to_owned()
            }
            Part::Text(name) => self.text_of(name),
            Part::Literal(value) => value.to_string(),
            Part::List(_) => "a list".to_owned(),
            Part::Dict(_) => "a table".to_owned(),
        }
    }

    fn text_of(&self, name: &str) -> String {
        self.environment.get_template(name).map_or_else(|_| String::new(), |template| template.source().to_owned())
    }
}

fn is_template(text: &str) -> bool {
    text.contains("{{") || text.contains("{%") || text.contains("{#")
}

fn refused(text: &str, error: &Error, problems: &mut Vec<String>) -> Part {
    let what = error.detail().map_or_else(|| error.kind().to_string(), str::to_owned);
    problems.push(format!("{text:?} is no template: {what}"));
    Part::Literal(Jinja::from(()))
}

/// Writes `value` as `str(value)` does, as an f-string of Python would.
fn format(out: &mut Output, state: &mut State, value: &Jinja) -> Result<(), Error> {
    use minijinja::value::ValueKind;

    let is_name = state.name().starts_with(NAME);
    let has_place_in_name = matches!(value.kind(), ValueKind::String | ValueKind::Number | ValueKind::Bool);
    if is_name && !has_place_in_name {
        return Err(Error::new(ErrorKind::InvalidOperation, "no value for a name"));
    }
    if value.is_undefined() {
        // The missing `else` of an `if`: nothing, as in Jinja.
        return Ok(());
    }
    let text = values::to_text(value).map_err(|error| Error::new(ErrorKind::BadSerialization, error.to_string()))?;
    out.write_str(&text).map_err(Error::from)
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
