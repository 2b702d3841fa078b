-- Spends from counters of one window each, one after the other: what nearly every call asks, without what only count-1.lua needs.
--
-- KEYS     one or more: a counter each, as in count-1.lua; one that is asked twice stands there twice
-- ARGV     five for each row of counters with the same rule and cost: how many they are; the algorithm (1 sliding, 3 fixed,
--          4 bucket); the window in microseconds; the limit; and the cost, at least 1
--
-- Returns three whole numbers for each counter, as count-1.lua does.
--
-- Atomic. A cost that does not fit is not counted. The clock is this server's, read once.
--
-- Made to cost little: no list, no function and no JSON for a counter, and one read and one write at most. The same rules, with
-- the reasons, are in settle.ts; both scripts write what the other reads.

local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local floor, ceil, max = math.floor, math.ceil, math.max
local unpacked, packed = struct.unpack, struct.pack
local slack = 0.000001
local out, n, k = { 0, 0, 0 }, 0, 0 -- made at its size, for one counter

for row = 1, #ARGV, 5 do
  local way, p, l, cost = ARGV[row + 1], ARGV[row + 2] + 0, ARGV[row + 3] + 0, ARGV[row + 4] + 0
  local size = way == '1' and 24 or 16
  for _ = 1, ARGV[row] do
    k = k + 1
    local key = KEYS[k]
    local stored = redis.pcall('GET', key)
    if stored and #stored < size then
      stored = false -- no counter of ours: an error, when it is no text at all
    end
    -- What the counter says at this instant, and whether the end of what it tells has moved since it was written.
    local at, before, spent, moved, used = now, 0, 0, true, 0
    if way == '1' then
      if stored then
        at, before, spent = unpacked('<ddd', stored)
        local age = now - at
        if age >= 2 * p or age < -p then
          at, before, spent = now, 0, 0
        elseif age >= p then
          at, before, spent = at + p, spent, 0
        else
          moved = false
        end
      end
      used = floor(before * (1 - max(0, now - at) / p)) + spent
    elseif stored then
      at, spent = unpacked('<dd', stored)
      if way == '3' then
        if now - at >= p or at - now > p then
          at, spent = now, 0
        else
          moved = false
        end
      elseif at - now > p then
        at, spent = now, 0
      elseif now > at then
        at, spent = now, max(0, spent - (now - at) * l / p)
      end
      used = spent
    end
    local block, blocked_for = '', 0
    if stored and #stored > size then
      block = stored:sub(size + 1)
      blocked_for = unpacked('<d', block) - now
    end

    local window, left, ms = 1, floor(l - used - cost + slack), 0
    if blocked_for > 0 then
      window, left, ms = 0, 0, blocked_for
    elseif used + cost > l + slack then
      window, left = -1, max(0, floor(l - used + slack))
      if cost > l then
        ms = p
      elseif way == '3' then
        ms = at + p - now
      elseif way == '4' then
        ms = (spent + cost - l) * p / l
      else
        local room = l - cost
        if spent <= room then
          ms = at + (1 - (room - spent + 1) / before) * p + 1 - now
        else
          ms = at + p + (1 - (room + 1) / spent) * p + 1 - now
        end
      end
    else
      spent = spent + cost
      ms = way == '4' and spent * p / l or at + p - now
      local value = way == '1' and packed('<ddd', at, before, spent) or packed('<dd', at, spent)
      if block ~= '' then
        value = value .. block
      end
      if moved then
        redis.call('SET', key, value, 'PX', ceil((way == '1' and ms + p or ms) / 1000))
      else
        redis.call('SET', key, value, 'KEEPTTL')
      end
    end
    out[n + 1], out[n + 2], out[n + 3] = window, left, ceil(ms / 1000)
    n = n + 3
  end
end

return out
