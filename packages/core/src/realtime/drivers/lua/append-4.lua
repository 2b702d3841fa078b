-- Appends one message with an idempotency key to a channel's log, and announces it, unless the key is known.
--
-- KEYS[1]  stream: the log; an entry has the fields p = id of the entry before it, m = packed messages
-- KEYS[2]  string: id of the last entry ever appended
-- KEYS[3]  hash { id: the epoch of the data set }
-- KEYS[4]  string, named by the idempotency key: where its message went, "<entry> <index or '-'> <lineage>"
-- ARGV[1]  the command that announces, and the pub/sub channel (ARGV[2])
-- ARGV[3]  number of entries to keep, roughly; milliseconds to keep the log (ARGV[4]) and the head (ARGV[5])
-- ARGV[6]  the packed entry; milliseconds to remember the key (ARGV[7])
--
-- Returns "<lineage> <id of the new entry>"; or, if the key was known, KEYS[4] with "=" in front.
-- Needs log-0.lua in front, which announces the entry.
-- Error NOEPOCH when the data set has lost its epoch: nothing was done.
--
-- Atomic: the key is checked and remembered, and the entry stored, remembered as the head and announced, in one step.

local lineage = lineage_of(KEYS[3])
if not lineage then
  return redis.error_reply(no_epoch)
end
local known = redis.call('GET', KEYS[4])
if known then
  -- A write, for who waits for replicas: they have what was written before it, then.
  redis.call('PEXPIRE', KEYS[2], ARGV[5])
  return '=' .. known
end
local id = append_to(KEYS[1], KEYS[2], ARGV[1], ARGV[2], lineage, ARGV[6], ARGV[3], ARGV[4], ARGV[5])
redis.call('SET', KEYS[4], id .. ' - ' .. lineage, 'PX', ARGV[7])
return lineage .. ' ' .. id
