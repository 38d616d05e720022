//! Messages to the client: `send` and `reply`, as JSON, text or bytes.

use std::collections::BTreeSet;

use minijinja::value::{Value as Jinja, ValueKind};

use super::{
    compiler::Compiler,
    failure::Failure,
    place::Place,
    template::{Template, Templates},
    values,
};
use crate::{
    consumer::{DeclaredOutput, Frame},
    python::json,
};

/// A message to the client, compiled.
#[derive(Debug)]
pub(super) enum Output {
    Json(Template),
    Text(Template),
    Bytes(Template),
}

impl Output {
    pub(super) fn compile(output: &DeclaredOutput, place: Place, compiler: &mut Compiler<'_>) -> Self {
        match output {
            DeclaredOutput::Json(json) => Self::Json(compiler.json(json, place)),
            DeclaredOutput::Text(text) => Self::Text(compiler.text(text, place)),
            DeclaredOutput::Bytes(text) => Self::Bytes(compiler.json(&serde_json::Value::from(text.as_str()), place)),
        }
    }

    pub(super) const fn reads(&self) -> &BTreeSet<String> {
        let (Self::Json(template) | Self::Text(template) | Self::Bytes(template)) = self;
        &template.reads
    }

    /// The message. JSON is written as Channels' `AsyncJsonWebsocketConsumer.encode_json` does: by `json.dumps`.
    ///
    /// # Errors
    ///
    /// Its template fails, or computes what such a message cannot hold.
    pub(super) fn render(&self, templates: &Templates, context: &Jinja) -> Result<Frame, Failure> {
        Ok(match self {
            Self::Json(template) => {
                Frame::Text(json::dumps(&values::to_python(&templates.render(template, context)?)?)?)
            }
            Self::Text(template) => Frame::Text(templates.render_text(template, context)?),
            Self::Bytes(template) => {
                let value = templates.render(template, context)?;
                let bytes = match value.kind() {
                    ValueKind::Bytes | ValueKind::String => value.as_bytes(),
                    _ => None,
                };
                Frame::Binary(bytes.ok_or(Failure::NotBytes)?.to_vec())
            }
        })
    }
}
