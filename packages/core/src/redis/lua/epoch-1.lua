-- Names the life of the data set: gives the epoch, making a new one where the old cannot vouch for the data.
--
-- KEYS[1]  hash { id: the epoch, run: run id of the master that it is bound to }
-- ARGV[1]  id of the epoch to begin, should one be needed
-- ARGV[2]  epoch to replace if it is still valid; empty to replace none
-- ARGV[3]  command to announce by: PUBLISH, or SPUBLISH where announcements stay in the slot
--
-- Returns the epoch that is valid now. A new one is announced on the channel named like the key.
--
-- Atomic: of any number of callers that find the same epoch wanting, one replaces it, and all get the same answer.
-- Always writes, so that it fails on a replica: its data may be older than what the epoch stands for.
-- The run id is read on the server that executes this, so it cannot belong to another one. Where INFO is forbidden it
-- reads as empty: the epoch then changes only with the loss of this key, or on request.

local info = redis.pcall('INFO', 'server')
local run = type(info) == 'string' and string.match(info, 'run_id:(%x+)') or ''
local current = redis.call('HMGET', KEYS[1], 'id', 'run')
local stays = current[1] and current[2] == run and current[1] ~= ARGV[2]
local epoch = stays and current[1] or ARGV[1]

redis.call('HSET', KEYS[1], 'id', epoch, 'run', run)
if not stays then
  redis.call(ARGV[3], KEYS[1], epoch)
end
return epoch
