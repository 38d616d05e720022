//! An open socket: one small task from the end of the handshake to the end of the connection.
//!
//! While it is idle it holds no buffer, no channel and no timer: it waits for the stream to become readable and for
//! its [`Outbox`], reads into a buffer of its worker thread, and keeps bytes of its own only while a frame is
//! incomplete. It waits for, in this order: what other tasks tell it (frames, a close, its time), room to write, bytes
//! to read. It does not read while what it has to send does not leave, as uvicorn does not.

use std::{
    collections::VecDeque,
    error::Error,
    future::poll_fn,
    io::{self, IoSlice},
    sync::Arc,
    task::{Poll, ready},
};

use bytes::{Buf, Bytes};

use super::{
    close::CloseFrame,
    codec::{self, Decoder, Event, Violation},
    options::WebSocketOptions,
    outbox::{Outbox, TIMER},
    random::random_bytes,
    registry::Registration,
    scratch,
};
use crate::{
    causes::with_causes,
    channel_layer::Message,
    consumer::{Cause, Connection, Consumer, ConsumerError, Failure, Frame, Panicked, guarded},
    upstream::Stream,
};

/// Frames that leave in one write.
const MAX_SLICES: usize = 64;

/// One open socket.
pub(super) struct OpenSocket {
    stream: Stream,
    outbox: Arc<Outbox>,
    registration: Registration,
    options: Arc<WebSocketOptions>,
    decoder: Decoder,
    /// What the client said and the consumer has not seen.
    inbox: VecDeque<Event>,
    /// What the client did wrong behind what is in `inbox`, which still counts.
    violation: Option<Box<Violation>>,
    /// What was taken from the outbox and has not left.
    unsent: VecDeque<Bytes>,
    /// The payload of the ping that was not answered yet.
    awaiting: Option<[u8; 4]>,
    /// Since the socket's time last came, bytes have left or begun to wait.
    progress: bool,
    /// The code of a close frame in `unsent`, or sent.
    closing: Option<u16>,
}

/// What a consumer's error counts as.
pub(super) fn cause(error: &(dyn Error + 'static)) -> Cause {
    if error.is::<Panicked>() { Cause::ConsumerPanicked } else { Cause::ConsumerFailed }
}

/// Tells the consumer that the conversation is over; then its groups are left.
pub(super) async fn disconnect(mut consumer: Box<dyn Consumer>, code: u16, mut connection: Connection) {
    let told = async {
        consumer.disconnect(code, &mut connection).await;
        Ok(())
    };
    if let Err(error) = guarded(told).await {
        connection.context().count(Cause::ConsumerPanicked, 1);
        tracing::error!(route = connection.context().route, ?error, "a consumer failed at the end");
    }
}

/// What woke the task.
enum Wake {
    Told(u8),
    Writable,
    Readable,
}

/// What came of reading.
enum Input {
    Events,
    Violation(Violation),
    /// The peer is gone.
    Gone,
}

/// How the conversation ended.
pub(super) struct End {
    /// What the consumer is told: the peer's code, ours, or 1005.
    pub(super) code: u16,
    pub(super) then: Then,
}

/// What is left to do with the stream.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Then {
    /// Our close frame waits for the peer's.
    AwaitClose,
    /// Say no more, and read until the peer is gone, so that our last frame is not lost to a reset.
    Linger,
    /// Nothing.
    Drop,
}

impl End {
    const fn gone() -> Self {
        Self { code: CloseFrame::NO_STATUS, then: Then::Drop }
    }

    /// After our close frame. uvicorn does not wait for an answer to 1012.
    const fn closed_by_us(code: u16) -> Self {
        Self { code, then: if code == CloseFrame::SERVICE_RESTART { Then::Linger } else { Then::AwaitClose } }
    }
}

impl OpenSocket {
    pub(super) fn new(
        stream: Stream,
        outbox: Arc<Outbox>,
        registration: Registration,
        options: Arc<WebSocketOptions>,
    ) -> Self {
        let mut decoder = Decoder::new(options.max_message_size);
        if outbox.deflate().is_some() {
            decoder = decoder.with_compressed();
        }
        outbox.wake_up();
        Self {
            stream,
            outbox,
            registration,
            options,
            decoder,
            inbox: VecDeque::new(),
            violation: None,
            unsent: VecDeque::new(),
            awaiting: None,
            progress: false,
            closing: None,
        }
    }

    /// Takes what the client sent behind its handshake, and begins to ask whether it lives.
    pub(super) fn begin(&mut self, early: Bytes) {
        if !self.options.ping_interval.is_zero() {
            self.registration.schedule(self.options.ping_interval);
        }
        if let Input::Violation(violation) = self.take_early(early) {
            self.violation = Some(Box::new(violation));
        }
    }

    /// Closes a refused handshake that was accepted so that a browser sees the reason.
    pub(super) async fn refuse(mut self, frame: CloseFrame) {
        self.outbox.close_with(frame);
        if self.flush().is_ok() {
            self.finish(Then::AwaitClose).await;
        }
    }

    fn take_early(&mut self, early: Bytes) -> Input {
        if early.is_empty() {
            return Input::Events;
        }
        let mut bytes = Vec::from(early);
        self.decode(&mut bytes)
    }

    /// Runs the socket to the end of the conversation.
    pub(super) async fn serve(&mut self, consumer: &mut dyn Consumer, connection: &mut Connection) -> End {
        loop {
            let is_due = !self.unsent.is_empty() || self.outbox.is_flush_due(self.inbox.is_empty());
            if is_due && self.flush().is_err() {
                return End::gone();
            }
            if let Some(code) = self.closing {
                return End::closed_by_us(code);
            }
            if self.unsent.is_empty() {
                if let Some(event) = self.inbox.pop_front() {
                    tokio::task::coop::consume_budget().await;
                    if let Some(end) = self.handle(event, consumer, connection).await {
                        return end;
                    }
                    continue;
                }
                self.inbox = VecDeque::new();
                if let Some(event) = self.outbox.next_event() {
                    tokio::task::coop::consume_budget().await;
                    self.tell(event, consumer, connection).await;
                    continue;
                }
                if let Some(violation) = self.violation.take() {
                    return self.fail(violation.code, &violation.reason);
                }
            }
            let end = match self.wake(self.unsent.is_empty()).await {
                Err(_) => Some(End::gone()),
                Ok(Wake::Told(told)) if told & TIMER != 0 => self.keep_alive(),
                Ok(Wake::Told(_) | Wake::Writable) => None,
                Ok(Wake::Readable) => match self.read() {
                    Input::Events => None,
                    Input::Gone => Some(End::gone()),
                    Input::Violation(violation) => {
                        self.violation = Some(Box::new(violation));
                        None
                    }
                },
            };
            if let Some(end) = end {
                return end;
            }
        }
    }

    async fn handle(&mut self, event: Event, consumer: &mut dyn Consumer, connection: &mut Connection) -> Option<End> {
        let frame = match event {
            Event::Text(text) => Frame::Text(text),
            Event::Binary(bytes) => Frame::Binary(bytes),
            Event::Compressed { is_text, payload } => {
                // Boxed, since few sockets ever need the room.
                return Box::pin(self.handle_compressed(is_text, payload, consumer, connection)).await;
            }
            Event::Ping(payload) => {
                self.outbox.send(codec::pong(&payload));
                return None;
            }
            Event::Pong(payload) => {
                if self.awaiting.is_some_and(|awaited| payload == awaited) {
                    self.awaiting = None;
                    self.registration.schedule(self.options.ping_interval);
                }
                return None;
            }
            Event::Close(close) => return Some(self.echo(close.as_ref())),
        };
        self.receive(frame, consumer, connection).await;
        None
    }

    /// Inflates a message and hands it to the consumer, whose it is until the consumer is done with it.
    async fn handle_compressed(
        &mut self,
        is_text: bool,
        payload: Vec<u8>,
        consumer: &mut dyn Consumer,
        connection: &mut Connection,
    ) -> Option<End> {
        let deflate = Arc::clone(self.outbox.deflate()?);
        let (payload, memory) = match deflate.inflate(payload).await {
            Ok(inflated) => inflated,
            Err(violation) => return Some(self.fail(violation.code, &violation.reason)),
        };
        let frame = if is_text { String::from_utf8(payload).map(Frame::Text) } else { Ok(Frame::Binary(payload)) };
        let Ok(frame) = frame else {
            let violation = Violation::invalid_text();
            return Some(self.fail(violation.code, &violation.reason));
        };
        self.receive(frame, consumer, connection).await;
        drop(memory);
        None
    }

    /// Hands the consumer a frame, while the socket is not closing.
    async fn receive(&self, frame: Frame, consumer: &mut dyn Consumer, connection: &mut Connection) {
        if !self.outbox.is_closed()
            && let Err(error) = guarded(consumer.receive(frame, connection)).await
        {
            self.close_for(error, connection);
        }
    }

    /// Hands the consumer an event, while the socket is not closing.
    async fn tell(&self, event: Arc<Message>, consumer: &mut dyn Consumer, connection: &mut Connection) {
        if !self.outbox.is_closed()
            && let Err(error) = guarded(consumer.event(event, connection)).await
        {
            self.close_for(error, connection);
        }
    }

    fn close_for(&self, error: ConsumerError, connection: &Connection) {
        self.outbox.close_with(match error.0 {
            Failure::Close(close) | Failure::Denied(_, close) => close.into(),
            Failure::Refused(reason) => CloseFrame::refusal(reason),
            Failure::Failed(error) => {
                let context = connection.context();
                context.count(cause(error.as_ref()), 1);
                tracing::error!(route = context.route, error = with_causes(error.as_ref()), "a consumer failed");
                CloseFrame::new(CloseFrame::INTERNAL_ERROR, "")
            }
        });
    }

    /// Answers the peer's close with the same code and reason, or with none.
    fn echo(&mut self, close: Option<&CloseFrame>) -> End {
        let code = close.map_or(CloseFrame::NO_STATUS, |close| close.code);
        let is_written = self.flush().is_ok() && {
            if self.closing.is_none() {
                self.unsent.push_back(codec::close(close));
            }
            self.flush().is_ok()
        };
        End { code, then: if is_written { Then::Linger } else { Then::Drop } }
    }

    /// Ends the connection for a fault of the peer.
    fn fail(&mut self, code: u16, reason: &str) -> End {
        self.outbox.close_with(CloseFrame::new(code, reason));
        let is_written = self.flush().is_ok();
        End { code, then: if is_written { Then::Linger } else { Then::Drop } }
    }

    /// The socket's time has come: a ping is due, or its answer overdue.
    fn keep_alive(&mut self) -> Option<End> {
        let is_stalled = !self.unsent.is_empty();
        if is_stalled && std::mem::take(&mut self.progress) {
            // The pong may wait behind what we do not read while our own frames leave slowly.
            self.registration.schedule(self.options.ping_timeout);
            return None;
        }
        if is_stalled || self.awaiting.is_some() {
            return Some(self.fail(CloseFrame::INTERNAL_ERROR, "keepalive ping timeout"));
        }
        let payload = random_bytes();
        self.awaiting = Some(payload);
        self.outbox.send(codec::ping(&payload));
        self.registration.schedule(self.options.ping_timeout);
        None
    }

    /// Writes what waits, as far as the stream takes it.
    fn flush(&mut self) -> io::Result<()> {
        let mut is_taken = false;
        loop {
            if self.unsent.is_empty() {
                if is_taken {
                    // What came meanwhile has signalled itself.
                    return Ok(());
                }
                is_taken = true;
                let (frames, close) = self.outbox.take();
                self.unsent = frames;
                if let Some(close) = close {
                    self.closing = Some(close.code);
                    self.unsent.push_back(codec::close(Some(&close)));
                }
                if self.unsent.is_empty() {
                    return Ok(());
                }
                self.progress = true;
            }
            match self.write_once() {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => self.sent(written),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.outbox.set_stalled(true);
                    return Ok(());
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn write_once(&self) -> io::Result<usize> {
        if let (1, Some(frame)) = (self.unsent.len(), self.unsent.front()) {
            // The usual case, and the system has less to do for it.
            return self.stream.try_write(frame);
        }
        let mut slices = [IoSlice::new(&[]); MAX_SLICES];
        let count = self.unsent.len().min(MAX_SLICES);
        for (slice, frame) in slices.iter_mut().zip(&self.unsent) {
            *slice = IoSlice::new(frame);
        }
        self.stream.try_write_vectored(&slices[..count])
    }

    fn sent(&mut self, mut written: usize) {
        self.progress = true;
        while let Some(frame) = self.unsent.front_mut() {
            if frame.len() > written {
                frame.advance(written);
                return;
            }
            written -= frame.len();
            self.unsent.pop_front();
        }
        self.outbox.set_stalled(false);
        self.unsent = VecDeque::new();
    }

    /// Waits until there is something to do.
    async fn wake(&self, may_read: bool) -> io::Result<Wake> {
        poll_fn(|context| {
            let told = self.outbox.poll_signals(context.waker());
            if told != 0 {
                return Poll::Ready(Ok(Wake::Told(told)));
            }
            if !self.unsent.is_empty() && self.stream.poll_write_ready(context)?.is_ready() {
                self.outbox.wake_up();
                return Poll::Ready(Ok(Wake::Writable));
            }
            if may_read {
                ready!(self.stream.poll_read_ready(context))?;
                self.outbox.wake_up();
                return Poll::Ready(Ok(Wake::Readable));
            }
            Poll::Pending
        })
        .await
    }

    /// Reads once and decodes what came.
    fn read(&mut self) -> Input {
        scratch::with_buffer(|buffer| match self.stream.try_read(buffer) {
            Ok(0) => Input::Gone,
            Ok(length) => self.decode(&mut buffer[..length]),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Input::Events,
            Err(_) => Input::Gone,
        })
    }

    fn decode(&mut self, bytes: &mut [u8]) -> Input {
        let mut events = Vec::new();
        let decoded = self.decoder.decode(bytes, &mut events);
        if self.inbox.is_empty() {
            self.inbox = events.into();
        } else {
            self.inbox.extend(events);
        }
        match decoded {
            Ok(()) => Input::Events,
            Err(violation) => Input::Violation(violation),
        }
    }

    /// The closing handshake, within `close_timeout`.
    pub(super) async fn finish(&mut self, then: Then) {
        if then == Then::Drop {
            return;
        }
        self.registration.schedule(self.options.close_timeout);
        self.outbox.forget_time();
        self.inbox = VecDeque::new();
        let mut is_answered = then == Then::Linger;
        let mut is_shut = false;
        loop {
            if self.flush().is_err() {
                return;
            }
            if is_answered && !is_shut && self.unsent.is_empty() {
                is_shut = true;
                if self.stream.shutdown_write().is_err() {
                    return;
                }
            }
            match self.wake(true).await {
                Err(_) => return,
                Ok(Wake::Told(told)) if told & TIMER != 0 => return,
                Ok(Wake::Told(_) | Wake::Writable) => {}
                Ok(Wake::Readable) if is_answered => {
                    if self.discard().is_err() {
                        return;
                    }
                }
                Ok(Wake::Readable) => match self.read() {
                    Input::Gone => return,
                    Input::Violation(_) => is_answered = true,
                    Input::Events => {
                        is_answered = self.inbox.iter().any(|event| matches!(event, Event::Close(_)));
                        self.inbox = VecDeque::new();
                    }
                },
            }
        }
    }

    fn discard(&self) -> io::Result<()> {
        scratch::with_buffer(|buffer| match self.stream.try_read(buffer) {
            Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(_) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
            Err(error) => Err(error),
        })
    }
}
