//! The answer to OPTIONS (djangorestframework 3.18.3, metadata.py, `SimpleMetadata`).

use super::options::TicketView;
use crate::python::Value;

/// Matches `SimpleMetadata.determine_metadata`.
pub(super) fn metadata(view: &TicketView) -> Value {
    let list =
        |items: &mut dyn Iterator<Item = &str>| Value::List(items.map(|item| Value::Str(item.to_owned())).collect());
    let renders = list(&mut view.renderers.iter().map(super::options::Renderer::media_type));
    let parses = list(&mut view.parses.iter().map(String::as_str));
    Value::Dict(vec![
        ("name".to_owned(), Value::Str(view.name.clone())),
        ("description".to_owned(), Value::Str(view.description.clone())),
        ("renders".to_owned(), renders),
        ("parses".to_owned(), parses),
    ])
}
