-- Raises what is kept of one user's causal token.
--
-- KEYS[1]  hash { coordinate: position "@" instant after which it is vacuous }; expires with the youngest
-- ARGV[1]  how long a coordinate is kept, in milliseconds
-- ARGV[2]  a coordinate, ARGV[3] its position; and so on. Positions of one coordinate are ordered as text.
--
-- Returns the number of coordinates kept.
--
-- Atomic, and never lowers a position: answers may overtake each other. Each coordinate has an end of its own, or those of
-- a database or cache that is gone would stay for as long as the user keeps writing.

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local kept = {}
local held = redis.call('HGETALL', KEYS[1])
for at = 1, #held, 2 do
  local position, untilMs = string.match(held[at + 1], '^([^@]*)@(%d+)$')
  if tonumber(untilMs) > now then
    kept[held[at]] = position
  else
    redis.call('HDEL', KEYS[1], held[at])
  end
end

local ends = '@' .. string.format('%.0f', now + tonumber(ARGV[1]))
for at = 2, #ARGV, 2 do
  local position = ARGV[at + 1]
  local older = kept[ARGV[at]]
  if older and older > position then
    position = older
  end
  redis.call('HSET', KEYS[1], ARGV[at], position .. ends)
end
redis.call('PEXPIRE', KEYS[1], ARGV[1])

return redis.call('HLEN', KEYS[1])
