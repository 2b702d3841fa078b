-- Reads a part of a channel's log.
--
-- KEYS[1]  stream: the log
-- KEYS[2]  string: id of the last entry ever appended
-- KEYS[3]  hash { id: the epoch of the data set }
-- ARGV[1]  id of the first entry wanted, or of one before it; empty to read the head alone
-- ARGV[2]  number of entries wanted
--
-- Returns the lineage, the head ("0-0" if there is none), and entries as XRANGE gives them.
-- Error NOEPOCH when the data set has lost its epoch.
--
-- Atomic: all of it is of one instant.

local epoch = redis.call('HGET', KEYS[3], 'id')
if not epoch then
  return redis.error_reply('NOEPOCH the data set has lost its epoch')
end
local lineage = string.sub(redis.sha1hex(epoch), 1, 8)
local head = redis.call('GET', KEYS[2])
if not head then
  local newest = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)[1]
  head = newest and newest[1] or '0-0'
end
local entries = {}
if ARGV[1] ~= '' then
  entries = redis.call('XRANGE', KEYS[1], ARGV[1], '+', 'COUNT', ARGV[2])
end
return { lineage, head, entries }
