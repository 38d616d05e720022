//! The consumer of one socket.

use std::{sync::Arc, time::SystemTime};

use async_trait::async_trait;

use super::{
    Declared, MAX_DEPTH,
    action::Deed,
    asked::View,
    events::Failed,
    failure::Failure,
    given::{Cause, Given},
    rule::Rule,
    values,
};
use crate::{
    channel_layer::{ChannelLayerError, Message},
    consumer::{Close, Connection, Consumer, ConsumerError, Frame, OnError, ask::Answer},
    python::{Value, json},
    reason::Reason,
};

/// `Internal Error`: how Daphne closes after an exception in a consumer.
const INTERNAL_ERROR: u16 = 1011;
/// What a view is told of a socket that it let in and that was not opened after all. Never sent.
const ABNORMAL_CLOSURE: u16 = 1006;

/// Besides a view that is asked, all that a socket has of its own is in its connection.
pub(super) struct DeclaredConsumer {
    pub(super) declared: Arc<Declared>,
    pub(super) view: Option<Box<View>>,
}

#[async_trait]
impl Consumer for DeclaredConsumer {
    /// Asks the view; joins the groups, as `websocket_connect` does before `connect`; does what the view says, and
    /// `on_connect`.
    async fn connect(&mut self, connection: &mut Connection) -> Result<(), ConsumerError> {
        let Some(view) = View::of(connection)? else { return self.declared.connect(None, connection).await.map(drop) };
        let answer = view.connect(connection).await?;
        match self.declared.connect(Some(answer), connection).await {
            Ok(Opened::Yes) => {
                view.remember(connection);
                let is_asked_again = self.declared.rules.iter().any(|rule| rule.ask);
                self.view = Some(view).filter(|view| is_asked_again || view.is_told_of_the_end());
                Ok(())
            }
            // The view let it in.
            result => {
                view.disconnect(ABNORMAL_CLOSURE, connection);
                result.map(drop)
            }
        }
    }

    async fn receive(&mut self, frame: Frame, connection: &mut Connection) -> Result<(), ConsumerError> {
        let result = self.declared.handle_frame(&frame, self.view.as_deref(), connection).await;
        self.declared.end_of(result)
    }

    async fn event(&mut self, event: Arc<Message>, connection: &mut Connection) -> Result<(), ConsumerError> {
        self.declared.end_of(self.declared.handle_event(&event, connection))
    }

    /// Does `on_disconnect`, and tells the view.
    async fn disconnect(&mut self, code: u16, connection: &mut Connection) {
        let declared = &*self.declared;
        if let Some(action) = &declared.on_disconnect {
            let deed = action.render(&declared.templates, &declared.here(connection, Cause::Disconnect(code)));
            if let Err(failure) = carry_out(deed, connection).await {
                declared.failures.add(&failure);
            }
        }
        if let Some(view) = self.view.take() {
            view.disconnect(code, connection);
        }
    }
}

/// Whether a handshake is let in after all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Opened {
    Yes,
    /// `on_connect` closes.
    No,
}

async fn carry_out(deed: Result<Deed, Failure>, connection: &Connection) -> Result<(), Failure> {
    deed?.carry_out(connection).await
}

impl Declared {
    /// `answer`: the view's.
    async fn connect(&self, answer: Option<Answer>, connection: &Connection) -> Result<Opened, ConsumerError> {
        self.join_groups(connection).await?;
        if let Some(answer) = answer {
            // A socket that its view wants in a group is not opened outside of it.
            self.follow(answer, connection).await.map_err(|failure| {
                self.failures.add(&failure);
                match failure {
                    Failure::Layer(ChannelLayerError::InvalidName { .. }) => Reason::GroupInvalid,
                    _ => Reason::UnavailableLayer,
                }
            })?;
        }
        let Some(action) = &self.on_connect else { return Ok(Opened::Yes) };
        let deed = action.render(&self.templates, &self.here(connection, Cause::Connect));
        match (carry_out(deed, connection).await, self.on_error) {
            (Err(failure), OnError::Close) => {
                self.failures.add(&failure);
                Err(Reason::ConsumerFailed.into())
            }
            (Err(failure), OnError::Ignore) => {
                self.failures.add(&failure);
                Ok(Opened::Yes)
            }
            (Ok(()), _) if action.closes() => Ok(Opened::No),
            (Ok(()), _) => Ok(Opened::Yes),
        }
    }

    async fn handle_frame(
        &self,
        frame: &Frame,
        view: Option<&View>,
        connection: &mut Connection,
    ) -> Result<(), Failed> {
        let found = self.find_rule(frame).map_err(|failure| self.failed(&failure))?;
        let Some((rule, content)) = found else { return Ok(()) };
        if let Some(view) = view.filter(|_| rule.ask) {
            let answer = view.receive(frame, content.is_some(), connection).await?;
            self.follow(answer, connection).await.map_err(|failure| self.failed(&failure))?;
        }
        let deed = self.deed(rule, frame, content.as_ref(), connection, SystemTime::now());
        carry_out(deed, connection).await.map_err(|failure| self.failed(&failure))
    }

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

    /// The rule for a frame, and the frame's JSON where it is read and is some; none where the route has no rules.
    ///
    /// # Errors
    ///
    /// Where a consumer of Channels would raise: the frame is no JSON and JSON is needed, or nothing fits.
    pub(super) fn find_rule(&self, frame: &Frame) -> Result<Option<(&Rule, Option<Value>)>, Failure> {
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
        if let Some(rule) = self.rules.iter().find(|rule| rule.fits(frame, content.as_ref())) {
            return Ok(Some((rule, content)));
        }
        let is_no_json = matches!(frame, Frame::Text(_)) && self.reads_content && content.is_none();
        let would_look = self.rules.iter().any(|rule| rule.is_for(frame) && !rule.when.is_empty());
        Err(if is_no_json && would_look { Failure::InvalidJson } else { Failure::NoRule })
    }

    /// What a rule makes of a frame.
    ///
    /// # Errors
    ///
    /// A template fails; maybe since the frame is no JSON.
    pub(super) fn deed(
        &self,
        rule: &Rule,
        frame: &Frame,
        content: Option<&Value>,
        connection: &Connection,
        now: SystemTime,
    ) -> Result<Deed, Failure> {
        let given = Given { now, ..self.here(connection, Cause::Frame(frame, content)) };
        rule.action.render(&self.templates, &given).map_err(|failure| match (failure, frame) {
            (Failure::Template(_), Frame::Text(_)) if content.is_none() && rule.action.reads.contains("content") => {
                Failure::InvalidJson
            }
            (failure, _) => failure,
        })
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
