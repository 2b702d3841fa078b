-- What the events of a channel have written, for the script that has them: this text stands in front of it.
--
-- KEYS     none of its own: the function is given what it touches
-- ARGV     the scores and members between two places, which it is given
--
-- A sorted set, each member a coordinate: "d <shard> <system> <timeline>" by log position, "c <epoch>" by sequence, "p <row>".
--
-- Returns nothing; defines note_seen.
--
-- Atomic as the script that it is part of.

-- More coordinates than any fleet has, unless rows are named that were not confirmed.
local MANY = 64

local function note_seen(key, from, to, keep_ms)
  local added = redis.call('ZADD', key, 'GT', unpack(ARGV, from, to))
  redis.call('PEXPIRE', key, keep_ms)
  if added == 0 then
    return
  end
  local given = {}
  for at = from + 1, to, 2 do
    given[ARGV[at]] = true
    given[string.sub(ARGV[at], 1, 1)] = true
  end
  local members = redis.call('ZRANGE', key, 0, -1)
  for _, member in ipairs(members) do
    local kind = string.sub(member, 1, 1)
    -- Values of another epoch are gone.
    if kind == 'c' and given.c and not given[member] then
      redis.call('ZREM', key, member)
    elseif kind == 'p' and #members > MANY then
      redis.call('ZREM', key, member)
      local is_row = string.match(member, '^p %x+%-%x+%-%x+%-%x+%-%x+$') or member == 'p *'
      redis.call('ZADD', key, 0, is_row and 'p *' or 'p **')
    end
  end
end

