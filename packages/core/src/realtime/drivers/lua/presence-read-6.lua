-- Reads who is on a channel, and from where on its presence log tells the rest.
--
-- KEYS[1]  hash: the rows of presence-change-7.lua; KEYS[2] hash: its users; KEYS[3] sorted set: its leases
-- KEYS[4]  stream: the log of the presence channel; KEYS[5] string: its head
-- KEYS[6]  hash { id: the epoch of the data set }
-- ARGV[1]  number of users wanted, at most
--
-- Returns the lineage, the head, the number of users, the number of rows, the number of lives whose lease has ended, and a
-- list of users, each followed by its value.
-- Error NOEPOCH when the data set has lost its epoch. Needs log-0.lua in front.
--
-- Atomic: all of it is of one instant, so what the log holds after the head is exactly what the list lacks.

local lineage = lineage_of(KEYS[6])
if not lineage then
  return redis.error_reply(no_epoch)
end

local wanted = tonumber(ARGV[1])
local listed, seen, found = {}, {}, 0
local cursor = '0'
repeat
  -- A small hash comes whole, whatever the count; a page of a large one may repeat what came before.
  local page = redis.call('HSCAN', KEYS[2], cursor, 'COUNT', wanted)
  cursor = page[1]
  for at = 1, #page[2], 2 do
    local user = page[2][at]
    if found < wanted and not seen[user] then
      seen[user] = true
      found = found + 1
      listed[#listed + 1] = user
      listed[#listed + 1] = page[2][at + 1]
    end
  end
until cursor == '0' or found == wanted

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
return {
  lineage,
  head_of(KEYS[4], KEYS[5]),
  redis.call('HLEN', KEYS[2]),
  tonumber(redis.call('HGET', KEYS[1], '#') or '0'),
  redis.call('ZCOUNT', KEYS[3], '-inf', now),
  listed,
}
