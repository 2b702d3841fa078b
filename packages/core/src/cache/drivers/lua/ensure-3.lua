-- Opens the shared state of the cache; stands in front of the scripts that use it.
--
-- KEYS[1]  sorted set, the state: '#e' epoch, '#s' sequence of the last invalidation, '#f' highest sequence forgotten,
--          '#m<life>' marker of the life of the data set that the state belongs to, 't<tag>' sequence of the tag's last
--          invalidation or expiry, 'h<system> <timeline> <shard>' at -1 the history on which the database of a shard is
-- KEYS[2]  hash, what was written before the invalidations: '#e' epoch, '#t' epoch millisecond of the server's clock at
--          which it began, '#f' what forgotten tags demand, 't<tag>' what the tag demands. A demand is a list
--          "shard,system,position;…"; positions have one length, so that they compare as texts. 'x<tag>' the expiries of a
--          tag whose last move was one: "hard sequence:millisecond …", hard the sequence of the last invalidation before
--          them; '#x' 1 once there was any
-- KEYS[3]  hash of the Redis floor: id names the present life of the data set
-- ARGV[1]  epoch to begin, should one be needed
--
-- `open()` returns epoch, sequence and floor; nothing when the life has no name, and then nothing was changed. State that
-- is missing, or of another life, is replaced by an empty one as a whole: one key, so that no eviction can take a part.
--
-- Atomic together with the script that follows it.

local function open()
  local life = redis.call('HGET', KEYS[3], 'id')
  if not life then
    return nil
  end
  local head = redis.call('ZMSCORE', KEYS[1], '#e', '#s', '#f', '#m' .. life)
  if not (head[1] and head[2] and head[3] and head[4]) then
    redis.call('DEL', KEYS[1], KEYS[2])
    redis.call('ZADD', KEYS[1], ARGV[1], '#e', 0, '#s', 0, '#f', 0, '#m' .. life)
    head = { ARGV[1], '0', '0' }
  end
  if redis.call('HGET', KEYS[2], '#e') ~= head[1] then
    local time = redis.call('TIME')
    redis.call('DEL', KEYS[2])
    redis.call('HSET', KEYS[2], '#e', head[1], '#t', time[1] * 1000 + math.floor(time[2] / 1000))
  end
  return head[1], head[2], head[3]
end
