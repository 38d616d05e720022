//! Disconnecting a user: here, and on every sluicegate of the layer.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::time::sleep;

use super::{DISCONNECTED, order::Order};
use crate::{
    channel_layer::{COMMAND_GROUP, ChannelLayer, ChannelLayerError, Message, Sink, Value},
    reason::Reason,
    websocket::OpenSockets,
};

/// What came of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Disconnected {
    /// How many sockets.
    pub(crate) sockets: u64,
    /// On how many sluicegates, with and without sockets of the user.
    pub(crate) servers: u64,
}

/// Closes the sockets of this process that `order` means. How many.
pub(crate) fn disconnect_here(open: &OpenSockets, order: &Order) -> usize {
    let closed = open.roll.close_where(|entered| order.who.is(entered.connected).then(|| order.close.clone()));
    open.metrics.ended.closed(Reason::Disconnected, closed);
    closed
}

/// Has every sluicegate of `layer` carry out `order`, and counts what they answer within `time`.
///
/// # Errors
///
/// The layer did not take it. Some may have carried it out.
pub(crate) async fn disconnect_everywhere(
    layer: &dyn ChannelLayer,
    order: Order,
    time: Duration,
) -> Result<Disconnected, ChannelLayerError> {
    let answers = Arc::new(Answers::default());
    let channel = layer.new_channel(Arc::<Answers>::clone(&answers)).await?;
    let order = Order { reply_channel: Some(channel.name()), ..order };
    layer.group_send(COMMAND_GROUP, &order.message()).await?;
    sleep(time).await;
    drop(channel);
    Ok(answers.sum())
}

#[derive(Default)]
struct Answers(Mutex<Disconnected>);

impl Answers {
    fn sum(&self) -> Disconnected {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sink for Answers {
    fn deliver(&self, message: &Arc<Message>) {
        let closed = message.value().get("closed").and_then(Value::as_i64);
        if message.event_type() != Some(DISCONNECTED) {
            return;
        }
        let mut sum = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        sum.servers += 1;
        sum.sockets = sum.sockets.saturating_add(closed.and_then(|closed| u64::try_from(closed).ok()).unwrap_or(0));
    }
}
