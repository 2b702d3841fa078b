-- Reads a part of a channel's log.
--
-- KEYS[1]  stream: the log
-- KEYS[2]  string: id of the last entry ever appended
-- KEYS[3]  hash { id: the epoch of the data set }
-- KEYS[4]  sorted set: what the channel's events have written, see seen-0.lua
-- ARGV[1]  id of the first entry wanted, or of one before it; empty to read the head alone
-- ARGV[2]  number of entries wanted
--
-- Returns the lineage, the head ("0-0" if there is none), entries as XRANGE gives them, and members and scores of KEYS[4].
-- Error NOEPOCH when the data set has lost its epoch. Needs log-0.lua in front.
--
-- Atomic: all of it is of one instant.

local lineage = lineage_of(KEYS[3])
if not lineage then
  return redis.error_reply(no_epoch)
end
local entries = {}
if ARGV[1] ~= '' then
  entries = redis.call('XRANGE', KEYS[1], ARGV[1], '+', 'COUNT', ARGV[2])
end
return { lineage, head_of(KEYS[1], KEYS[2]), entries, redis.call('ZRANGE', KEYS[4], 0, -1, 'WITHSCORES') }
