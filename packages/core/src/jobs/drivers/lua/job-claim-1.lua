-- Tells how a job stands and, where its caller reckons that a run is due, takes it.
--
-- KEYS[1]  hash { last: epoch millisecond up to which all runs are settled, token, attempt, owner, until: end of the
--          owner's lease, claim: id of the claim that the owner took it with }
-- ARGV[1]  id of the instance
-- ARGV[2]  the `last` that the caller reckons from; empty to look only
-- ARGV[3]  epoch millisecond at which the run is due
-- ARGV[4]  length of the lease in milliseconds
-- ARGV[5]  milliseconds after which a late run is left out; empty to never leave one out
-- ARGV[6]  how often one run is begun, at most, when its owners die
-- ARGV[7]  id of the claim
-- ARGV[8]  milliseconds to remember a job that nobody asks for
--
-- Returns what happened ("stands", "taken", "late", "given up"), the server's time, last, until, owner, token, attempt.
--
-- Atomic: of any number of callers one takes a run. Who makes the same claim again, since no answer came, has what it took,
-- with the same token, in whatever order the two arrive. Only the server's clock counts: a caller whose clock is wrong can
-- neither begin a run early nor twice. Tokens grow even when the data was lost, for they are never less than the time.

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local key = KEYS[1]
local held = redis.call('HMGET', key, 'last', 'until', 'owner', 'token', 'attempt', 'claim')
local last, ends, owner = tonumber(held[1]), tonumber(held[2]) or 0, held[3] or ''
local token, attempt = tonumber(held[4]) or 0, tonumber(held[5]) or 0

local function number(value)
  return string.format('%.0f', value)
end

local outcome = 'stands'
if not last then
  last = now
  redis.call('HSET', key, 'last', number(last))
elseif ARGV[2] == number(last) and now < ends and held[6] == ARGV[7] then
  outcome = 'taken'
  ends = now + tonumber(ARGV[4])
  redis.call('HSET', key, 'until', number(ends))
elseif ARGV[2] == number(last) and now >= tonumber(ARGV[3]) and now >= ends then
  if ARGV[5] ~= '' and now > tonumber(ARGV[3]) + tonumber(ARGV[5]) then
    outcome = 'late'
  elseif attempt >= tonumber(ARGV[6]) then
    outcome = 'given up'
  else
    outcome = 'taken'
  end
  if outcome == 'taken' then
    token = math.max(token + 1, now)
    attempt = attempt + 1
    ends = now + tonumber(ARGV[4])
    owner = ARGV[1]
  else
    last, attempt, owner = math.max(now, last + 1), 0, ''
  end
  redis.call('HSET', key, 'last', number(last), 'until', number(ends), 'owner', owner, 'token', number(token),
    'attempt', attempt, 'claim', ARGV[7])
end
redis.call('PEXPIRE', key, ARGV[8])

return { outcome, now, last, ends, owner, token, attempt }
