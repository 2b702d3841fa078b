-- Makes the lease on a run longer, ends the run, or gives it back.
--
-- KEYS[1]  hash { last, token, attempt, owner, until, claim }, see job-claim-1.lua
-- ARGV[1]  token of the run
-- ARGV[2]  length of the lease from now on in milliseconds; "end" when the run has ended; "back" when it was not begun
--
-- Returns 1, or 0 when the run has been taken over, or ended, or is not known any more: nothing was done then.
--
-- Atomic. What came due while the run went on is settled with it.

local key = KEYS[1]
local held = redis.call('HMGET', key, 'token', 'owner', 'last', 'attempt')
if held[1] ~= ARGV[1] or held[2] == '' then
  return 0
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if ARGV[2] == 'end' then
  local last = math.max(now, held[3] + 1)
  redis.call('HSET', key, 'last', string.format('%.0f', last), 'until', 0, 'owner', '', 'attempt', 0, 'claim', '')
elseif ARGV[2] == 'back' then
  redis.call('HSET', key, 'until', 0, 'owner', '', 'attempt', held[4] - 1, 'claim', '')
else
  redis.call('HSET', key, 'until', string.format('%.0f', now + tonumber(ARGV[2])))
end
return 1
