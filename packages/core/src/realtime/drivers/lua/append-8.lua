-- Appends messages to a channel's log, all as one entry, and announces it. For messages of which some have an idempotency
-- key, or were published by who has written something.
--
-- KEYS[1]  stream: the log; an entry has the fields p = id of the entry before it, m = packed messages
-- KEYS[2]  string: id of the last entry ever appended
-- KEYS[3]  hash { id: the epoch of the data set }
-- KEYS[4]  hash: idempotency key -> where its message went, "<entry> <index or '-'> <lineage>"
-- KEYS[5]  hash: the same, of the generation before
-- KEYS[6]  hash: "<channel> <idempotency key>" -> the same, for keys that are held until they are released
-- KEYS[7]  hash: the same, of the generation before
-- KEYS[8]  sorted set: what the channel's events have written, see seen-0.lua
-- ARGV[1]  the command that announces, and the pub/sub channel (ARGV[2])
-- ARGV[3]  number of entries to keep, roughly
-- ARGV[4]  milliseconds to keep the log, the head (ARGV[5]) and, at least, idempotency keys (ARGV[6])
-- ARGV[7]  milliseconds to hold, at least, keys that nobody releases
-- ARGV[8]  the channel's name
-- ARGV[9]  bytes in front of the entry's messages
-- ARGV[10]  how many arguments follow that say what these messages have written: scores and members of KEYS[8]
-- ARGV[..] these; then for each message: idempotency key, empty for none; "held" or empty; its packed bytes
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

local function held(key)
  return ARGV[8] .. ' ' .. key
end

local function place_of(key, is_held)
  return redis.call('HGET', KEYS[4], key)
    or redis.call('HGET', KEYS[5], key)
    or is_held and (redis.call('HGET', KEYS[6], held(key)) or redis.call('HGET', KEYS[7], held(key)))
end

local outcome = { lineage, '' }
local packed = { ARGV[9] }
local keyed = {}
local is_held = {}
local first = 11 + ARGV[10]
for at = first, #ARGV, 3 do
  local key = ARGV[at]
  local known = key ~= '' and (keyed[key] and 'same' or place_of(key, ARGV[at + 1] ~= ''))
  outcome[#outcome + 1] = known or ''
  if not known then
    packed[#packed + 1] = ARGV[at + 2]
    if key ~= '' then
      keyed[key] = #packed - 2
      is_held[key] = ARGV[at + 1] ~= ''
    end
  end
end
if #packed == 1 then
  -- A write, for who waits for replicas: they have what was written before it, then.
  redis.call('PEXPIRE', KEYS[2], ARGV[5])
  return outcome
end

-- First: whoever hears of the entry may ask at once what it has seen.
if first > 11 then
  note_seen(KEYS[8], 11, first - 1, ARGV[5])
end
local entry = table.concat(packed)
local id = append_to(KEYS[1], KEYS[2], ARGV[1], ARGV[2], lineage, entry, ARGV[3], ARGV[4], ARGV[5])
outcome[2] = id

-- Two generations: one is filled while the other ages, so each key lives once to twice the time, without a timer.
local function remember(young, old, places, life_ms)
  if not next(places) then
    return
  end
  local left = redis.call('PTTL', young)
  if left >= 0 and left <= tonumber(life_ms) then
    redis.call('RENAME', young, old)
  end
  for key, place in pairs(places) do
    redis.call('HSET', young, key, place)
  end
  if left < 0 or left <= tonumber(life_ms) then
    redis.call('PEXPIRE', young, life_ms * 2)
  end
end

local places = {}
local held_places = {}
for key, index in pairs(keyed) do
  local place = id .. ' ' .. (index == #packed - 2 and '-' or index) .. ' ' .. lineage
  places[key] = place
  if is_held[key] then
    held_places[held(key)] = place
  end
end
remember(KEYS[4], KEYS[5], places, ARGV[6])
remember(KEYS[6], KEYS[7], held_places, ARGV[7])
return outcome
