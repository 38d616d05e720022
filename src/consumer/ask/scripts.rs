//! What Redis runs, by its own clock, for the sockets whose ends views are told of.
//!
//! `<prefix>:sluicegate:asked` holds each process until its lease runs out, `<prefix>:sluicegate:asked:<process>` what is
//! to be told of its sockets, by their channel names.

/// Writes and removes a process's sockets, and renews its lease; a process without sockets is in no key. How many sockets it
/// has; -1: the lease had run out, and somebody else tells of its sockets.
///
/// KEYS: all processes, the process's sockets. ARGV: process, lease and life time of the keys in seconds, whether it is in
/// none of the keys so far, how many are written; a channel name and a text for each; the channel names to be removed.
pub(super) const KEEP: &str = "
local process, written = ARGV[1], tonumber(ARGV[5])
if ARGV[4] == '0' and not redis.call('ZSCORE', KEYS[1], process) then
    return -1
end
for i = 6, 5 + 2 * written, 2 do
    redis.call('HSET', KEYS[2], ARGV[i], ARGV[i + 1])
end
for i = 6 + 2 * written, #ARGV do
    redis.call('HDEL', KEYS[2], ARGV[i])
end
local sockets = redis.call('HLEN', KEYS[2])
if sockets == 0 then
    redis.call('ZREM', KEYS[1], process)
else
    redis.call('ZADD', KEYS[1], redis.call('TIME')[1] + ARGV[2], process)
    redis.call('EXPIRE', KEYS[1], ARGV[3])
    redis.call('EXPIRE', KEYS[2], ARGV[3])
end
return sockets
";

/// Gives the sockets of a process whose lease has run out to another one, with a lease of its own: of all that ask, one gets
/// them. 0: there is none.
///
/// KEYS: all processes, the sockets of the one that takes over. ARGV: that process, its lease, and what keys of sockets
/// begin with.
pub(super) const TAKE_OVER: &str = "
local now = redis.call('TIME')[1]
while true do
    local dead = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, 1)[1]
    if not dead then
        return 0
    end
    redis.call('ZREM', KEYS[1], dead)
    if redis.call('EXISTS', ARGV[3] .. dead) == 1 then
        redis.call('RENAME', ARGV[3] .. dead, KEYS[2])
        redis.call('ZADD', KEYS[1], now + ARGV[2], ARGV[1])
        return 1
    end
end
";
