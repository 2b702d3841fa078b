-- Binds the state to the history that a database is on; begins another epoch where it stood on another one.
--
-- KEYS[1..3], ARGV[1]  see ensure-3.lua
-- ARGV[2]  channel of the announcements
-- ARGV[3]  shard
-- ARGV[4]  system
-- ARGV[5]  timeline
-- ARGV[6]  '1' if the caller has known the database on another history: a state that is not bound may stand on that one
--
-- Returns { epoch, sequence, floor, 1 if the database is known on a newer timeline, else 0 }; nothing was changed then.
-- False when the life of the data set has no name. Another epoch is announced as "1 epoch 0 []".
--
-- Atomic: of any number of callers on the same history, one begins the epoch, and all get it.

local epoch, sequence, floor = open()
if not epoch then
  return false
end

local others = {}
local known, system, timeline
for _, member in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], -1, -1)) do
  local itsSystem, itsTimeline, shard = string.match(member, '^h(%S+) (%d+) (.*)$')
  if shard == ARGV[3] then
    known, system, timeline = member, itsSystem, itsTimeline
  else
    others[#others + 1] = member
  end
end

local history = 'h' .. ARGV[4] .. ' ' .. ARGV[5] .. ' ' .. ARGV[3]
if known == history then
  return { epoch, sequence, floor, 0 }
end
if system == ARGV[4] and tonumber(timeline) > tonumber(ARGV[5]) then
  return { epoch, sequence, floor, 1 }
end
if known or ARGV[6] == '1' then
  redis.call('DEL', KEYS[1], KEYS[2])
  epoch, sequence, floor = open()
  for _, member in ipairs(others) do
    redis.call('ZADD', KEYS[1], -1, member)
  end
  redis.call('PUBLISH', ARGV[2], '1 ' .. epoch .. ' 0 []')
end
redis.call('ZADD', KEYS[1], -1, history)
return { epoch, sequence, floor, 0 }
