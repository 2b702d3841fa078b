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
  return epoch and string.sub(epoch, 1, 8)
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

-- Stores an entry, remembers it as the head, announces "1 <lineage> <id> <id before> <packed entry>" by the command, which is
-- PUBLISH or SPUBLISH; gives its id.
-- Keeps so many entries, roughly, the log for log_ms milliseconds, at least, and the head for head_ms.
local function append_to(log, head_key, announce, topic, lineage, entry, entries, log_ms, head_ms)
  local call, sub = redis.call, string.sub
  local head = head_of(log, head_key)
  local id = call('XADD', log, 'MAXLEN', '~', entries, '*', 'p', head, 'm', entry)
  -- Ids of our days have 10 digits of seconds, 3 of milliseconds, and "-" after them. Within a second nothing need be
  -- renewed, and only a log that has expired forgets which ids it had, should the clock be set back.
  if sub(id, 1, 10) ~= sub(head, 1, 10) then
    local ms, seq = string.match(head, '^(%d+)-(%d+)$')
    if tonumber(string.match(id, '^%d+')) < tonumber(ms) then
      call('DEL', log)
      id = call('XADD', log, string.format('%s-%.0f', ms, tonumber(seq) + 1), 'p', head, 'm', entry)
    end
    call('PEXPIRE', log, log_ms + 1000)
  end
  call('SET', head_key, id, 'PX', head_ms)
  call(announce, topic, '1 ' .. lineage .. ' ' .. id .. ' ' .. head .. ' ' .. entry)
  return id
end

