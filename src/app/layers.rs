//! The channel layers of the process: one that is in use, and those of earlier settings whose sockets are still open.

use std::{
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use futures_util::future::join_all;
use tokio::{
    runtime::Handle,
    sync::watch,
    time::{Instant, MissedTickBehavior, interval, sleep, timeout},
};

use crate::{
    admission::Gates,
    causes::with_causes,
    channel_layer::{
        self, Channel, ChannelLayer, ChannelLayerError, ChannelLayerOptions, Counters, GroupSizes, InvalidOptions,
        LayerBackend, Sink, Value,
    },
    commands::{self, Commands},
    consumer::ask::Farewells,
    metrics::{self, Metrics},
    settings::Settings,
    websocket::OpenSockets,
};

/// Between two attempts to get a message around while the layer starts.
const PAUSE: Duration = Duration::from_millis(20);
/// How long leaving all groups may take at the end.
const LONGEST_CLOSE: Duration = Duration::from_secs(5);
/// The same, where no time is given.
const LONGEST_ABANDON: Duration = Duration::from_secs(1);
/// How often what was lost is said.
const REPORT_INTERVAL: Duration = Duration::from_mins(1);

/// The layers that are open. A reload that changes nothing of the layer goes on with the same one.
#[derive(Default)]
pub(crate) struct Layers {
    open: Mutex<Vec<Opened>>,
    /// What layers counted that are closed.
    closed: Arc<Mutex<Counters>>,
    metrics: Arc<Metrics>,
    /// The ends of sockets that views are told of. What they answer goes to a layer.
    pub(super) farewells: Arc<Farewells>,
    /// Who waits for a turn goes on waiting when settings are read again.
    pub(super) gates: Arc<Gates>,
    /// What is asked of every sluicegate.
    pub(super) commands: Arc<Commands>,
    /// On which layer.
    commands_on: watch::Sender<Option<ChannelLayerOptions>>,
}

/// On which layer a process with these settings hears commands: where nobody else can send, it hears none.
pub(super) fn heard_by(settings: &Settings) -> Option<ChannelLayerOptions> {
    let options = settings.channel_layer.as_ref().filter(|options| options.backend != LayerBackend::InMemory);
    options.filter(|_| settings.commands).cloned()
}

struct Opened {
    options: ChannelLayerOptions,
    layer: Weak<ClosedWithItsUsers>,
    /// What was lost when it was last said.
    said: Counters,
}

/// Why there is no layer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LayerError {
    #[error(transparent)]
    Options(#[from] InvalidOptions),
    #[error(transparent)]
    Silent(#[from] ChannelLayerError),
}

impl Layers {
    /// None yet.
    pub(crate) fn new(metrics: Arc<Metrics>) -> Self {
        Self { metrics, ..Self::default() }
    }

    /// Has `metrics` ask for what the layers and gates of the process counted.
    pub(super) fn show_in(self: &Arc<Self>, metrics: &Metrics) {
        let layers = Arc::downgrade(self);
        metrics.sample(move |page| {
            if let Some(layers) = layers.upgrade() {
                metrics::channel_layer::write(page, &layers.counters());
                metrics::admission::write(page, &layers.gates);
            }
        });
    }

    /// What all layers counted since the start.
    fn counters(&self) -> Counters {
        let closed = *self.closed.lock().unwrap_or_else(PoisonError::into_inner);
        let open: Vec<_> = self.lock().iter().filter_map(|opened| opened.layer.upgrade()).collect();
        open.iter().fold(closed, |sum, layer| sum.plus(&layer.counters()))
    }

    /// The layer of `settings`, where a route uses it: the one that is open already, or a new one, after a message went
    /// around.
    ///
    /// # Errors
    ///
    /// [`LayerError`]: the options cannot be used, or nothing came back in time.
    pub(crate) async fn of(&self, settings: &Settings) -> Result<Option<Arc<dyn ChannelLayer>>, LayerError> {
        let Some(options) = &settings.channel_layer else { return Ok(None) };
        if !settings.routes.iter().any(|route| route.kind.uses_channel_layer()) {
            return Ok(None);
        }
        if let Some(layer) = self.known(options) {
            return Ok(Some(layer));
        }
        let layer = self.open(options)?;
        try_once(layer.as_ref(), options.timeout).await?;
        Ok(Some(self.add(options, layer)))
    }

    /// The layer of `options`: the one that is open already, or a new one that has not been tried.
    ///
    /// # Errors
    ///
    /// [`InvalidOptions`].
    pub(crate) fn untried(&self, options: &ChannelLayerOptions) -> Result<Arc<dyn ChannelLayer>, InvalidOptions> {
        match self.known(options) {
            Some(layer) => Ok(layer),
            None => Ok(self.add(options, self.open(options)?)),
        }
    }

    fn open(&self, options: &ChannelLayerOptions) -> Result<Arc<ClosedWithItsUsers>, InvalidOptions> {
        Ok(Arc::new(ClosedWithItsUsers {
            layer: channel_layer::open(options)?,
            is_closed: AtomicBool::new(false),
            closed: Arc::clone(&self.closed),
            metrics: Arc::clone(&self.metrics),
        }))
    }

    fn add(&self, options: &ChannelLayerOptions, layer: Arc<ClosedWithItsUsers>) -> Arc<dyn ChannelLayer> {
        let opened = Opened { options: options.clone(), layer: Arc::downgrade(&layer), said: Counters::default() };
        self.lock().push(opened);
        layer
    }

    fn known(&self, options: &ChannelLayerOptions) -> Option<Arc<dyn ChannelLayer>> {
        let open = self.lock();
        let layer =
            open.iter().filter(|opened| opened.options == *options).find_map(|opened| opened.layer.upgrade())?;
        Some(layer)
    }

    /// Hears commands on the layer of `options` from now on.
    pub(super) fn hear_commands_on(&self, options: Option<ChannelLayerOptions>) {
        self.commands_on.send_replace(options);
    }

    /// Hears commands about the sockets of `open`. Never ends.
    pub(super) async fn hear_commands(self: Arc<Self>, open: Arc<OpenSockets>) {
        let (commands, on) = (Arc::clone(&self.commands), self.commands_on.subscribe());
        commands::hear(commands, on, open, |options| {
            // Options that cannot be used are an error of the settings, which was said.
            self.untried(options).inspect_err(|error| tracing::warn!(%error, "commands are not heard")).ok()
        })
        .await;
    }

    /// Tells views of the last sockets, and leaves all groups, so that nobody sends to this process any more.
    pub(crate) async fn close(&self) {
        self.farewells.finish().await;
        self.say_losses();
        self.leave_groups(LONGEST_CLOSE).await;
    }

    /// Leaves all groups, and tells no view: where there is a register, another sluicegate does it.
    pub(crate) async fn abandon(&self) {
        self.say_losses();
        self.leave_groups(LONGEST_ABANDON).await;
    }

    async fn leave_groups(&self, longest: Duration) {
        let open: Vec<_> = self.lock().iter().filter_map(|opened| opened.layer.upgrade()).collect();
        let all = join_all(open.iter().map(|layer| layer.close()));
        if timeout(longest, all).await.is_err() {
            tracing::warn!("the channel layer did not answer: its groups are left when the lease runs out");
        }
    }

    /// Says once a minute what was lost meanwhile, as [`close`](Self::close) does. Never ends.
    pub(crate) async fn report(&self) {
        let mut ticks = interval(REPORT_INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            self.say_losses();
        }
    }

    fn say_losses(&self) {
        for sentence in self.losses() {
            tracing::warn!("{sentence}");
        }
    }

    fn losses(&self) -> Vec<String> {
        let mut open = self.lock();
        open.retain(|opened| opened.layer.strong_count() > 0);
        let sentence = |opened: &mut Opened| {
            let now = opened.layer.upgrade()?.counters();
            losses(&std::mem::replace(&mut opened.said, now), &now, &opened.options)
        };
        open.iter_mut().filter_map(sentence).collect()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Opened>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A round trip. A layer that was just opened connects first.
///
/// # Errors
///
/// What the last attempt said when the time was over.
pub(crate) async fn try_once(layer: &dyn ChannelLayer, longest: Duration) -> Result<(), ChannelLayerError> {
    let until = Instant::now() + longest;
    loop {
        match layer.round_trip().await {
            Err(error) if Instant::now() >= until => return Err(error),
            Err(error) => tracing::debug!(error = with_causes(&error), "the channel layer is not there yet"),
            Ok(()) => return Ok(()),
        }
        sleep(PAUSE).await;
    }
}

/// What was lost between two looks; `None` if nothing is known of.
fn losses(before: &Counters, now: &Counters, options: &ChannelLayerOptions) -> Option<String> {
    let most = u64::try_from(options.capacity.saturating_mul(options.queues)).unwrap_or(u64::MAX);
    let is_full = options.backend == LayerBackend::Redis && most > 0 && now.queued >= most;
    let counted = [
        (now.over_capacity - before.over_capacity, "sent to queues that were full, and dropped"),
        (now.expired - before.expired, "received too late to be decrypted"),
        (now.undecodable - before.undecodable, "written with another serializer or key"),
        (now.outages - before.outages, "connections lost, and with them perhaps messages"),
    ];
    let mut parts: Vec<String> =
        counted.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")).collect();
    if is_full {
        parts.push(format!("{} wait here, which is `capacity`: what others send is dropped", now.queued));
    }
    (!parts.is_empty()).then(|| format!("channel layer, in the last minute: {}", parts.join("; ")))
}

/// A layer that leaves its groups when nobody uses it any more: neither settings nor an open socket.
struct ClosedWithItsUsers {
    layer: Arc<dyn ChannelLayer>,
    is_closed: AtomicBool,
    closed: Arc<Mutex<Counters>>,
    metrics: Arc<Metrics>,
}

impl ClosedWithItsUsers {
    async fn measure<T>(
        &self,
        operation: &str,
        question: impl Future<Output = Result<T, ChannelLayerError>>,
    ) -> Result<T, ChannelLayerError> {
        let since = Instant::now();
        let answer = question.await;
        let is_answered = !matches!(answer, Err(ChannelLayerError::Unavailable(_)));
        self.metrics.latencies.layer.observe(operation, since.elapsed(), is_answered);
        answer
    }
}

impl Drop for ClosedWithItsUsers {
    fn drop(&mut self) {
        let mut closed = self.closed.lock().unwrap_or_else(PoisonError::into_inner);
        // What waits in its queues is nobody's now.
        *closed = closed.plus(&Counters { queued: 0, ..self.layer.counters() });
        drop(closed);
        if self.is_closed.swap(true, Ordering::AcqRel) {
            return;
        }
        if let Ok(runtime) = Handle::try_current() {
            let layer = Arc::clone(&self.layer);
            runtime.spawn(async move { layer.close().await });
        }
    }
}

#[async_trait]
impl ChannelLayer for ClosedWithItsUsers {
    async fn send(&self, channel: &str, message: &Value) -> Result<(), ChannelLayerError> {
        self.measure("send", self.layer.send(channel, message)).await
    }

    async fn group_send(&self, group: &str, message: &Value) -> Result<(), ChannelLayerError> {
        self.measure("group_send", self.layer.group_send(group, message)).await
    }

    async fn new_channel(&self, sink: Arc<dyn Sink>) -> Result<Channel, ChannelLayerError> {
        self.measure("new_channel", self.layer.new_channel(sink)).await
    }

    async fn group_add(&self, group: &str, channel: &str) -> Result<(), ChannelLayerError> {
        self.measure("group_add", self.layer.group_add(group, channel)).await
    }

    async fn group_discard(&self, group: &str, channel: &str) -> Result<(), ChannelLayerError> {
        self.measure("group_discard", self.layer.group_discard(group, channel)).await
    }

    async fn round_trip(&self) -> Result<(), ChannelLayerError> {
        self.measure("round_trip", self.layer.round_trip()).await
    }

    fn groups(&self, most: usize) -> GroupSizes {
        self.layer.groups(most)
    }

    fn counters(&self) -> Counters {
        self.layer.counters()
    }

    async fn close(&self) {
        self.is_closed.store(true, Ordering::Release);
        self.layer.close().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_lost_is_said_and_nothing_else() {
        let options = ChannelLayerOptions::default();
        let none = Counters::default();
        let delivered = Counters { received: 5, delivered: 9, unknown: 1, queued: 3, ..none };
        assert_eq!(losses(&none, &delivered, &options), None);
        let lost = Counters { over_capacity: 7, outages: 1, queued: 100, ..none };
        let said = losses(&none, &lost, &options).unwrap();
        assert!(said.contains("7 sent to queues that were full") && said.contains("1 connections lost"), "{said}");
        assert!(said.contains("100 wait here"), "{said}");
        let emptied = Counters { queued: 0, ..lost };
        assert_eq!(losses(&lost, &emptied, &options), None);
    }
}
