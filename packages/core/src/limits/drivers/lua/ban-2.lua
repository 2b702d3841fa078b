-- Bans a subject, or lifts its ban, and announces that.
--
-- KEYS[1]  sorted set: subjects by the epoch millisecond at which their ban ends, +inf until further notice
-- KEYS[2]  hash: subject -> JSON [ends or 0, began, reason or ""]; the empty field holds the version of the list
-- ARGV[1]  subject
-- ARGV[2]  "ban" or "lift"
-- ARGV[3]  for how many milliseconds; empty until further notice
-- ARGV[4]  reason, or empty
-- ARGV[5]  channel of announcements
-- ARGV[6]  the most bans the list holds
--
-- Returns the announcement, JSON [previous version, version, now, subject, the hash's value or false]; nil when the list
-- is full.
--
-- Atomic. Versions grow also when the list was lost, for they are never less than the time in microseconds. What has ended
-- is cleared away by and by; both keys expire with the last ban.

local time = redis.call('TIME')
local micros = tonumber(time[1]) * 1000000 + tonumber(time[2])
local now = math.floor(micros / 1000)
local subject = ARGV[1]

local function number(value)
  return string.format('%.0f', value)
end

local over = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', number(now), 'LIMIT', 0, 1000)
if #over > 0 then
  redis.call('ZREM', KEYS[1], unpack(over))
  redis.call('HDEL', KEYS[2], unpack(over))
end

local value = 'false'
if ARGV[2] == 'ban' then
  if redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[6]) and not redis.call('ZSCORE', KEYS[1], subject) then
    return false
  end
  local ends = ARGV[3] == '' and 0 or now + tonumber(ARGV[3])
  value = '[' .. number(ends) .. ',' .. number(now) .. ',' .. cjson.encode(ARGV[4]) .. ']'
  redis.call('ZADD', KEYS[1], ends == 0 and '+inf' or number(ends), subject)
  redis.call('HSET', KEYS[2], subject, value)
else
  redis.call('ZREM', KEYS[1], subject)
  redis.call('HDEL', KEYS[2], subject)
end

local previous = tonumber(redis.call('HGET', KEYS[2], '') or '0')
local version = math.max(previous + 1, micros)
redis.call('HSET', KEYS[2], '', number(version))

local last = redis.call('ZRANGE', KEYS[1], -1, -1, 'WITHSCORES')
if #last == 0 then
  redis.call('DEL', KEYS[2])
elseif last[2] == 'inf' then
  redis.call('PERSIST', KEYS[1])
  redis.call('PERSIST', KEYS[2])
else
  redis.call('PEXPIREAT', KEYS[1], number(tonumber(last[2])))
  redis.call('PEXPIREAT', KEYS[2], number(tonumber(last[2])))
end

local news = '['
  .. number(previous) .. ',' .. number(version) .. ',' .. number(now) .. ',' .. cjson.encode(subject) .. ',' .. value .. ']'
redis.call('PUBLISH', ARGV[5], news)
return news
