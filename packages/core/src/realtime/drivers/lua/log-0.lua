-- The log of a channel, for the scripts that have one: this text stands in front of theirs.
--
-- KEYS     none of its own: the functions are given what they touch
-- ARGV     none of its own
--
-- Returns nothing; defines lineage_of, head_of, append_to.
--
-- Atomic as the script that it is part of.

local no_epoch = 'NOEPOCH the data set has lost its epoch'

-- Names the life of the data set; nil when it has lost its epoch.
local function lineage_of(epoch_key)
  local epoch = redis.call('HGET', epoch_key, 'id')
  return epoch and string.sub(redis.sha1hex(epoch), 1, 8)
end

-- The id of the last entry ever appended, "0-0" if there is none.
local function head_of(log, head_key)
  local head = redis.call('GET', head_key)
  if head then
    return head
  end
  -- Evicted, perhaps, while the log was not.
  local newest = redis.call('XREVRANGE', log, '+', '-', 'COUNT', 1)[1]
  return newest and newest[1] or '0-0'
end

-- Stores an entry, remembers it as the head, announces "1 <lineage> <id> <id before> <packed entry>"; gives its id.
-- keep: how many entries, roughly, and for how many milliseconds the log and the head.
local function append_to(log, head_key, topic, lineage, entry, keep)
  local head = head_of(log, head_key)
  local function append(id)
    return redis.call('XADD', log, 'MAXLEN', '~', keep.entries, id, 'p', head, 'm', entry)
  end
  local id = append('*')
  local ms, seq = string.match(id, '^(%d+)-(%d+)$')
  local head_ms, head_seq = string.match(head, '^(%d+)-(%d+)$')
  ms, seq, head_ms, head_seq = tonumber(ms), tonumber(seq), tonumber(head_ms), tonumber(head_seq)
  if ms < head_ms or (ms == head_ms and seq <= head_seq) then
    -- The log had expired, so that nothing kept ids growing, and the clock was set back.
    redis.call('DEL', log)
    id = append(string.format('%.0f-%.0f', head_ms, head_seq + 1))
  end
  redis.call('PEXPIRE', log, keep.log_ms)
  redis.call('SET', head_key, id, 'PX', keep.head_ms)
  redis.call('PUBLISH', topic, '1 ' .. lineage .. ' ' .. id .. ' ' .. head .. ' ' .. entry)
  return id
end

