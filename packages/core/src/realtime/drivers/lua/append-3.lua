-- Appends messages to a channel's log, all as one entry, and announces it. For messages without idempotency keys.
--
-- KEYS[1]  stream: the log; an entry has the fields p = id of the entry before it, m = packed messages
-- KEYS[2]  string: id of the last entry ever appended
-- KEYS[3]  hash { id: the epoch of the data set }
-- ARGV[1]  the command that announces, and the pub/sub channel (ARGV[2])
-- ARGV[3]  number of entries to keep, roughly; milliseconds to keep the log (ARGV[4]) and the head (ARGV[5])
-- ARGV[6]  the packed entry
--
-- Returns "<lineage> <id of the new entry>": one string costs less than a list of two.
-- Needs log-0.lua in front, which announces the entry.
-- Error NOEPOCH when the data set has lost its epoch: nothing was done.
--
-- Atomic: the entry is stored, remembered as the head and announced in one step. Appends to a channel therefore form one
-- order, in which each entry names its predecessor.

local lineage = lineage_of(KEYS[3])
if not lineage then
  return redis.error_reply(no_epoch)
end
local id = append_to(KEYS[1], KEYS[2], ARGV[1], ARGV[2], lineage, ARGV[6], ARGV[3], ARGV[4], ARGV[5])
return lineage .. ' ' .. id
