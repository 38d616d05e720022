//! Counted in Redis, for all processes together.

use std::time::{Duration, SystemTime};

use async_trait::async_trait;

use super::{Decision, ThrottleError, ThrottleStore, micros};
use crate::{cache::KeyPattern, redis::Redis};

/// One step of `allow_request` over a list of times, the newest first, as DRF's history is. Answers whether the request
/// was counted, how many others there are, and the oldest.
const ALLOW: &str = "\
local oldest = redis.call('LINDEX', KEYS[1], -1)
while oldest and tonumber(oldest) <= ARGV[1] - ARGV[2] do
  redis.call('RPOP', KEYS[1])
  oldest = redis.call('LINDEX', KEYS[1], -1)
end
local held = redis.call('LLEN', KEYS[1])
if held >= tonumber(ARGV[3]) then
  return {0, held, oldest}
end
redis.call('LPUSH', KEYS[1], ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[4])
return {1, held, oldest}";

pub(super) struct RedisThrottleStore {
    redis: Redis,
    key: KeyPattern,
}

impl RedisThrottleStore {
    pub(super) fn new(redis: Redis, key: KeyPattern) -> Self {
        Self { redis, key }
    }
}

#[async_trait]
impl ThrottleStore for RedisThrottleStore {
    async fn allow(
        &self,
        key: &str,
        requests: u64,
        period: Duration,
        now: SystemTime,
    ) -> Result<Decision, ThrottleError> {
        let now = micros(now);
        let mut command = redis::cmd("EVAL");
        command.arg(ALLOW).arg(1).arg(self.key.make(&format!("sluicegate_{key}")));
        let lifetime_ms = period.as_millis().max(1).to_string();
        command.arg(now).arg(period.as_micros().to_string()).arg(requests).arg(lifetime_ms);
        let (counted, held, oldest): (bool, u64, Option<u64>) = self.redis.send(&command, "EVAL").await?;
        if counted {
            return Ok(Decision::ALLOWED);
        }
        Ok(Decision::refused(requests, held, period, oldest, now))
    }
}
