-- Spends in one fixed window of one key, if there is room, or gives back what was spent.
--
-- KEYS[1]  string: what was spent in the current window; expires with it
-- ARGV[1]  what to spend; negative: what to give back
-- ARGV[2]  length of the window in milliseconds; giving back: how long the window it was spent in had left then
-- ARGV[3]  limit
--
-- Returns what was spent before with this call's cost added, though it may not have fitted (more than the limit says
-- so), and the milliseconds until the window ends.
--
-- Atomic. A cost that does not fit is not counted: who keeps asking is not kept out for longer. Given back is only to a
-- window that ends no later than the one it was spent in: the next window owes nothing to the last.

local cost = tonumber(ARGV[1])
local spent = tonumber(redis.call('GET', KEYS[1]) or '0')
local leftMs = redis.call('PTTL', KEYS[1])

if cost < 0 then
  if leftMs > 0 and leftMs <= tonumber(ARGV[2]) then
    spent = redis.call('INCRBY', KEYS[1], ARGV[1])
  end
  return { spent, leftMs }
end

if leftMs < 0 then
  spent = 0
  leftMs = tonumber(ARGV[2])
  if cost <= tonumber(ARGV[3]) then
    redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
  end
elseif spent + cost <= tonumber(ARGV[3]) then
  redis.call('INCRBY', KEYS[1], ARGV[1])
end

return { spent + cost, leftMs }
