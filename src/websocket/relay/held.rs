//! `hold`: a client's socket that stays while the server behind it is away.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use async_trait::async_trait;
use tokio::time::{Instant, sleep, timeout_at};

use super::{Relay, State, payload, side::Side};
use crate::{
    upstream::{HoldOptions, OpenUpstream},
    websocket::{close::CloseFrame, random::random_bytes},
};

/// The pause before Django is dialled again, which doubles with each attempt.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// A connection that lasted so long was a good one: its loss begins a new time, and does not go on with the last one.
const STEADY: Duration = Duration::from_secs(5);

/// How the connection to Django was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lost {
    /// It was closed or reset without a close frame.
    Gone,
    /// It was closed with 1012.
    Restarts,
    /// A ping was not answered.
    Silent,
    /// What it said were no frames.
    Broken,
}

/// What dials Django once more for a socket that is held.
#[async_trait]
pub(in crate::websocket) trait Redial: Send + Sync {
    /// A new connection with the same client, user and subprotocol.
    async fn dial(&self) -> Result<OpenUpstream, RedialError>;
}

/// Why there is no new connection.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::websocket) enum RedialError {
    /// Nobody is there, or not ready: to be tried again.
    NotYet,
    /// It would be no different next time: the client is closed with this.
    Never(CloseFrame),
}

/// What came of dialling.
pub(super) enum Redialled {
    Open(OpenUpstream),
    GivenUp(CloseFrame),
}

impl std::fmt::Debug for Redialled {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Open(_) => "Open",
            Self::GivenUp(_) => "GivenUp",
        })
    }
}

/// What a socket on a route with `hold` keeps for the day that its server restarts.
pub(in crate::websocket) struct Hold {
    options: HoldOptions,
    redial: Arc<dyn Redial>,
    /// Since when the connection to Django stands.
    connected: Instant,
    /// When it was first lost, and how often since; forgotten once a connection has lasted.
    losses: Option<(Instant, u32)>,
    dialling: Option<Pin<Box<dyn Future<Output = Redialled> + Send>>>,
}

impl Hold {
    pub(in crate::websocket) fn new(options: HoldOptions, redial: Arc<dyn Redial>) -> Self {
        Self { options, redial, connected: Instant::now(), losses: None, dialling: None }
    }

    /// How many bytes of the client are to be read for the moment.
    pub(super) fn limit(&self, upstream: &Side) -> usize {
        match upstream.stream {
            Some(_) => usize::MAX,
            None => self.options.buffer.saturating_sub(upstream.output.len()),
        }
    }

    /// Starts to dial. `false`: the time is over.
    fn begin(&mut self) -> bool {
        let now = Instant::now();
        let (first, count) =
            self.losses.filter(|_| now - self.connected < STEADY.min(self.options.time)).unwrap_or((now, 0));
        self.losses = Some((first, count.saturating_add(1)));
        let deadline = first + self.options.time;
        if deadline <= now {
            return false;
        }
        self.dialling = Some(Box::pin(dial(Arc::clone(&self.redial), deadline, count)));
        true
    }

    pub(super) fn poll(&mut self, context: &mut Context<'_>) -> Option<Redialled> {
        let dialling = self.dialling.as_mut()?;
        let Poll::Ready(redialled) = dialling.as_mut().poll(context) else { return None };
        self.dialling = None;
        self.connected = Instant::now();
        Some(redialled)
    }
}

/// Dials until there is a connection, a refusal, or no time left.
async fn dial(redial: Arc<dyn Redial>, deadline: Instant, mut attempt: u32) -> Redialled {
    let dialled = timeout_at(deadline, async {
        loop {
            sleep(pause(attempt, random_bytes()[0])).await;
            match redial.dial().await {
                Ok(open) => return Redialled::Open(open),
                Err(RedialError::Never(close)) => return Redialled::GivenUp(close),
                Err(RedialError::NotYet) => attempt = attempt.saturating_add(1),
            }
        }
    });
    dialled.await.unwrap_or_else(|_| Redialled::GivenUp(CloseFrame::restart()))
}

/// Between half of it and all of it, so that the sockets of a server that is back do not all come at once.
fn pause(attempt: u32, random: u8) -> Duration {
    let longest = FIRST_PAUSE.saturating_mul(1 << attempt.min(8)).min(LONGEST_PAUSE);
    longest / 2 + longest * u32::from(random) / 510
}

impl Relay {
    /// The connection to Django is no more: the socket is held if it can be, or closed with 1012 as uvicorn does when
    /// it stops. Within a frame no close frame can be sent, and within a message no other can begin.
    pub(super) fn lose_upstream(&mut self, how: Lost) {
        self.upstream.stream = None;
        self.lease = None;
        let can_go_on = self.client.output.position().is_between_messages();
        if can_go_on && self.hold.as_mut().is_some_and(|hold| hold.begin()) {
            tracing::debug!(?how, "a socket is held while the upstream is away");
            if self.upstream.output.lose_receiver() {
                tracing::info!("a message of which the upstream had a part is lost with it");
            }
            self.upstream.forget_peer();
            if self.client.awaiting.is_none() {
                self.schedule_ping();
            }
            return;
        }
        tracing::debug!(?how, "a socket is closed because the upstream is away");
        self.client.close(&payload(&CloseFrame::restart()));
        self.state = State::Over;
    }

    pub(super) fn redialled(&mut self, redialled: Redialled) {
        match redialled {
            Redialled::Open(open) => {
                tracing::debug!("a held socket goes on");
                self.lease = Some(open.lease);
                self.upstream.stream = Some(open.stream);
                self.upstream.flush();
                let input = self.upstream.take_early(&open.early, &mut self.client);
                self.upstream_said(input);
            }
            Redialled::GivenUp(close) => {
                tracing::debug!(close.code, "a held socket is given up");
                self.client.close(&payload(&close));
                self.state = State::Over;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pause_doubles_up_to_two_seconds_and_is_never_the_same() {
        let longest: Vec<_> = (0..7).map(|attempt| pause(attempt, 255).as_millis()).collect();
        assert_eq!(longest, [100, 200, 400, 800, 1600, 2000, 2000]);
        assert_eq!(pause(0, 0).as_millis(), 50);
        assert_eq!(pause(u32::MAX, 255), LONGEST_PAUSE);
    }
}
