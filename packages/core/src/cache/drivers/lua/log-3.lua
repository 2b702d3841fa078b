-- Reads the tags invalidated after a sequence.
--
-- KEYS, ARGV[1]  see ensure-3.lua
-- ARGV[2]        the sequence
-- ARGV[3]        most tags to return
--
-- Returns { epoch, sequence, floor, { member, sequence, … }, { expiries or false of each member } }, members that are no tags
-- among them; without the lists when they would be too long or what was asked for is forgotten, without the second while
-- there are no expiries; false when the life of the data set has no name.
--
-- Atomic: the list is complete up to the returned sequence.

local epoch, sequence, floor = open()
if not epoch then
  return false
end

local after = '(' .. ARGV[2]
if tonumber(ARGV[2]) < tonumber(floor) or redis.call('ZCOUNT', KEYS[1], after, '+inf') > tonumber(ARGV[3]) then
  return { epoch, sequence, floor }
end
local moves = redis.call('ZRANGEBYSCORE', KEYS[1], after, '+inf', 'WITHSCORES')
if redis.call('HEXISTS', KEYS[2], '#x') == 0 then
  return { epoch, sequence, floor, moves }
end
local expiries = {}
for i = 1, #moves, 2 do
  expiries[#expiries + 1] = redis.call('HGET', KEYS[2], 'x' .. string.sub(moves[i], 2))
end
return { epoch, sequence, floor, moves, expiries }
