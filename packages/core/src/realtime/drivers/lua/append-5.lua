-- Appends messages to a channel's log, all as one entry, and announces it.
--
-- KEYS[1]  stream: the log; an entry has the fields p = id of the entry before it, m = packed messages
-- KEYS[2]  string: id of the last entry ever appended
-- KEYS[3]  hash { id: the epoch of the data set }
-- KEYS[4]  hash: idempotency key -> where its message went, "<entry> <index or '-'> <lineage>"
-- KEYS[5]  hash: the same, of the generation before
-- ARGV[1]  pub/sub channel
-- ARGV[2]  number of entries to keep, roughly
-- ARGV[3]  milliseconds to keep the log, the head (ARGV[4]) and, at least, idempotency keys (ARGV[5])
-- ARGV[6]  bytes in front of the entry's messages
-- ARGV[7..] for each message: idempotency key, empty for none; then its packed bytes
--
-- Returns the lineage, the id of the new entry (empty when nothing was new), and for each message an empty string, or,
-- if its key was known, where it went.
-- Needs log-0.lua in front, which announces the entry.
-- Error NOEPOCH when the data set has lost its epoch: nothing was done.
--
-- Atomic: keys are checked, the entry is stored, remembered as the head and announced in one step. Appends to a channel
-- therefore form one order, in which each entry names its predecessor.

local lineage = lineage_of(KEYS[3])
if not lineage then
  return redis.error_reply(no_epoch)
end

local outcome = { lineage, '' }
local packed = { ARGV[6] }
local keyed = {}
for at = 7, #ARGV, 2 do
  local key = ARGV[at]
  local known = key ~= '' and (keyed[key] and 'same' or redis.call('HGET', KEYS[4], key) or redis.call('HGET', KEYS[5], key))
  outcome[#outcome + 1] = known or ''
  if not known then
    packed[#packed + 1] = ARGV[at + 1]
    if key ~= '' then
      keyed[key] = #packed - 2
    end
  end
end
if #packed == 1 then
  return outcome
end

local keep = { entries = ARGV[2], log_ms = ARGV[3], head_ms = ARGV[4] }
local id = append_to(KEYS[1], KEYS[2], ARGV[1], lineage, table.concat(packed), keep)
outcome[2] = id

if next(keyed) then
  -- Two generations: one is filled while the other ages, so each key lives once to twice the time, without a timer.
  local left = redis.call('PTTL', KEYS[4])
  if left >= 0 and left <= tonumber(ARGV[5]) then
    redis.call('RENAME', KEYS[4], KEYS[5])
  end
  for key, index in pairs(keyed) do
    redis.call('HSET', KEYS[4], key, id .. ' ' .. (index == #packed - 2 and '-' or index) .. ' ' .. lineage)
  end
  if left < 0 or left <= tonumber(ARGV[5]) then
    redis.call('PEXPIRE', KEYS[4], ARGV[5] * 2)
  end
end
return outcome
