//! A proxied socket: the client's frames to Django's consumer and the consumer's to the client, as they come.
//!
//! One small task for two streams. While nothing is said it holds no buffer. Data frames are passed on byte by byte as
//! they are read, never collected and never unmasked; where one side takes nothing, the other is not read, so that no
//! more than one read waits. Pings are answered here and sent from here, to each side, so that either one is found when
//! it is gone without a word. Close frames are passed on as they are, and so is the answer.
//!
//! It waits for, in this order: what other tasks tell it (a close, its time), a new connection to Django where the old
//! one was lost, room to write, bytes to read.

mod header;
mod held;
mod output;
mod side;
mod tracker;

use std::{future::poll_fn, sync::Arc, task::Poll};

use self::{
    held::{Lost, Redialled},
    side::{Alive, Input, Readiness, Side},
    tracker::{Control, Sender},
};
use super::{
    close::CloseFrame,
    options::WebSocketOptions,
    outbox::{Outbox, TIMER},
    random::random_bytes,
    registry::Registration,
};
use crate::upstream::{Lease, Stream};

pub(super) use held::{Hold, Redial, RedialError};

/// One proxied socket.
pub(super) struct Relay {
    client: Side,
    upstream: Side,
    /// The server is as busy as it has connections.
    lease: Option<Lease>,
    outbox: Arc<Outbox>,
    registration: Registration,
    options: Arc<WebSocketOptions>,
    hold: Option<Box<Hold>>,
    state: State,
}

/// How far the conversation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Open,
    /// One side has been sent a close frame, and has a time to answer it.
    Closing,
    /// Nothing is passed on any more.
    Over,
}

/// What woke the task.
#[derive(Debug, Default)]
struct Wake {
    told: u8,
    redialled: Option<Redialled>,
    client: Readiness,
    upstream: Readiness,
}

impl Relay {
    pub(super) fn new(
        client: Stream,
        upstream: Stream,
        lease: Lease,
        hold: Option<Box<Hold>>,
        outbox: Arc<Outbox>,
        registration: Registration,
        options: Arc<WebSocketOptions>,
    ) -> Box<Self> {
        outbox.wake_up();
        Box::new(Self {
            client: Side::new(Sender::Client, client),
            upstream: Side::new(Sender::Server, upstream),
            lease: Some(lease),
            outbox,
            registration,
            options,
            hold,
            state: State::Open,
        })
    }

    /// Passes on what the client sent behind its handshake, and Django behind its answer.
    pub(super) fn begin(&mut self, from_client: &[u8], from_upstream: &[u8]) {
        let input = self.client.take_early(from_client, &mut self.upstream);
        self.client_said(input);
        let input = self.upstream.take_early(from_upstream, &mut self.client);
        self.upstream_said(input);
    }

    /// Runs the socket to its end.
    pub(super) async fn run(mut self: Box<Self>) {
        if self.state == State::Open {
            self.schedule_ping();
        }
        self.serve().await;
        self.finish().await;
    }

    async fn serve(&mut self) {
        while self.state != State::Over {
            let wake = self.wake().await;
            if wake.told != 0 {
                self.told(wake.told);
            }
            if let Some(redialled) = wake.redialled {
                self.redialled(redialled);
            }
            if wake.client.writable {
                self.client.flush();
            }
            if wake.upstream.writable {
                self.upstream.flush();
            }
            // Django's side first: what the client says now is not to be lost in a connection that is known to be gone.
            if wake.upstream.readable && self.state != State::Over {
                let input = self.upstream.read_to(&mut self.client, usize::MAX);
                self.upstream_said(input);
            }
            if wake.client.readable && self.state != State::Over {
                let limit = self.hold.as_ref().map_or(usize::MAX, |hold| hold.limit(&self.upstream));
                let input = self.client.read_to(&mut self.upstream, limit);
                self.client_said(input);
            }
            if self.client.output.is_closed() && (self.upstream.output.is_closed() || self.upstream.stream.is_none()) {
                self.state = State::Over;
            }
        }
    }

    /// Waits until there is something to do.
    async fn wake(&mut self) -> Wake {
        poll_fn(|context| {
            let mut wake = Wake { told: self.outbox.poll_signals(context.waker()), ..Wake::default() };
            wake.redialled = self.hold.as_mut().and_then(|hold| hold.poll(context));
            let (from_client, from_upstream) = self.room();
            wake.client = self.client.poll(context, from_client);
            wake.upstream = self.upstream.poll(context, from_upstream);
            if wake.told == 0 && wake.redialled.is_none() && !wake.client.is_any() && !wake.upstream.is_any() {
                return Poll::Pending;
            }
            self.outbox.wake_up();
            Poll::Ready(wake)
        })
        .await
    }

    /// Whether what the client says can go on, and what Django says.
    fn room(&self) -> (bool, bool) {
        let to_upstream = match (&self.hold, &self.upstream.stream) {
            (Some(hold), None) => hold.limit(&self.upstream) > 0,
            _ => self.upstream.output.takes_more(),
        };
        (to_upstream, self.client.output.takes_more())
    }

    fn told(&mut self, told: u8) {
        if told & TIMER != 0 {
            match self.state {
                State::Open => self.keep_alive(),
                // Who was sent a close frame did not answer it.
                State::Closing | State::Over => {
                    self.client.stream = None;
                    self.upstream.stream = None;
                    self.state = State::Over;
                }
            }
        }
        // A relay is sent no frames: only the end of the process is told.
        if let (_, Some(close)) = self.outbox.take() {
            self.close_both(&payload(&close));
        }
    }

    fn client_said(&mut self, input: Input) {
        let (controls, violation) = match input {
            Input::Said(controls) => (controls, None),
            Input::Violation(controls, violation) => (controls, Some(violation)),
            Input::Gone => {
                // Django is told nothing, as if the client had vanished before it.
                self.client.stream = None;
                self.state = State::Over;
                return;
            }
        };
        for control in controls {
            match control {
                Control::Ping(payload) => self.client.pong(&payload),
                Control::Pong(payload) => self.pong(Sender::Client, &payload),
                Control::Close { frame, payload } => {
                    self.client.is_done = true;
                    self.begin_closing();
                    if self.upstream.stream.is_some() {
                        self.upstream.pass_close(&frame);
                    } else {
                        // Held: nobody else can answer.
                        self.client.close(&payload);
                    }
                }
            }
        }
        if let Some(violation) = violation {
            self.client.is_done = true;
            self.close_both(&payload(&CloseFrame::new(CloseFrame::PROTOCOL_ERROR, violation)));
        }
    }

    fn upstream_said(&mut self, input: Input) {
        let (controls, violation) = match input {
            Input::Said(controls) => (controls, None),
            Input::Violation(controls, violation) => (controls, Some(violation)),
            Input::Gone => {
                if self.state == State::Open {
                    self.lose_upstream(Lost::Gone);
                } else {
                    // After its close frame, or instead of an answer to the client's: as without us.
                    self.upstream.stream = None;
                    self.state = State::Over;
                }
                return;
            }
        };
        for control in controls {
            match control {
                Control::Ping(payload) => self.upstream.pong(&payload),
                Control::Pong(payload) => self.pong(Sender::Server, &payload),
                Control::Close { payload, .. }
                    if self.hold.is_some()
                        && self.state == State::Open
                        && payload.starts_with(&CloseFrame::SERVICE_RESTART.to_be_bytes()) =>
                {
                    self.upstream.answer_close(&payload);
                    self.lose_upstream(Lost::Restarts);
                    return;
                }
                Control::Close { frame, .. } => {
                    self.upstream.is_done = true;
                    self.begin_closing();
                    self.client.pass_close(&frame);
                }
            }
        }
        if let Some(violation) = violation {
            tracing::warn!(violation, "the upstream broke the WebSocket protocol");
            self.upstream.is_done = true;
            if self.state == State::Open {
                self.lose_upstream(Lost::Broken);
            }
        }
    }

    fn pong(&mut self, from: Sender, payload: &[u8]) {
        let side = if from == Sender::Client { &mut self.client } else { &mut self.upstream };
        if side.awaiting.is_some_and(|awaited| payload == awaited) {
            side.awaiting = None;
            if self.client.awaiting.is_none() && self.upstream.awaiting.is_none() && self.state == State::Open {
                self.schedule_ping();
            }
        }
    }

    fn schedule_ping(&self) {
        if !self.options.ping_interval.is_zero() {
            self.registration.schedule(self.options.ping_interval);
        }
    }

    /// The socket's time has come: pings are due, or their answers overdue.
    fn keep_alive(&mut self) {
        let (from_client, from_upstream) = self.room();
        let (client, upstream) = (self.client.is_alive(from_client), self.upstream.is_alive(from_upstream));
        if client == Alive::No {
            // As uvicorn's own: the consumer is told that the client is gone, and no code.
            self.client.close(&payload(&CloseFrame::new(CloseFrame::INTERNAL_ERROR, "keepalive ping timeout")));
            self.state = State::Over;
            return;
        }
        if upstream == Alive::No {
            self.lose_upstream(Lost::Silent);
            return;
        }
        if self.client.awaiting.is_none() && self.upstream.awaiting.is_none() {
            self.client.ping(random_bytes());
            if self.upstream.stream.is_some() {
                self.upstream.ping(random_bytes());
            }
        }
        self.registration.schedule(self.options.ping_timeout);
    }

    /// Sends a close frame to each side, as soon as its frames allow it.
    fn close_both(&mut self, payload: &[u8]) {
        self.begin_closing();
        self.client.close(payload);
        self.upstream.close(payload);
    }

    /// From here on there is a time limit.
    fn begin_closing(&mut self) {
        if self.state == State::Open {
            self.state = State::Closing;
            self.outbox.forget_time();
            self.registration.schedule(self.options.close_timeout);
        }
    }

    /// Lets both sides take what waits for them, says no more to them, and reads until they are gone, so that the last
    /// frames are not lost to a reset. Within `close_timeout`.
    async fn finish(&mut self) {
        self.hold = None;
        self.outbox.forget_time();
        self.registration.schedule(self.options.close_timeout);
        let (mut client_shut, mut upstream_shut) = (false, false);
        loop {
            self.client.leave(&mut client_shut);
            self.upstream.leave(&mut upstream_shut);
            if self.upstream.stream.is_none() {
                self.lease = None;
            }
            if self.client.stream.is_none() && self.upstream.stream.is_none() {
                return;
            }
            let told = poll_fn(|context| {
                let told = self.outbox.poll_signals(context.waker());
                let client = self.client.poll_leaving(context);
                let upstream = self.upstream.poll_leaving(context);
                if told == 0 && !client && !upstream {
                    return Poll::Pending;
                }
                self.outbox.wake_up();
                Poll::Ready(told)
            })
            .await;
            if told & TIMER != 0 {
                return;
            }
        }
    }
}

/// A close frame's payload.
fn payload(close: &CloseFrame) -> Vec<u8> {
    [&close.code.to_be_bytes(), close.reason.as_bytes()].concat()
}
