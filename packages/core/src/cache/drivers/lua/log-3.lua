-- Reads the tags invalidated after a sequence.
--
-- KEYS, ARGV[1]  see ensure-3.lua
-- ARGV[2]        the sequence
-- ARGV[3]        most tags to return
--
-- Returns { epoch, sequence, floor, { member, sequence, … } }, members that are no tags among them; without the list when
-- it would be too long or what was asked for is forgotten; false when the life of the data set has no name.
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
return { epoch, sequence, floor, redis.call('ZRANGEBYSCORE', KEYS[1], after, '+inf', 'WITHSCORES') }
