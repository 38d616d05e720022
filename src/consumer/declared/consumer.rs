//! The consumer of one socket.

use std::{sync::Arc, time::SystemTime};

use async_trait::async_trait;

use super::{
    Declared, MAX_DEPTH,
    action::Deed,
    events::Failed,
    failure::Failure,
    given::{Cause, Given},
    values,
};
use crate::{
    channel_layer::{ChannelLayerError, Message},
    consumer::{Close, Connection, Consumer, ConsumerError, Frame, OnError},
    python::{Value, json},
    reason::Reason,
};

/// `Internal Error`: how Daphne closes after an exception in a consumer.
const INTERNAL_ERROR: u16 = 1011;

/// All that a socket has of its own is in its connection.
pub(super) struct DeclaredConsumer(pub(super) Arc<Declared>);

#[async_trait]
impl Consumer for DeclaredConsumer {
    /// Joins the groups, as `websocket_connect` does before `connect`; then `on_connect`.
    async fn connect(&mut self, connection: &mut Connection) -> Result<(), ConsumerError> {
        let declared = &*self.0;
        declared.join_groups(connection).await?;
        let result = match &declared.on_connect {
            Some(action) => {
                let deed = action.render(&declared.templates, &declared.here(connection, Cause::Connect));
                carry_out(deed, connection).await
            }
            None => Ok(()),
        };
        match result {
            Err(failure) if declared.on_error == OnError::Close => {
                declared.failures.add(&failure);
                Err(Reason::ConsumerFailed.into())
            }
            Err(failure) => {
                declared.failures.add(&failure);
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    }

    async fn receive(&mut self, frame: Frame, connection: &mut Connection) -> Result<(), ConsumerError> {
        let declared = &*self.0;
        let result = match declared.answer(&frame, connection, SystemTime::now()) {
            Ok(Some(deed)) => deed.carry_out(connection).await,
            Ok(None) => Ok(()),
            Err(failure) => Err(failure),
        };
        declared.end_of(result.map_err(|failure| declared.failed(&failure)))
    }

    async fn event(&mut self, event: Arc<Message>, connection: &mut Connection) -> Result<(), ConsumerError> {
        self.0.end_of(self.0.handle_event(&event, connection))
    }

    async fn disconnect(&mut self, code: u16, connection: &mut Connection) {
        let declared = &*self.0;
        if let Some(action) = &declared.on_disconnect {
            let deed = action.render(&declared.templates, &declared.here(connection, Cause::Disconnect(code)));
            if let Err(failure) = carry_out(deed, connection).await {
                declared.failures.add(&failure);
            }
        }
    }
}

async fn carry_out(deed: Result<Deed, Failure>, connection: &Connection) -> Result<(), Failure> {
    deed?.carry_out(connection).await
}

impl Declared {
    async fn join_groups(&self, connection: &Connection) -> Result<(), Reason> {
        for group in &self.groups {
            let group = self.group(group, &self.here(connection, Cause::Connect))?;
            connection.group_add(&group).await.map_err(|error| match error {
                ChannelLayerError::InvalidName { .. } => Reason::GroupInvalid,
                error => {
                    self.failures.add(&error.into());
                    Reason::UnavailableLayer
                }
            })?;
        }
        Ok(())
    }

    /// What a frame leads to; nothing where the route has no rules.
    ///
    /// # Errors
    ///
    /// Where a consumer of Channels would raise: the frame is no JSON and JSON is needed, nothing fits, a template fails.
    pub(super) fn answer(
        &self,
        frame: &Frame,
        connection: &Connection,
        now: SystemTime,
    ) -> Result<Option<Deed>, Failure> {
        if self.rules.is_empty() {
            return Ok(None);
        }
        let content = match frame {
            Frame::Text(text) if self.reads_content => json::loads_str(text).ok(),
            Frame::Text(_) | Frame::Binary(_) => None,
        };
        if content.as_ref().is_some_and(|content| values::is_deeper(content, MAX_DEPTH)) {
            return Err(Failure::TooDeep);
        }
        let is_no_json = self.reads_content && content.is_none() && matches!(frame, Frame::Text(_));
        let Some(rule) = self.rules.iter().find(|rule| rule.fits(frame, content.as_ref())) else {
            let would_look = self.rules.iter().any(|rule| rule.is_for(frame) && !rule.when.is_empty());
            return Err(if is_no_json && would_look { Failure::InvalidJson } else { Failure::NoRule });
        };
        let given = Given { now, ..self.here(connection, Cause::Frame(frame, content.as_ref())) };
        match rule.action.render(&self.templates, &given) {
            Err(Failure::Template(_)) if is_no_json && rule.reads_content() => Err(Failure::InvalidJson),
            result => result.map(Some),
        }
    }

    pub(super) fn here<'a>(&'a self, connection: &'a Connection, cause: Cause<'a>) -> Given<'a> {
        let captures: &[Option<Value>] = &connection.state.captures;
        Given { names: &self.captures, captures, connection: Some(connection), cause, now: SystemTime::now() }
    }

    /// What `on_error` makes of it.
    fn end_of(&self, result: Result<(), Failed>) -> Result<(), ConsumerError> {
        match (result, self.on_error) {
            (Err(Failed), OnError::Close) => Close::new(INTERNAL_ERROR, "").map_or(Ok(()), |close| Err(close.into())),
            (Err(Failed), OnError::Ignore) | (Ok(()), _) => Ok(()),
        }
    }
}
