//! Receiving: one connection for each host, on which this process waits for all of its channels.
//!
//! It listens on every host, also where the hash of its name does not lead: there come the messages that channels_redis
//! sends by the hash of the whole name. The wait has no time limit and is not cancelled, since a message that Redis has
//! popped for it would be gone; what comes along with that message is taken in batches.

use std::{
    sync::{Arc, atomic::Ordering},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use redis::{FromRedisValue, cmd};

use super::{
    Shared,
    companions::Companions,
    scripts::{BACKUP, DRAIN},
    seen::Seen,
};
use crate::{
    channel_layer::{message::Message, serializer::Undecodable, value::Value},
    redis::{Dedicated, RedisError},
};

/// Messages in one batch.
const BATCH: usize = 64;
/// Between two attempts to connect: the first pause, doubled up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// What a receiver remembers of messages.
#[derive(Default)]
struct Memory {
    seen: Seen,
    companions: Companions,
}

/// Receives from one host. Never ends.
pub(super) async fn run(shared: Arc<Shared>, index: usize) {
    let host = &shared.hosts[index];
    let mut memory = Memory::default();
    let mut pause = FIRST_PAUSE;
    loop {
        let error = match host.redis.dedicated().await {
            Ok(connection) => match shared.restore(index).await {
                Ok(()) => {
                    pause = FIRST_PAUSE;
                    host.is_up.store(true, Ordering::Release);
                    tracing::info!(redis.address = connection.address(), "receiving from the channel layer");
                    let error = tokio::select! {
                        // Ends with the connection.
                        Err(error) = receive(&shared, &connection, &mut memory) => error.to_string(),
                        () = host.is_dead.notified() => "a message that was sent on it did not come".to_owned(),
                    };
                    host.is_up.store(false, Ordering::Release);
                    shared.inbox.tally.outages.add(1);
                    error
                }
                Err(error) => error.to_string(),
            },
            Err(error) => error.to_string(),
        };
        tracing::warn!(error, retry_ms = pause.as_millis(), "not receiving from the channel layer");
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// Hands on all messages that come, until the connection ends.
async fn receive(shared: &Shared, connection: &Dedicated, memory: &mut Memory) -> Result<(), RedisError> {
    for queue in &shared.queues {
        // What was taken on the connection before, and may not have come.
        let backup: Flat = connection.send(cmd("EVAL").arg(BACKUP).arg(1).arg(inflight(queue)), "EVAL").await?;
        shared.receive(backup, memory);
        drain(shared, connection, queue, memory).await?;
    }
    let mut wait = cmd("BZPOPMIN");
    wait.arg(&shared.queues).arg(0);
    loop {
        let popped: Option<(String, Vec<u8>, f64)> = connection.send(&wait, "BZPOPMIN").await?;
        let Some((queue, member, score)) = popped else { continue };
        shared.receive(Flat(vec![(member, score)]), memory);
        drain(shared, connection, &queue, memory).await?;
    }
}

/// Takes what waits in a queue.
async fn drain(shared: &Shared, connection: &Dedicated, queue: &str, memory: &mut Memory) -> Result<(), RedisError> {
    let mut take = cmd("EVAL");
    take.arg(DRAIN).arg(2).arg(queue).arg(inflight(queue)).arg(BATCH).arg(shared.expiry);
    loop {
        let batch: Flat = connection.send(&take, "EVAL").await?;
        if batch.0.is_empty() {
            return Ok(());
        }
        shared.receive(batch, memory);
        // Others want to run, too.
        tokio::task::yield_now().await;
    }
}

/// `_backup_channel_name`.
fn inflight(queue: &str) -> String {
    format!("{queue}$inflight")
}

/// Members and scores, one after the other.
struct Flat(Vec<(Vec<u8>, f64)>);

impl FromRedisValue for Flat {
    fn from_redis_value(value: redis::Value) -> Result<Self, redis::ParsingError> {
        let flat = Vec::<Vec<u8>>::from_redis_value(value)?;
        let (pairs, _) = flat.as_chunks::<2>();
        let score = |text: &[u8]| std::str::from_utf8(text).ok().and_then(|text| text.parse().ok()).unwrap_or(0.0);
        Ok(Self(pairs.iter().map(|[member, text]| (member.clone(), score(text))).collect()))
    }
}

impl Shared {
    fn receive(&self, batch: Flat, memory: &mut Memory) {
        let tally = &self.inbox.tally;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        for (member, score) in batch.0 {
            if !memory.seen.is_new(&member, score) {
                tally.repeated.add(1);
                continue;
            }
            match self.serializer.deserialize(&member, now) {
                Ok(received) => {
                    let (channels, message) =
                        (received.channels, Arc::new(Message::new(received.message, member.len())));
                    let before = self.before(&channels, message.value(), score, &mut memory.companions);
                    self.inbox.deliver(&channels, &before, &message);
                }
                Err(Undecodable::Expired) => tally.expired.add(1),
                Err(Undecodable::Unreadable) => tally.add_undecodable(),
            }
        }
    }

    /// The receivers of the same message that came by other queues.
    fn before(&self, channels: &[String], message: &Value, score: f64, companions: &mut Companions) -> Vec<String> {
        if self.queues.len() < 2 {
            return Vec::new();
        }
        self.serializer
            .body(message)
            .map_or_else(|_| Vec::new(), |body| companions.before(body.bytes(), score, channels))
    }
}
