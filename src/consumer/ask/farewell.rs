//! The ends of sockets, told in the background.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::Semaphore,
    time::{Instant, sleep, timeout},
};

use super::{
    Answer, Ask, AskFailed, is_power_of_ten,
    question::{About, Asked},
    register::Register,
};
use crate::{
    causes::with_causes,
    channel_layer::{ChannelLayerOptions, InvalidOptions},
    python::{Value, json},
};

/// How many may wait to be told.
const MOST: u32 = 65_536;
/// How long a view that does not answer is tried: Django may be starting again.
const PATIENCE: Duration = Duration::from_mins(1);
/// How long it is left alone after a first failure; doubled with each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(8);
/// How long the end of the process waits for them.
const AT_THE_END: Duration = Duration::from_secs(10);

/// The ends of sockets that views have yet to be told of: one for the process, whichever settings they were admitted by.
pub(crate) struct Farewells {
    waiting: Arc<Semaphore>,
    registers: Mutex<Vec<(ChannelLayerOptions, Arc<Register>)>>,
    lost: AtomicU64,
}

impl Default for Farewells {
    fn default() -> Self {
        Self { waiting: Arc::new(Semaphore::new(MOST as usize)), registers: Mutex::default(), lost: AtomicU64::new(0) }
    }
}

impl Farewells {
    /// The register in the Redis of the layer that `options` describe, which is kept until the process ends.
    ///
    /// # Errors
    ///
    /// [`InvalidOptions`] names the setting that cannot be used.
    pub(crate) fn register(&self, options: &ChannelLayerOptions) -> Result<Option<Arc<Register>>, InvalidOptions> {
        let mut registers = self.registers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, register)) = registers.iter().find(|(known, _)| known == options) {
            return Ok(Some(Arc::clone(register)));
        }
        let register = Register::start(options)?;
        registers.extend(register.clone().map(|register| (options.clone(), register)));
        Ok(register)
    }

    /// How many ends no view was told of.
    #[cfg(test)]
    pub(super) fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    /// Waits until all have been told, but not for long: with a register, another sluicegate tells the rest.
    pub(crate) async fn finish(&self) {
        if timeout(AT_THE_END, self.waiting.acquire_many(MOST)).await.is_err() {
            let left = MOST as usize - self.waiting.available_permits();
            tracing::warn!(left, "views were not told of the ends of all sockets");
        }
        let registers = std::mem::take(&mut *self.registers.lock().unwrap_or_else(PoisonError::into_inner));
        for (_, register) in registers {
            register.close().await;
        }
    }

    fn count_lost(&self, route: &str, failed: Option<&AskFailed>) {
        let lost = self.lost.fetch_add(1, Ordering::Relaxed) + 1;
        if is_power_of_ten(lost) {
            let error = failed.map_or_else(|| "too many wait to be told".to_owned(), |failed| with_causes(failed));
            tracing::error!(route, lost, error, "a view was not told of the end of a socket");
        }
    }
}

impl Ask {
    /// A socket is open, or its context has changed: from here on its end is told even if this process is killed, where the
    /// layer has a Redis. Waits for nothing.
    pub(crate) fn remember(&self, about: &About, context: Option<&Value>) {
        if let Some(register) = &self.asks.register {
            let context = context.and_then(|context| json::dumps(context).ok());
            register.set(self.options.url.as_str(), about, context.as_deref());
        }
    }

    /// A socket has ended that was [remembered](Self::remember): tells the view in the background, for up to a minute where
    /// it does not answer, and sends to groups what it answers.
    pub(crate) fn disconnect(self: &Arc<Self>, about: About, context: Option<&Value>, code: u16) {
        let context = context.and_then(|context| json::dumps(context).ok());
        let Ok(place) = Arc::clone(&self.asks.farewells.waiting).try_acquire_owned() else {
            self.lose(None);
            self.forget(&about);
            return;
        };
        let ask = Arc::clone(self);
        tokio::spawn(async move {
            if let Err(failed) = ask.tell(&about, context.as_deref(), code).await {
                ask.lose(Some(&failed));
            }
            ask.forget(&about);
            drop(place);
        });
    }

    /// The view will never be told.
    pub(super) fn lose(&self, failed: Option<&AskFailed>) {
        self.asks.farewells.count_lost(&self.route, failed);
    }

    fn forget(&self, about: &About) {
        if let Some(register) = &self.asks.register {
            register.remove(about);
        }
    }

    /// Tells the view, at least once.
    ///
    /// # Errors
    ///
    /// It answered otherwise, or not at all for a minute.
    pub(super) async fn tell(&self, about: &About, context: Option<&str>, code: u16) -> Result<(), AskFailed> {
        let body = Asked::Disconnect(code).body(about, context);
        let end = Instant::now() + PATIENCE;
        let mut pause = FIRST_PAUSE;
        loop {
            match self.farewell(body.clone()).await {
                Ok(answer) => {
                    self.carry_out(answer).await;
                    return Ok(());
                }
                Err(failed) if failed.may_pass() && Instant::now() + pause < end => {
                    sleep(pause).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
                Err(failed) => return Err(failed),
            }
        }
    }

    /// Few at a time, so that many that end together leave places for those that connect.
    async fn farewell(&self, body: String) -> Result<Answer, AskFailed> {
        // Never closed.
        let _turn = self.asks.turns.0.acquire().await;
        self.post(body, Asked::Disconnect(0), None).await
    }

    async fn carry_out(&self, answer: Answer) {
        let Some(layer) = &self.asks.layer else { return };
        for send in answer.group_send {
            if let Err(error) = layer.group_send(&send.group, &send.event).await {
                tracing::error!(route = self.route, error = with_causes(&error), "an asked view's event was not sent");
            }
        }
    }
}
