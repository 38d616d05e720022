//! What Redis runs for the layer.

/// One message for each of several queues, where there is room. Matches channels_redis 4.3, core.py, `group_send`, to the
/// letter.
pub(super) const GROUP_SEND: &str = "
                local over_capacity = 0
                local current_time = ARGV[#ARGV - 1]
                local expiry = ARGV[#ARGV]
                for i=1,#KEYS do
                    if redis.call('ZCOUNT', KEYS[i], '-inf', '+inf') < tonumber(ARGV[i + #KEYS]) then
                        redis.call('ZADD', KEYS[i], current_time, ARGV[i])
                        redis.call('EXPIRE', KEYS[i], expiry)
                    else
                        over_capacity = over_capacity + 1
                    end
                end
                return over_capacity
            ";

/// Joins groups by Redis' clock. KEYS: groups; ARGV: what is taken off the time, `group_expiry`, and a member for each
/// group.
pub(super) const JOIN: &str = "
local time = redis.call('TIME')
local score = string.format('%.6f', time[1] + time[2] / 1000000 - tonumber(ARGV[1]))
for i = 1, #KEYS do
    redis.call('ZADD', KEYS[i], score, ARGV[i + 2])
    redis.call('EXPIRE', KEYS[i], ARGV[2])
end
";

/// The next messages of a queue, which stay in its backup until the script is run again: an answer that is lost loses
/// none of them. KEYS: queue, backup; ARGV: how many at most, `expiry`.
pub(super) const DRAIN: &str = "
redis.call('DEL', KEYS[2])
local batch = redis.call('ZPOPMIN', KEYS[1], ARGV[1])
for i = 1, #batch, 2 do
    redis.call('ZADD', KEYS[2], batch[i + 1], batch[i])
end
if #batch > 0 then
    redis.call('EXPIRE', KEYS[2], ARGV[2])
end
return batch
";

/// The messages in a backup, with their scores. A script so that old and new protocol answer alike.
pub(super) const BACKUP: &str = "return redis.call('ZRANGE', KEYS[1], 0, -1, 'WITHSCORES')";
