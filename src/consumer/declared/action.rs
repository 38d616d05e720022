//! What is done: `group_send`, `channel_send`, `reply`, `close`.

use std::collections::BTreeSet;

use super::{
    compiler::Compiler,
    failure::Failure,
    given::Given,
    output::Output,
    place::Place,
    template::{Template, Templates},
    values,
};
use crate::{
    channel_layer::Value as Event,
    consumer::{Close, Connection, DeclaredAction, Frame},
};

/// What a rule does, compiled.
#[derive(Debug)]
pub(super) struct Action {
    group: Option<Template>,
    channel: Option<Template>,
    event: Option<Template>,
    reply: Option<Output>,
    close: Option<Close>,
    pub(super) reads: BTreeSet<String>,
}

/// What one frame leads to.
#[derive(Debug, PartialEq)]
pub(super) struct Deed {
    pub(super) group: Option<String>,
    pub(super) channel: Option<String>,
    pub(super) event: Option<Event>,
    pub(super) reply: Option<Frame>,
    pub(super) close: Option<Close>,
}

impl Action {
    pub(super) fn compile(action: &DeclaredAction, place: Place, compiler: &mut Compiler<'_>) -> Self {
        let is_sent = action.group_send.is_some() || action.channel_send.is_some();
        match &action.event {
            None if is_sent => compiler.problem("group_send and channel_send need an `event`"),
            Some(_) if !is_sent => {
                compiler.problem("an `event` goes nowhere without group_send or channel_send");
            }
            Some(serde_json::Value::Object(event)) if !event.contains_key("type") => {
                let sentence = "an `event` needs a `type`, by which its receiver finds the handler";
                compiler.problem(sentence);
            }
            Some(serde_json::Value::Object(_) | serde_json::Value::String(_)) | None => {}
            Some(_) => compiler.problem("an `event` is a table"),
        }
        let group = action.group_send.as_deref().map(|group| compiler.name(group, place));
        let channel = action.channel_send.as_deref().map(|channel| compiler.name(channel, place));
        let event = action.event.as_ref().map(|event| compiler.json(event, place));
        let reply = action.reply.as_ref().map(|reply| Output::compile(reply, place, compiler));
        let templates = [&group, &channel, &event].into_iter().flatten().map(|template| &template.reads);
        let reads = templates.chain(reply.as_ref().map(Output::reads)).flatten().cloned().collect();
        Self { group, channel, event, reply, close: compiler.close(action.close.as_ref()), reads }
    }

    pub(super) const fn closes(&self) -> bool {
        self.close.is_some()
    }

    /// Fills everything in, before anything is done: where one template fails, nothing is sent.
    ///
    /// # Errors
    ///
    /// A template fails, or computes what cannot be sent.
    pub(super) fn render(&self, templates: &Templates, given: &Given<'_>) -> Result<Deed, Failure> {
        let context = given.context(&self.reads);
        let name = |name: &Option<Template>| {
            name.as_ref().map(|name| templates.render_text(name, &context)).transpose().map_err(Failure::from)
        };
        let event = |event: &Template| Ok::<_, Failure>(values::to_event(&templates.render(event, &context)?)?);
        Ok(Deed {
            group: name(&self.group)?,
            channel: name(&self.channel)?,
            event: self.event.as_ref().map(event).transpose()?,
            reply: self.reply.as_ref().map(|reply| reply.render(templates, &context)).transpose()?,
            close: self.close.clone(),
        })
    }
}

impl Deed {
    /// Does it all, in its order.
    ///
    /// # Errors
    ///
    /// The channel layer refuses a name or the event, or does not answer: what comes after it is not done.
    pub(super) async fn carry_out(self, connection: &Connection) -> Result<(), Failure> {
        if let Some(event) = &self.event {
            if let Some(group) = &self.group {
                connection.group_send(group, event).await?;
            }
            if let Some(channel) = &self.channel {
                connection.channel_send(channel, event).await?;
            }
        }
        if let Some(reply) = &self.reply {
            send(connection, reply);
        }
        if let Some(close) = self.close {
            connection.close(close);
        }
        Ok(())
    }
}

/// A message to this client alone.
pub(super) fn send(connection: &Connection, frame: &Frame) {
    match frame {
        Frame::Text(text) => connection.send_text(text),
        Frame::Binary(bytes) => connection.send_bytes(bytes),
    }
}
