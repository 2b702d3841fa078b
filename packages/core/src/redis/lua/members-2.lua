-- Lists the instances that hold a lease, with what they say of themselves.
--
-- KEYS[1]  sorted set: instance id -> epoch millisecond of the server's clock at which its lease ends
-- KEYS[2]  hash: instance id -> what it says of itself
-- ARGV     none
--
-- Returns id, text, id, text and so on, in the order in which leases end; an empty text for who says nothing.
--
-- Atomic: all of it is of one instant.

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local members = {}
for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '(' .. string.format('%.0f', now), '+inf')) do
  members[#members + 1] = id
  members[#members + 1] = redis.call('HGET', KEYS[2], id) or ''
end
return members
