//! `sluicegate.toml`: each value with the line on which it stands.

use serde_json::{Map, Number, Value};
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::{
    key,
    layer::{Layers, Offered, unknown},
    origin::Origin,
    problem::{Code, Problem},
};

/// A value of the file and its line.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) line: usize,
    pub(super) value: NodeValue,
}

#[derive(Clone, Debug)]
pub(super) enum NodeValue {
    Leaf(Value),
    List(Vec<Node>),
    Table(Vec<Entry>),
}

/// A name of a table and what stands behind it.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) line: usize,
    pub(super) node: Node,
}

impl Node {
    /// The value without its lines.
    pub(super) fn to_json(&self) -> Value {
        match &self.value {
            NodeValue::Leaf(value) => value.clone(),
            NodeValue::List(list) => list.iter().map(Self::to_json).collect(),
            NodeValue::Table(entries) => {
                let members: Map<_, _> = entries.iter().map(|e| (e.name.clone(), e.node.to_json())).collect();
                Value::Object(members)
            }
        }
    }

    /// The value for its setting; `None` where something in it is no value, which was reported.
    fn offered(&self) -> Option<Offered<'static>> {
        let value = self.to_json();
        let is_refused = value.is_null() || value.as_array().is_some_and(|list| list.iter().any(Value::is_null));
        (!is_refused).then_some(Offered::Typed(value))
    }
}

/// Reads `text`, offers every value to `layers`, and answers with the `[[route]]` tables.
pub(super) fn read(path: &str, text: &str, layers: &mut Layers) -> Vec<Node> {
    let (table, errors) = DeTable::parse_recoverable(text);
    let file = File { path, text };
    for error in &errors {
        let line = error.span().map_or(1, |span| file.line(span.start));
        layers.problems.push(Problem::new(Code::NotToml, error.message()).at(&file.origin(line)));
    }
    if !errors.is_empty() {
        return Vec::new();
    }
    let mut routes = Vec::new();
    for Entry { name, line, node } in file.table(table.get_ref(), layers) {
        match node.value {
            NodeValue::List(tables) if name == "route" => routes = tables,
            NodeValue::Table(_) if name == "route" => {
                let problem = Problem::new(Code::Route, "routes are a list").mend("[[route]]");
                layers.problems.push(problem.at(&file.origin(line)));
            }
            NodeValue::Table(entries) if key::is_section(&name) => {
                for entry in entries {
                    let Some(value) = entry.node.offered() else { continue };
                    layers.offer(&format!("{name}.{}", entry.name), value, file.origin(entry.line));
                }
            }
            NodeValue::Table(_) => layers.problems.push(unknown(&format!("{name}.")).at(&file.origin(line))),
            NodeValue::List(_) | NodeValue::Leaf(_) => {
                if let Some(value) = node.offered() {
                    layers.offer(&name, value, file.origin(line));
                }
            }
        }
    }
    routes
}

struct File<'a> {
    path: &'a str,
    text: &'a str,
}

impl File<'_> {
    fn line(&self, offset: usize) -> usize {
        let before = self.text.as_bytes().iter().take(offset);
        before.filter(|&&byte| byte == b'\n').count() + 1
    }

    fn origin(&self, line: usize) -> Origin {
        Origin::File { path: self.path.to_owned(), line }
    }

    fn table(&self, table: &DeTable<'_>, layers: &mut Layers) -> Vec<Entry> {
        let entry = |(name, value): (&Spanned<_>, &Spanned<DeValue<'_>>)| {
            let line = self.line(name.span().start);
            let name: &std::borrow::Cow<'_, str> = name.get_ref();
            Entry { name: name.to_string(), line, node: self.node(value, layers) }
        };
        table.iter().map(entry).collect()
    }

    fn node(&self, value: &Spanned<DeValue<'_>>, layers: &mut Layers) -> Node {
        let line = self.line(value.span().start);
        let leaf = match value.get_ref() {
            DeValue::Array(list) => {
                let list = list.iter().map(|item| self.node(item, layers)).collect();
                return Node { line, value: NodeValue::List(list) };
            }
            DeValue::Table(table) => return Node { line, value: NodeValue::Table(self.table(table, layers)) },
            DeValue::String(text) => Some(Value::from(text.as_ref())),
            DeValue::Boolean(truth) => Some(Value::Bool(*truth)),
            DeValue::Integer(n) => i64::from_str_radix(n.as_str(), n.radix()).ok().map(Value::from),
            DeValue::Float(n) => n.as_str().parse().ok().and_then(Number::from_f64).map(Value::Number),
            DeValue::Datetime(_) => None,
        };
        let value = leaf.unwrap_or_else(|| {
            let sentence = "a date, or a number beyond 64 bits, is no value of any setting";
            layers.problems.push(Problem::new(Code::WrongType, sentence).at(&self.origin(line)));
            Value::Null
        });
        Node { line, value: NodeValue::Leaf(value) }
    }
}
