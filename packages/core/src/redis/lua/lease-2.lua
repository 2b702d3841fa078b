-- Renews the lease of one instance and tells who else holds one.
--
-- KEYS[1]  sorted set: instance id -> epoch millisecond of the server's clock at which its lease ends
-- KEYS[2]  hash: instance id -> what it says of itself
-- ARGV[1]  id of the instance
-- ARGV[2]  length of the lease in milliseconds
-- ARGV[3]  what it says of itself; empty for nothing
--
-- Returns the ids of all instances with a valid lease, the caller's among them.
--
-- Atomic. Only the server's clock counts: the clocks of the instances may differ by any amount.

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now)) do
  redis.call('HDEL', KEYS[2], id)
  redis.call('ZREM', KEYS[1], id)
end
redis.call('ZADD', KEYS[1], now + ARGV[2], ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[2] * 2)
if ARGV[3] ~= '' then
  redis.call('HSET', KEYS[2], ARGV[1], ARGV[3])
  redis.call('PEXPIRE', KEYS[2], ARGV[2] * 2)
end
return redis.call('ZRANGE', KEYS[1], 0, -1)
