-- Counts an invalidation or an expiry, gives its sequence to its tags, keeps what was written before it, and announces it.
--
-- KEYS, ARGV[1]  see ensure-3.lua
-- ARGV[2]        channel of the announcements
-- ARGV[3]        most tags to remember
-- ARGV[4]        demand: what was written; may be empty
-- ARGV[5]        the tags as a JSON list, for the announcement
-- ARGV[6]        epoch millisecond of an expiry; empty for an invalidation
-- ARGV[7]        most expiries to remember of a tag: the one before counts as an invalidation
-- ARGV[8..]      the tags
--
-- Returns { epoch, sequence, floor }; false when the life of the data set has no name. Announces "1 epoch sequence tags" or
-- "2 epoch sequence millisecond tags".
--
-- Atomic: announcements are sent in the order of their sequences, and whoever reads the sequence finds the tags moved.

local epoch, _, floor = open()
if not epoch then
  return false
end

-- The larger position of each database of two demands.
local function merge(one, other)
  local best = {}
  for database, position in string.gmatch(one .. ';' .. other, '([^,;]+,[^,;]+),(%x+)') do
    if not best[database] or position > best[database] then
      best[database] = position
    end
  end
  local parts = {}
  for database, position in pairs(best) do
    parts[#parts + 1] = database .. ',' .. position
  end
  table.sort(parts)
  return table.concat(parts, ';')
end

local sequence = redis.call('ZINCRBY', KEYS[1], 1, '#s')

-- The expiries of a tag with this one. What is remembered holds while its last one is the tag's last move.
local function expire(tag)
  local last = redis.call('ZSCORE', KEYS[1], 't' .. tag)
  local hard, soft = string.match(redis.call('HGET', KEYS[2], 'x' .. tag) or '', '^(%d+)(.*)$')
  if not hard or string.match(soft, '(%d+):%d+$') ~= last then
    hard, soft = last or floor, ''
  end
  soft = soft .. ' ' .. sequence .. ':' .. ARGV[6]
  local _, count = string.gsub(soft, ':', '')
  if count > tonumber(ARGV[7]) then
    hard, soft = string.match(soft, '^ (%d+):%d+(.*)$')
  end
  redis.call('HSET', KEYS[2], 'x' .. tag, hard .. soft, '#x', 1)
end

local isExpiry = ARGV[6] ~= ''
local hasExpiries = redis.call('HEXISTS', KEYS[2], '#x') == 1
for i = 8, #ARGV do
  local name = 't' .. ARGV[i]
  if isExpiry then
    expire(ARGV[i])
  elseif hasExpiries then
    redis.call('HDEL', KEYS[2], 'x' .. ARGV[i])
  end
  redis.call('ZADD', KEYS[1], sequence, name)
  if ARGV[4] ~= '' then
    redis.call('HSET', KEYS[2], name, merge(redis.call('HGET', KEYS[2], name) or '', ARGV[4]))
  end
end
if isExpiry then
  redis.call('PUBLISH', ARGV[2], '2 ' .. epoch .. ' ' .. sequence .. ' ' .. ARGV[6] .. ' ' .. ARGV[5])
else
  redis.call('PUBLISH', ARGV[2], '1 ' .. epoch .. ' ' .. sequence .. ' ' .. ARGV[5])
end

-- Forget the oldest tags, some at a time. The floor stands for them: what is older than it counts as invalid.
local excess = math.min(redis.call('ZCARD', KEYS[1]) - ARGV[3], 2 * #ARGV + 1000)
if excess > 0 then
  local oldest = redis.call('ZRANGEBYSCORE', KEYS[1], 1, '+inf', 'WITHSCORES', 'LIMIT', 0, excess + 3)
  local forgotten = redis.call('HGET', KEYS[2], '#f') or ''
  for i = 1, #oldest, 2 do
    local name, score = oldest[i], oldest[i + 1]
    if excess > 0 and string.sub(name, 1, 1) == 't' and tonumber(score) < tonumber(sequence) then
      redis.call('ZREM', KEYS[1], name)
      forgotten = merge(forgotten, redis.call('HGET', KEYS[2], name) or '')
      redis.call('HDEL', KEYS[2], name, 'x' .. string.sub(name, 2))
      floor = score
      excess = excess - 1
    end
  end
  redis.call('ZADD', KEYS[1], floor, '#f')
  if forgotten ~= '' then
    redis.call('HSET', KEYS[2], '#f', forgotten)
  end
end

return { epoch, sequence, floor }
