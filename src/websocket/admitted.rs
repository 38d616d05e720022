//! From an admitted handshake to the end of its socket, for consumers of ours.
//!
//! The consumer is asked before the handshake is answered, so that a client whose socket is open is in its groups. All of
//! it is one task: a client that leaves meanwhile does not cut the consumer off in the middle.

use std::{sync::Arc, time::SystemTime};

use http::Response;
use http_body_util::Either;
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::{
    close::CloseFrame,
    connection::{End, OpenSocket, cause, disconnect},
    deflate::Deflate,
    handshake::{AnswerBody, Client, Counted, TakenOver, refuse, switching_protocols},
    options::RefuseBy,
    outbox::Outbox,
    roll::{ConnectedSocket, TokenFacts},
    site::Consumers,
};
use crate::{
    causes::with_causes,
    channel_layer::Sink,
    consumer::{Connection, ConnectionState, Consumer, Failure, guarded},
    reason::Reason,
};

/// What a consumer is told where the client left before its handshake was answered. Never sent.
const ABNORMAL_CLOSURE: u16 = 1006;

/// Why a consumer's handshake is not accepted: by itself, or since something else does not work.
struct NotAccepted {
    reason: Reason,
    /// The close that the consumer asked for.
    close: Option<CloseFrame>,
}

impl From<Reason> for NotAccepted {
    fn from(reason: Reason) -> Self {
        Self { reason, close: None }
    }
}

/// A handshake that was let in.
pub(super) struct Admitted {
    pub(super) client: Client,
    pub(super) consumers: Consumers,
    /// As written in the settings.
    pub(super) route: Arc<str>,
    /// What is known of the access token.
    pub(super) token: Option<Box<TokenFacts>>,
    pub(super) state: ConnectionState,
    /// The one of ours that the client offers.
    pub(super) subprotocol: Option<Box<str>>,
    pub(super) path: String,
    pub(super) counted: Counted,
    /// Where compression was agreed on: in which words.
    pub(super) deflate: Option<(Arc<Deflate>, &'static str)>,
}

/// A socket whose consumer has accepted.
struct Accepted {
    socket: OpenSocket,
    consumer: Box<dyn Consumer>,
    connection: Connection,
    held: Arc<OwnedSemaphorePermit>,
    counted: Counted,
}

/// Answers the handshake as the consumer decides; the socket goes on in a task of its own.
pub(super) async fn open(admitted: Admitted) -> Response<AnswerBody> {
    let open = Arc::clone(&admitted.client.open);
    let at = (admitted.client.address, admitted.client.trace);
    let (answer, answered) = oneshot::channel();
    tokio::spawn(run(Box::new(admitted), answer));
    // It answers, or has panicked.
    answered.await.unwrap_or_else(|_| refuse(&open, Reason::ConsumerFailed.into(), at, "").map(Either::Left))
}

/// While the socket is open, this is little more than a pointer to it.
async fn run(admitted: Box<Admitted>, answer: oneshot::Sender<Response<AnswerBody>>) {
    if let Some(mut accepted) = Box::pin(admitted.accept(answer)).await {
        let Accepted { socket, consumer, connection, .. } = accepted.as_mut();
        let end = socket.serve(consumer.as_mut(), connection).await;
        Box::pin(accepted.end(end)).await;
    }
}

impl Accepted {
    /// Tells the consumer of the end, leaves its groups, and closes the connection.
    async fn end(self: Box<Self>, end: End) {
        let Self { mut socket, consumer, connection, held, counted } = *self;
        disconnect(consumer, end.code, connection).await;
        socket.finish(end.then).await;
        drop((socket, held, counted));
    }
}

impl Admitted {
    /// Answers the handshake; `None` where there is no socket.
    async fn accept(self, answer: oneshot::Sender<Response<AnswerBody>>) -> Option<Box<Accepted>> {
        let Self { mut client, consumers, route, token, state, subprotocol, path, deflate, mut counted } = self;
        let (deflate, extension) = deflate.unzip();
        let outbox = Arc::new(Outbox::new(Arc::clone(&consumers.context), deflate));
        let connected = ConnectedSocket {
            user: state.user.clone(),
            username: state.username.clone(),
            route,
            address: client.address,
            since: SystemTime::now(),
            token,
        };
        counted.enter(&client.open, connected, &outbox);
        let (consumer, mut connection) = match connect(consumers, state, &outbox).await {
            Ok(connected) => connected,
            Err(NotAccepted { reason, close }) => {
                let response = match close {
                    Some(close) if client.site.options.refuse == RefuseBy::Close => {
                        client.refused(&reason.into(), None, &path);
                        client.close(close, subprotocol.as_deref())
                    }
                    _ => client.refuse(reason, &path, subprotocol.as_deref()),
                };
                // Nobody reads it: the client is gone, too.
                let _ = answer.send(response);
                return None;
            }
        };
        let subprotocol = connection.take_subprotocol().or(subprotocol);
        let response = switching_protocols(&client.accept, subprotocol.as_deref(), extension).map(Either::Left);
        if !answer.is_closed() {
            client.accepted();
        }
        if answer.send(response).is_ok()
            && let Some(client) = client.take_over(outbox).await
        {
            let TakenOver { stream, early, outbox, registration, site, held } = client;
            tracing::debug!(path, user.id = ?connection.state.user, "socket open");
            let mut socket = OpenSocket::new(stream, outbox, registration, Arc::clone(&site.options));
            socket.begin(early);
            return Some(Box::new(Accepted { socket, consumer, connection, held, counted }));
        }
        disconnect(consumer, ABNORMAL_CLOSURE, connection).await;
        None
    }
}

/// Gives the connection its channel, and asks the consumer.
async fn connect(
    consumers: Consumers,
    state: ConnectionState,
    outbox: &Arc<Outbox>,
) -> Result<(Box<dyn Consumer>, Connection), NotAccepted> {
    let Consumers { application, context, .. } = consumers;
    let channel = match &context.layer {
        Some(layer) if application.has_channels() => {
            let sink: Arc<dyn Sink> = Arc::clone(outbox) as _;
            let channel = layer.new_channel(sink).await.map_err(|error| {
                tracing::error!(error = with_causes(&error), "a socket got no channel");
                Reason::UnavailableLayer
            })?;
            Some(channel)
        }
        _ => None,
    };
    let mut connection = Connection::new(state, Arc::clone(outbox) as _, context, channel);
    let mut consumer = application.consumer();
    match guarded(consumer.connect(&mut connection)).await.map_err(|error| error.0) {
        Ok(()) => match outbox.take_close() {
            None => Ok((consumer, connection)),
            close => Err(NotAccepted { reason: Reason::ConsumerRefused, close }),
        },
        Err(Failure::Close(close)) => Err(NotAccepted { reason: Reason::ConsumerRefused, close: Some(close.into()) }),
        Err(Failure::Denied(reason, close)) => Err(NotAccepted { reason, close: Some(close.into()) }),
        Err(Failure::Refused(reason)) => Err(reason.into()),
        Err(Failure::Failed(error)) => {
            let context = connection.context();
            context.count(cause(error.as_ref()), 1);
            tracing::error!(route = context.route, error = with_causes(error.as_ref()), "a consumer failed to connect");
            Err(Reason::ConsumerFailed.into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size_of_future<A, F>(_: impl FnOnce(A) -> F) -> usize {
        size_of::<F>()
    }

    /// An async function keeps room for its arguments twice: what is large is passed by reference, or in a box.
    #[test]
    fn an_open_socket_takes_little_memory_of_its_own() {
        let task = size_of_future(|(admitted, answer)| run(admitted, answer));
        let sizes = (task, size_of::<Accepted>(), size_of::<Outbox>());
        assert!(sizes.0 <= 448 && sizes.1 <= 576 && sizes.2 <= 160, "{sizes:?}");
    }
}
