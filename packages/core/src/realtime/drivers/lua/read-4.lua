-- Reads a part of a channel's log.
--
-- KEYS[1]  stream: the log
-- KEYS[2]  string: id of the last entry ever appended
-- KEYS[3]  hash { id: the epoch of the data set }
-- KEYS[4]  sorted set: what the channel's events have written, see seen-0.lua
-- ARGV[1]  id of the first entry wanted, or of one before it; empty to read the head alone
-- ARGV[2]  number of entries wanted, and of bytes (ARGV[3]): two entries come in any case, more only as long as they fit
--
-- Returns the lineage, the head ("0-0" if there is none), entries as XRANGE gives them, members and scores of KEYS[4], and 1 if
-- there may be more entries, else 0.
-- Error NOEPOCH when the data set has lost its epoch. Needs log-0.lua in front.
--
-- Atomic: all of it is of one instant.

local lineage = lineage_of(KEYS[3])
if not lineage then
  return redis.error_reply(no_epoch)
end

-- What is read here and does not fit costs memory, too: so a few at first, and never many at once.
local FEW, MANY = 2, 32

local entries, more = {}, 0
if ARGV[1] ~= '' then
  local from, limit, left, count = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), FEW
  while more == 0 do
    local wanted = math.min(count, limit - #entries)
    local found = redis.call('XRANGE', KEYS[1], from, '+', 'COUNT', wanted)
    for at = 1, #found do
      left = left - #found[at][2][4] -- its messages
      if left < 0 and #entries >= 2 then
        more = 1
        break
      end
      entries[#entries + 1] = found[at]
    end
    if #found < wanted then
      break
    end
    if #entries >= limit then
      more = 1
    end
    from = '(' .. found[wanted][1]
    count = math.min(count * 2, MANY)
  end
end
local seen = redis.call('ZRANGE', KEYS[4], 0, -1, 'WITHSCORES')
return { lineage, head_of(KEYS[1], KEYS[2]), entries, seen, more }
