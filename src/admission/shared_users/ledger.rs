//! What the processes write in Redis: the set `sluicegate.users` of those that have users, and a hash
//! `sluicegate.users.<process>` of each, all under the cache's `KEY_PREFIX` and `VERSION`.

use std::{io, time::Duration};

use uuid::Uuid;

use super::SharedUsersOptions;
use crate::{
    cache::KeyPattern,
    redis::{Redis, RedisError},
    user::UserId,
};

/// The names of the keys.
const NAME: &str = "sluicegate.users";

/// KEYS: the set of processes, and the hash of this one. ARGV: what the hashes' keys begin and end with, this process, the
/// lease in ms; then for each user: name, how many are open here, how many more want in, and how many there may be. Answers
/// whether this process's hash was there and is there; then for each user how many more are let in.
const WRITE: &str = "\
local others = {}
for _, id in ipairs(redis.call('SMEMBERS', KEYS[1])) do
  if id ~= ARGV[3] then
    local hash = ARGV[1] .. id .. ARGV[2]
    if redis.call('EXISTS', hash) == 1 then
      others[#others + 1] = hash
    else
      redis.call('SREM', KEYS[1], id)
    end
  end
end
local answer = {redis.call('EXISTS', KEYS[2]), 0}
for at = 5, #ARGV, 4 do
  local user, open, wanted = ARGV[at], tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2])
  local granted = 0
  if wanted > 0 then
    local all = open
    for _, hash in ipairs(others) do
      all = all + tonumber(redis.call('HGET', hash, user) or 0)
    end
    granted = math.max(0, math.min(wanted, tonumber(ARGV[at + 3]) - all))
  end
  if open + granted > 0 then
    redis.call('HSET', KEYS[2], user, open + granted)
  else
    redis.call('HDEL', KEYS[2], user)
  end
  answer[#answer + 1] = granted
end
answer[2] = redis.call('EXISTS', KEYS[2])
if answer[2] == 1 then
  redis.call('SADD', KEYS[1], ARGV[3])
  redis.call('PEXPIRE', KEYS[1], ARGV[4])
  redis.call('PEXPIRE', KEYS[2], ARGV[4])
else
  redis.call('SREM', KEYS[1], ARGV[3])
end
return answer";

/// One user's numbers.
pub(super) struct Line {
    pub(super) user: UserId,
    /// Sockets here, without those that want in.
    pub(super) open: usize,
    pub(super) wanted: usize,
    pub(super) most: usize,
}

/// What a script answered.
pub(super) struct Written {
    /// What was written before is gone: Redis was emptied, or the lease ran out.
    pub(super) is_anew: bool,
    /// How many more are let in, line by line.
    pub(super) granted: Vec<usize>,
}

/// This process's page.
pub(super) struct Ledger {
    redis: Redis,
    timeout: Duration,
    lease: Duration,
    process: String,
    all: String,
    /// What the key of a process's hash is around its name.
    around: (String, String),
    is_written: bool,
}

impl Ledger {
    /// Does not connect yet.
    pub(super) fn open(options: &SharedUsersOptions) -> io::Result<Self> {
        let redis = Redis::new(&options.redis, options.timeout)?;
        let process = Uuid::new_v4().simple().to_string();
        Ok(Self {
            redis,
            timeout: options.timeout,
            lease: options.lease,
            all: options.key.make(NAME),
            around: around(&options.key, &process),
            process,
            is_written: false,
        })
    }

    pub(super) fn timeout(&self) -> Duration {
        self.timeout
    }

    pub(super) fn lease(&self) -> Duration {
        self.lease
    }

    /// Writes these numbers, lets in whom it can, and renews the lease.
    ///
    /// # Errors
    ///
    /// [`RedisError`]: what is written is not known.
    pub(super) async fn write(&mut self, lines: &[Line]) -> Result<Written, RedisError> {
        let mut command = redis::cmd("EVAL");
        command.arg(WRITE).arg(2).arg(&self.all).arg(self.own()).arg(&self.around.0).arg(&self.around.1);
        command.arg(&self.process).arg(u64::try_from(self.lease.as_millis()).unwrap_or(u64::MAX));
        for Line { user, open, wanted, most } in lines {
            // Lua's numbers are exact up to 2^53.
            let most = u32::try_from(*most).unwrap_or(u32::MAX);
            command.arg(user.to_string()).arg(*open).arg(*wanted).arg(most);
        }
        let answer: Vec<usize> = self.redis.send(&command, "EVAL").await?;
        let (was_there, is_there) = (answer.first() == Some(&1), answer.get(1) == Some(&1));
        let is_anew = self.is_written && !was_there;
        self.is_written = is_there;
        Ok(Written { is_anew, granted: answer.into_iter().skip(2).collect() })
    }

    /// Takes this process out.
    pub(super) async fn leave(&mut self) -> Result<(), RedisError> {
        if !self.is_written {
            return Ok(());
        }
        let mut pipeline = redis::pipe();
        pipeline.cmd("DEL").arg(self.own()).cmd("SREM").arg(&self.all).arg(&self.process);
        self.redis.send_all::<(u64, u64)>(&pipeline, "DEL").await.map(drop)
    }

    fn own(&self) -> String {
        format!("{}{}{}", self.around.0, self.process, self.around.1)
    }
}

/// The key of a process's hash, cut where its name stands: whatever `KEY_FUNCTION` does around it.
fn around(key: &KeyPattern, process: &str) -> (String, String) {
    let made = key.make(&format!("{NAME}.{process}"));
    match made.rsplit_once(process) {
        Some((before, after)) => (before.to_owned(), after.to_owned()),
        None => (made, String::new()),
    }
}
