//! The sockets whose ends views are to be told of, written where another sluicegate finds them when this one is killed.
//!
//! What is to be written is collected, and written by one task: a socket's handshake waits for nothing. A process holds a
//! lease, which it renews each third of it; what others leave behind is taken over, and told of with 1006.

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, SystemTime},
};

use futures_util::stream::{self, StreamExt as _};
use redis::cmd;
use tokio::{
    sync::{Notify, watch},
    time::{MissedTickBehavior, interval, sleep},
};
use uuid::Uuid;

use super::{
    Ask,
    question::About,
    scripts::{KEEP, TAKE_OVER},
};
use crate::{
    causes::with_causes,
    channel_layer::{ChannelLayerOptions, InvalidOptions, Keep},
    redis::RedisError,
};

/// The lease where that of the layer is off.
const LEASE: Duration = Duration::from_mins(2);
/// How long keys stay that no sluicegate takes over, in seconds.
const LIFE: u64 = 7 * 24 * 3600;
/// How long changes are collected before they are written.
const COLLECT: Duration = Duration::from_millis(20);
/// How many are written by one script, and how many are read at a time.
const BATCH: usize = 250;
/// How many views are told at a time of the sockets of one process that was killed.
const AT_A_TIME: usize = 8;
/// What a view is told of a socket whose process was killed.
const ABNORMAL_CLOSURE: u16 = 1006;

pub(crate) struct Register {
    keep: Keep,
    lease: Duration,
    state: Mutex<State>,
    changed: Notify,
    /// Held while changes are written.
    writing: tokio::sync::Mutex<()>,
    is_closed: watch::Sender<bool>,
    /// Those that take part in it, by their URLs: no other URL is posted to, whatever Redis says.
    views: Mutex<HashMap<String, Weak<Ask>>>,
    takes_part: AtomicBool,
}

struct State {
    process: String,
    /// Whether `process` is in no key.
    is_new: bool,
    /// By channel name.
    sockets: HashMap<Box<str>, Arc<str>>,
    /// The channel names whose sockets are to be written or removed.
    changed: HashSet<Box<str>>,
}

impl State {
    fn begin(&mut self) {
        self.process = Uuid::new_v4().simple().to_string();
        self.is_new = true;
        self.changed.extend(self.sockets.keys().cloned());
    }
}

impl Register {
    /// In the Redis of the layer that `options` describe, from now on; its lease is renewed once it
    /// [takes part](Self::take_part). `None` where it has none.
    ///
    /// # Errors
    ///
    /// [`InvalidOptions`] names the setting that cannot be used.
    pub(crate) fn start(options: &ChannelLayerOptions) -> Result<Option<Arc<Self>>, InvalidOptions> {
        let Some(keep) = Keep::new(options)? else { return Ok(None) };
        let mut state =
            State { process: String::new(), is_new: true, sockets: HashMap::new(), changed: HashSet::new() };
        state.begin();
        let register = Arc::new(Self {
            keep,
            lease: options.lease.unwrap_or(LEASE).max(Duration::from_secs(1)),
            state: Mutex::new(state),
            changed: Notify::new(),
            writing: tokio::sync::Mutex::default(),
            is_closed: watch::Sender::new(false),
            views: Mutex::default(),
            takes_part: AtomicBool::new(false),
        });
        tokio::spawn(write(Arc::downgrade(&register)));
        Ok(Some(register))
    }

    /// Takes over what others left behind, from now on: all views are there that are to be told.
    pub(crate) fn take_part(self: &Arc<Self>) {
        if !self.takes_part.swap(true, Ordering::Relaxed) {
            tokio::spawn(renew(Arc::downgrade(self)));
        }
    }

    /// A view that can be told of what others leave behind.
    pub(super) fn add_view(&self, url: &str, ask: &Arc<Ask>) {
        self.views.lock().unwrap_or_else(PoisonError::into_inner).insert(url.to_owned(), Arc::downgrade(ask));
    }

    fn view(&self, url: &str) -> Option<Arc<Ask>> {
        self.views.lock().unwrap_or_else(PoisonError::into_inner).get(url)?.upgrade()
    }

    /// The view at `url` is to be told of the end of this socket. `context` is JSON.
    pub(super) fn set(&self, url: &str, about: &About, context: Option<&str>) {
        if about.channel_name().is_empty() {
            return;
        }
        let written = serde_json::json!([url, &**about.written(), context]).to_string();
        {
            let mut state = self.state();
            state.changed.insert(about.channel_name().into());
            state.sockets.insert(about.channel_name().into(), written.into());
        }
        self.changed.notify_one();
    }

    /// A view was told, or never will be.
    pub(super) fn remove(&self, about: &About) {
        {
            let mut state = self.state();
            if state.sockets.remove(about.channel_name()).is_none() {
                return;
            }
            state.changed.insert(about.channel_name().into());
        }
        self.changed.notify_one();
    }

    /// Writes what is still to be written. What is in the register after that is taken over by others when the lease has
    /// run out.
    pub(super) async fn close(&self) {
        self.is_closed.send_replace(true);
        if let Err(error) = self.write_changes().await {
            tracing::warn!(error = with_causes(&error), "the register of asked sockets could not be left");
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn sockets_key(&self, process: &str) -> String {
        self.keep.key(&format!("asked:{process}"))
    }

    async fn write_changes(&self) -> Result<(), RedisError> {
        let _alone = self.writing.lock().await;
        loop {
            let (process, is_new, names, is_last) = {
                let mut state = self.state();
                let names: Vec<Box<str>> = state.changed.iter().take(BATCH).cloned().collect();
                for name in &names {
                    state.changed.remove(name);
                }
                if names.is_empty() && state.is_new {
                    return Ok(());
                }
                (state.process.clone(), state.is_new, names, state.changed.is_empty())
            };
            match self.write(&process, is_new, &names).await {
                Ok(Some(sockets)) => {
                    let mut state = self.state();
                    state.is_new = sockets == 0;
                    if is_last && state.changed.is_empty() {
                        return Ok(());
                    }
                }
                Ok(None) => {
                    tracing::warn!("the lease of this process had run out: its asked sockets are written anew");
                    self.state().begin();
                }
                Err(error) => {
                    self.state().changed.extend(names);
                    return Err(error);
                }
            }
        }
    }

    /// How many sockets `process` has now; `None`: its lease had run out.
    async fn write(&self, process: &str, is_new: bool, names: &[Box<str>]) -> Result<Option<u64>, RedisError> {
        let (mut written, mut removed) = (Vec::new(), Vec::new());
        {
            let state = self.state();
            for name in names {
                match state.sockets.get(name).and_then(|text| self.keep.seal(text, SystemTime::now())) {
                    Some(text) => written.push((name, text)),
                    None => removed.push(name),
                }
            }
        }
        let mut command = cmd("EVAL");
        command.arg(KEEP).arg(2).arg(self.keep.key("asked")).arg(self.sockets_key(process));
        command.arg(process).arg(self.lease.as_secs()).arg(LIFE).arg(u8::from(is_new)).arg(written.len());
        for (name, text) in written {
            command.arg(&**name).arg(text);
        }
        for name in removed {
            command.arg(&**name);
        }
        let sockets: i64 = self.keep.redis.send(&command, "EVAL").await?;
        Ok(u64::try_from(sockets).ok())
    }

    /// What another process left behind, under a new name.
    async fn take_over(&self) -> Result<Option<String>, RedisError> {
        let process = Uuid::new_v4().simple().to_string();
        let mut command = cmd("EVAL");
        command.arg(TAKE_OVER).arg(2).arg(self.keep.key("asked")).arg(self.sockets_key(&process));
        command.arg(&process).arg(self.lease.as_secs()).arg(self.sockets_key(""));
        let taken: u8 = self.keep.redis.send(&command, "EVAL").await?;
        Ok((taken == 1).then_some(process))
    }

    /// Tells of the sockets that `process` has taken over, while its lease holds.
    async fn tell_of(&self, process: &str) {
        let mut ticks = interval(self.lease / 3);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut telling = std::pin::pin!(self.tell_all(process));
        loop {
            tokio::select! {
                told = &mut telling => {
                    if let Err(error) = told {
                        tracing::warn!(error = with_causes(&error), "sockets of a process that ended are told of later");
                    }
                    return;
                }
                _ = ticks.tick() => {
                    if matches!(self.write(process, false, &[]).await, Ok(None)) {
                        return;
                    }
                }
            }
        }
    }

    async fn tell_all(&self, process: &str) -> Result<(), RedisError> {
        let key = self.sockets_key(process);
        let mut cursor = 0_u64;
        let mut seen = HashSet::new();
        loop {
            let mut scan = cmd("HSCAN");
            scan.arg(&key).arg(cursor).arg("COUNT").arg(BATCH);
            let (next, sockets): (u64, Vec<(String, Vec<u8>)>) = self.keep.redis.send(&scan, "HSCAN").await?;
            let new: Vec<_> = sockets.into_iter().filter(|(name, _)| seen.insert(name.clone())).collect();
            let mut told = stream::iter(new)
                .map(async |(name, kept): (String, Vec<u8>)| self.tell(&name, kept).await.then_some(name))
                .buffer_unordered(AT_A_TIME);
            while let Some(told) = told.next().await {
                let Some(name) = told else {
                    // Whoever finds the lease run out tries again.
                    tracing::warn!("a view does not answer: it is told later of the sockets of a process that ended");
                    return Ok(());
                };
                let _: () = self.keep.redis.send(cmd("HDEL").arg(&key).arg(&name), "HDEL").await?;
            }
            if next == 0 {
                // Of the process, without sockets now.
                self.write(process, false, &[]).await?;
                return Ok(());
            }
            cursor = next;
        }
    }

    /// Whether a view was told, or never will be.
    async fn tell(&self, name: &str, kept: Vec<u8>) -> bool {
        let text = self.keep.unseal(kept);
        let read = text.and_then(|text| serde_json::from_str::<(String, String, Option<String>)>(&text).ok());
        let Some((url, about, context)) = read else {
            tracing::error!("a socket of a process that ended cannot be read: its view is told nothing");
            return true;
        };
        let Some(ask) = self.view(&url) else {
            tracing::error!("a socket of a process that ended was of no route of ours: its view is told nothing");
            return true;
        };
        let about = About::of(name, &about);
        match ask.tell(&about, context.as_deref(), ABNORMAL_CLOSURE).await {
            Err(failed) if failed.may_pass() => return false,
            Err(failed) => ask.lose(Some(&failed)),
            Ok(()) => {}
        }
        true
    }
}

/// Writes what changes.
async fn write(register: Weak<Register>) {
    loop {
        let Some(strong) = register.upgrade() else { return };
        let mut is_closed = strong.is_closed.subscribe();
        tokio::select! {
            () = strong.changed.notified() => {}
            _ = is_closed.wait_for(|closed| *closed) => return,
            // So that the register ends with its last user.
            () = sleep(Duration::from_mins(1)) => continue,
        }
        sleep(COLLECT).await;
        if let Err(error) = strong.write_changes().await {
            tracing::debug!(error = with_causes(&error), "asked sockets are not in the register yet");
            sleep(Duration::from_secs(1)).await;
            strong.changed.notify_one();
        }
    }
}

/// Renews the lease, and takes over what others left behind.
async fn renew(register: Weak<Register>) {
    let Some(lease) = register.upgrade().map(|register| register.lease) else { return };
    let mut ticks = interval(lease / 3);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let Some(register) = register.upgrade() else { return };
        if *register.is_closed.borrow() {
            return;
        }
        let renewed = register.write_changes().await;
        let taken = match renewed {
            Ok(()) => register.take_over().await,
            Err(error) => Err(error),
        };
        match taken {
            Ok(Some(process)) => {
                tracing::info!("the views are told of the sockets of a process that ended");
                tokio::spawn(async move { register.tell_of(&process).await });
                // There may be more of them.
                ticks.reset_immediately();
            }
            Ok(None) => {}
            Err(error) => {
                tracing::warn!(error = with_causes(&error), "the register of asked sockets is not kept");
            }
        }
    }
}
