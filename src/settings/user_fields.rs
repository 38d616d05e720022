//! `[websocket] user_fields`: what templates know of a user besides `id` and `username`.

use super::{
    django::{AllFields, Statement},
    key,
    layer::Layers,
    problem::{Code, Problem},
};
use crate::{
    database::Engine,
    user::{UserField, UserQuery, UserTable, ValueKind},
};

const PATH: &str = "websocket.user_fields";

/// The columns of Django's own query that are named, and that query; `None` where none is.
pub(super) fn of_django(
    all: Option<AllFields>,
    model: &str,
    layers: &mut Layers,
) -> Option<(Statement, Vec<UserField>)> {
    let named = named(layers)?;
    let mut refuse = |sentence: String, mend: String| {
        let problem = Problem::new(Code::BadValue, sentence).at(layers.values.origin(PATH));
        layers.problems.push(problem.mend(mend));
    };
    let Some(AllFields { statement, fields }) = all else {
        refuse(format!("`{PATH}`: the document does not say which columns {model} has"), String::new());
        return None;
    };
    let mut read = Vec::new();
    for name in named {
        let Some(field) = fields.get(&name) else {
            let near = key::nearest(&name, fields.keys().map(String::as_str));
            let mend = near.map(|near| format!("Did you mean `{near}`?")).unwrap_or_default();
            refuse(format!("`{PATH}`: {model} has no column `{name}`"), mend);
            continue;
        };
        match (&field.unsupported, kind(&field.kind, field.places, field.aware)) {
            (None, Some(kind)) => read.push(UserField { name, column: field.column, kind }),
            (class, _) => {
                let class = class.as_deref().unwrap_or(&field.kind);
                refuse(format!("`{PATH}`: {model}.{name} is a {class}, whose values are not read here"), String::new());
            }
        }
    }
    Some((statement, read))
}

/// The columns of the table in `[user]`, which `query` is made to select. What they hold is seen in each row.
pub(super) fn of_table(
    table: &UserTable,
    engine: Engine,
    query: &mut UserQuery,
    layers: &mut Layers,
) -> Vec<UserField> {
    let named = named(layers).unwrap_or_default();
    let first = query.columns.len();
    if !named.is_empty() {
        *query = table.lookup_with(engine, &named);
    }
    let field = |(index, name)| UserField { name, column: first + index, kind: ValueKind::Any };
    named.into_iter().enumerate().map(field).collect()
}

/// The names that are stated, but for those that templates know anyway, and none that is a secret.
fn named(layers: &mut Layers) -> Option<Vec<String>> {
    let mut named = layers.values.texts(PATH)?;
    if named.iter().any(|name| name == "password") {
        let problem = Problem::new(Code::BadValue, "`websocket.user_fields`: a password is for no template");
        layers.problems.push(problem.at(layers.values.origin(PATH)));
    }
    named.retain(|name| !["id", "password"].contains(&name.as_str()));
    (!named.is_empty()).then_some(named)
}

fn kind(word: &str, places: usize, aware: bool) -> Option<ValueKind> {
    Some(match word {
        "text" => ValueKind::Text,
        "integer" => ValueKind::Integer,
        "boolean" => ValueKind::Boolean,
        "float" => ValueKind::Float,
        "decimal" => ValueKind::Decimal { places },
        "datetime" => ValueKind::DateTime { aware },
        "date" => ValueKind::Date,
        "uuid" => ValueKind::Uuid,
        "json" => ValueKind::Json,
        _ => return None,
    })
}
