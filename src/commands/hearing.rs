//! Hearing commands, for as long as the process runs.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::{mpsc, watch},
    time::sleep,
};

use super::{
    Commands, DISCONNECT, DISCONNECTED,
    disconnect::disconnect_here,
    order::{Order, Who},
};
use crate::{
    causes::with_causes,
    channel_layer::{
        COMMAND_GROUP, Channel, ChannelLayer, ChannelLayerError, ChannelLayerOptions, Message, Sink, Value,
    },
    websocket::OpenSockets,
};

/// Before the layer is tried again.
const PAUSE: Duration = Duration::from_secs(1);
/// How many commands may wait to be carried out.
const WAITING: usize = 1024;

/// Hears commands on the layer that `wanted` describes, and on the next one when that changes. `open_layer` opens a
/// layer, or gives the one that is in use. Ends with
/// `wanted`'s sender.
pub(crate) async fn hear(
    commands: Arc<Commands>,
    mut wanted: watch::Receiver<Option<ChannelLayerOptions>>,
    open: Arc<OpenSockets>,
    open_layer: impl Fn(&ChannelLayerOptions) -> Option<Arc<dyn ChannelLayer>>,
) {
    loop {
        let options = wanted.borrow_and_update().clone();
        let layer = options.as_ref().and_then(&open_layer);
        tokio::select! {
            changed = wanted.wait_for(|now| *now != options) => if changed.is_err() { return },
            () = hear_on(&commands, &open, layer) => {}
        }
        commands.set(None);
    }
}

async fn hear_on(commands: &Commands, open: &OpenSockets, layer: Option<Arc<dyn ChannelLayer>>) {
    let Some(layer) = layer else { return std::future::pending().await };
    let (sink, mut heard) = Heard::new();
    let mut is_said = false;
    let _channel = loop {
        match join(layer.as_ref(), Arc::<Heard>::clone(&sink)).await {
            Ok(channel) => break channel,
            Err(error) if !is_said => {
                is_said = true;
                let error = with_causes(&error);
                tracing::warn!(error, "the channel layer does not answer: `sluicegate.disconnect` is not heard yet");
            }
            Err(_) => {}
        }
        sleep(PAUSE).await;
    };
    if is_said {
        tracing::info!("`sluicegate.disconnect` is heard");
    }
    commands.set(Some(Arc::clone(&layer)));
    while let Some(message) = heard.recv().await {
        let lost = sink.lost.swap(0, Ordering::Relaxed);
        if lost > 0 {
            tracing::error!(commands = lost, "commands came faster than they could be carried out, and are lost");
        }
        carry_out(layer.as_ref(), open, message.value()).await;
    }
}

async fn join(layer: &dyn ChannelLayer, sink: Arc<Heard>) -> Result<Channel, ChannelLayerError> {
    let channel = layer.new_channel(sink).await?;
    layer.group_add(COMMAND_GROUP, &channel.name()).await?;
    Ok(channel)
}

async fn carry_out(layer: &dyn ChannelLayer, open: &OpenSockets, message: &Value) {
    let kind = message.get("type").and_then(Value::as_str).unwrap_or_default();
    if kind != DISCONNECT {
        // Somebody may ask for what only later versions can do.
        tracing::warn!(r#type = kind, "a command on the group `sluicegate` is not known, and is not carried out");
        return;
    }
    let order = match Order::read(message) {
        Ok(order) => order,
        Err(sentence) => {
            tracing::warn!("`sluicegate.disconnect` is not carried out: {sentence}");
            return;
        }
    };
    let closed = disconnect_here(open, &order);
    let (id, name) = match &order.who {
        Who::Key(key) => (Some(key.as_str()), None),
        Who::Name(name) => (None, Some(name.as_str())),
    };
    tracing::info!(
        user.id = id,
        user.name = name,
        sockets = closed,
        close.code = order.close.code,
        "a user was disconnected"
    );
    let Some(channel) = order.reply_channel else { return };
    let closed = i64::try_from(closed).unwrap_or(i64::MAX);
    let answer = Value::map([
        ("type", Value::from(DISCONNECTED)),
        ("closed", Value::from(closed)),
        ("server", Value::from(server())),
    ]);
    if let Err(error) = layer.send(&channel, &answer).await {
        tracing::warn!(error = with_causes(&error), "who disconnected a user could not be told");
    }
}

/// This process among others: its machine and its process id.
fn server() -> String {
    let machine = rustix::system::uname();
    format!("{}:{}", machine.nodename().to_string_lossy(), std::process::id())
}

struct Heard {
    messages: mpsc::Sender<Arc<Message>>,
    lost: AtomicU64,
}

impl Heard {
    fn new() -> (Arc<Self>, mpsc::Receiver<Arc<Message>>) {
        let (messages, heard) = mpsc::channel(WAITING);
        (Arc::new(Self { messages, lost: AtomicU64::new(0) }), heard)
    }
}

impl Sink for Heard {
    fn deliver(&self, message: &Arc<Message>) {
        if self.messages.try_send(Arc::clone(message)).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}
