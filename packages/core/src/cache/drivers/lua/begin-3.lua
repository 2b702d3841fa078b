-- Reads what the load of a value with certain tags must know before it begins.
--
-- KEYS, ARGV[1]  see ensure-3.lua
-- ARGV[2]        milliseconds for which demands count as incomplete after they were lost
-- ARGV[3..]      tags
--
-- Returns { epoch, sequence, floor, in doubt: 1 or 0, { sequence or false for each tag }, { demand or false of the
-- forgotten ones, then of each tag }, { expiries or false of each tag } }; false when the life of the data set has no name.
--
-- Atomic: every invalidation up to the returned sequence is in the demands.

local epoch, sequence, floor = open()
if not epoch then
  return false
end

local sequences = {}
local demands = { redis.call('HGET', KEYS[2], '#f') }
local expiries = {}
for i = 3, #ARGV do
  sequences[i - 2] = redis.call('ZSCORE', KEYS[1], 't' .. ARGV[i])
  demands[i - 1] = redis.call('HGET', KEYS[2], 't' .. ARGV[i])
  expiries[i - 2] = redis.call('HGET', KEYS[2], 'x' .. ARGV[i])
end
local time = redis.call('TIME')
local age = time[1] * 1000 + math.floor(time[2] / 1000) - redis.call('HGET', KEYS[2], '#t')

return { epoch, sequence, floor, age < tonumber(ARGV[2]) and 1 or 0, sequences, demands, expiries }
