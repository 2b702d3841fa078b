-- Renews the lease under which one life answers for its rows, and tells whose lease has ended.
--
-- KEYS[1]  sorted set: life -> epoch millisecond of the server's clock at which its lease ends
-- KEYS[2]  sorted set: "<life> <channel>", score 0, for each life with rows on the channel
-- ARGV[1]  the life
-- ARGV[2]  milliseconds from now on
-- ARGV[3]  milliseconds to keep everything, should nobody ask again
-- ARGV[4]  number of ended lives wanted, at most
--
-- Returns whether it held one until now (1 or 0), then lives whose lease has ended and that left rows behind.
--
-- Atomic. Only the server's clock counts. A life without rows is forgotten with its lease.

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local ends = tonumber(redis.call('ZSCORE', KEYS[1], ARGV[1]) or '0')
redis.call('ZADD', KEYS[1], now + ARGV[2], ARGV[1])

local reply = { ends > now and 1 or 0 }
for _, life in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, ARGV[4])) do
  -- '!' is the character after the space.
  if redis.call('ZRANGEBYLEX', KEYS[2], '[' .. life .. ' ', '(' .. life .. '!', 'LIMIT', 0, 1)[1] then
    reply[#reply + 1] = life
  else
    redis.call('ZREM', KEYS[1], life)
  end
end
redis.call('PEXPIRE', KEYS[1], ARGV[3])
redis.call('PEXPIRE', KEYS[2], ARGV[3])
return reply
