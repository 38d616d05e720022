//! What a route's view decides: at connect, and for frames with `ask = true`.

use std::sync::Arc;

use super::{Declared, events::Failed, failure::Failure};
use crate::{
    consumer::{
        Connection, ConsumerError, Frame,
        ask::{About, Answer, Ask, AskedFrame},
        error,
    },
    reason::Reason,
};

/// A view that is asked about one socket.
pub(super) struct View {
    ask: Arc<Ask>,
    about: About,
}

impl View {
    /// The route's view, if it has one.
    ///
    /// # Errors
    ///
    /// Nothing can be asked about this socket.
    pub(super) fn of(connection: &mut Connection) -> Result<Option<Box<Self>>, Reason> {
        let Some(ask) = connection.context().ask.clone() else { return Ok(None) };
        let about = ask.about(connection).map_err(|_| Reason::AskFailed)?;
        Ok(Some(Box::new(Self { ask, about })))
    }

    /// Asks whether the socket may be opened, and keeps what is needed to open it.
    ///
    /// # Errors
    ///
    /// It may not, or the view did not answer.
    pub(super) async fn connect(&self, connection: &mut Connection) -> Result<Answer, ConsumerError> {
        if !self.ask.on_connect() {
            return Ok(Answer::default());
        }
        let mut answer = self.ask.connect(&self.about).await.map_err(|_| Reason::AskFailed)?;
        if let Some(close) = answer.close.take() {
            return Err(ConsumerError(error::Failure::Denied(Reason::AskRefused, close)));
        }
        if let Some(context) = answer.context.take() {
            connection.state.context = Some(Box::new(context));
        }
        if let Some(subprotocol) = answer.subprotocol.take() {
            connection.set_subprotocol(subprotocol);
        }
        Ok(answer)
    }

    /// Asks about a frame. `is_json`: it was read.
    ///
    /// # Errors
    ///
    /// The view did not answer, which is counted.
    pub(super) async fn receive(
        &self,
        frame: &Frame,
        is_json: bool,
        connection: &mut Connection,
    ) -> Result<Answer, Failed> {
        let asked = match frame {
            Frame::Text(text) if is_json => AskedFrame::Content(text),
            Frame::Text(text) => AskedFrame::Text(text),
            Frame::Binary(bytes) => AskedFrame::Bytes(bytes),
        };
        let context = connection.state.context.as_deref();
        let mut answer = self.ask.receive(&self.about, context, asked).await.map_err(|_| Failed)?;
        if let Some(context) = answer.context.take() {
            connection.state.context = Some(Box::new(context));
            self.remember(connection);
        }
        Ok(answer)
    }

    pub(super) fn is_told_of_the_end(&self) -> bool {
        self.ask.on_disconnect()
    }

    /// From here on the view is told of the socket's end.
    pub(super) fn remember(&self, connection: &Connection) {
        if self.is_told_of_the_end() {
            self.ask.remember(&self.about, connection.state.context.as_deref());
        }
    }

    /// Tells the view that the socket has ended.
    pub(super) fn disconnect(self, code: u16, connection: &Connection) {
        if self.is_told_of_the_end() {
            self.ask.disconnect(self.about, connection.state.context.as_deref(), code);
        }
    }
}

impl Declared {
    /// Does what a view answers, but for its context.
    ///
    /// # Errors
    ///
    /// The channel layer refuses an event, or does not answer: what comes after it is not done.
    pub(super) async fn follow(&self, answer: Answer, connection: &Connection) -> Result<(), Failure> {
        for group in &answer.group_add {
            connection.group_add(group).await?;
        }
        for group in &answer.group_discard {
            connection.group_discard(group).await?;
        }
        if let Some(text) = &answer.send {
            connection.send_text(text);
        }
        for sent in &answer.group_send {
            connection.group_send(&sent.group, &sent.event).await?;
        }
        if let Some(close) = answer.close {
            connection.close(close);
        }
        Ok(())
    }
}
