-- Appends messages to a channel's log, all as one entry, and announces it. For messages of which some have an idempotency
-- key, or were published by who has written something.
--
-- KEYS[1]  stream: the log; an entry has the fields p = id of the entry before it, m = packed messages
-- KEYS[2]  string: id of the last entry ever appended
-- KEYS[3]  hash { id: the epoch of the data set }
-- KEYS[4]  sorted set: what the channel's events have written, see seen-0.lua
-- KEYS[5..]  for each message with an idempotency key, a string named by it: see KEYS[4] of append-4.lua
-- ARGV[1]  the command that announces, and the pub/sub channel (ARGV[2])
-- ARGV[3]  number of entries to keep, roughly; milliseconds to keep the log (ARGV[4]) and the head (ARGV[5])
-- ARGV[6]  bytes in front of the entry's messages
-- ARGV[7]  how many arguments follow that say what these messages have written: scores and members of KEYS[4]
-- ARGV[..] these; then for each message: milliseconds to remember its idempotency key, empty for none; its packed bytes
--
-- Returns the lineage, the id of the new entry (empty when nothing was new), and for each message an empty string, or,
-- if its key was known, where it went.
-- Needs log-0.lua, which announces the entry, and seen-0.lua in front.
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
local index_of = {}
local life_of = {}
local key_at = 5
local first = 8 + ARGV[7]
for at = first, #ARGV, 2 do
  local place = ''
  if ARGV[at] ~= '' then
    local key = KEYS[key_at]
    key_at = key_at + 1
    place = index_of[key] and 'same' or redis.call('GET', key) or ''
    if place == '' then
      index_of[key] = #packed - 1
      life_of[key] = ARGV[at]
    end
  end
  outcome[#outcome + 1] = place
  if place == '' then
    packed[#packed + 1] = ARGV[at + 1]
  end
end
if #packed == 1 then
  -- A write, for who waits for replicas: they have what was written before it, then.
  redis.call('PEXPIRE', KEYS[2], ARGV[5])
  return outcome
end

-- First: whoever hears of the entry may ask at once what it has seen.
if first > 8 then
  note_seen(KEYS[4], 8, first - 1, ARGV[5])
end
local entry = table.concat(packed)
local id = append_to(KEYS[1], KEYS[2], ARGV[1], ARGV[2], lineage, entry, ARGV[3], ARGV[4], ARGV[5])
outcome[2] = id
for key, index in pairs(index_of) do
  local slot = index == #packed - 2 and '-' or index
  redis.call('SET', key, id .. ' ' .. slot .. ' ' .. lineage, 'PX', life_of[key])
end
return outcome
