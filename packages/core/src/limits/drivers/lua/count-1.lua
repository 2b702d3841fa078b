-- Carries out what a turn of the event loop asks of its counters, one ask after the other.
--
-- KEYS     one or more: a counter each, with all windows of its policy; expires when it tells nothing any more
-- ARGV[1]  rules, as JSON: [[algorithm, window, limit, window, limit, …], …]; windows in microseconds;
--          algorithms: 1 sliding, 2 strict, 3 fixed, 4 bucket
-- ARGV[2]  asks, as JSON: [key, rule * 8 + kind, amount, …]; keys and rules by their place, from 1;
--          kinds: 0 spend, 1 peek, 2 penalize, 3 reward, 4 block for so many microseconds, 5 reset,
--          6 lend, followed by how much more is wanted and into how many parts what is left is divided,
--          7 return, followed by the instant at which it was lent
--
-- Returns three whole numbers for each ask: the window that is nearest to refusing, negative the one that refuses for
-- longest, 0 while the key is blocked; what it has left; and when it resets or, after a refusal, when to ask again, in
-- milliseconds. Of each lend three more: how much was lent; for how many microseconds; and the instant.
--
-- Atomic. A cost that does not fit every window is counted in none. The clock is this server's, read once.
--
-- A counter is a list of numbers, those of each window in turn, and last, if there ever was one, the end of its block: written
-- as doubles, which spend-1.lua reads without making a list of them; those of a strict window, which are many and small, as
-- MessagePack. The same rules, with the reasons, are in settle.ts.

local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
local floor, ceil, max, min = math.floor, math.ceil, math.max, math.min
local slack = 0.000001

-- Each way of counting has its numbers in the list s from place a on; p is the window, l the limit. It is made when a rule
-- asks for it: making all of them would take longer than a decision. turn says whether the end of what it tells has moved.
local function sliding() -- begun, spent in the period before, spent in this period
  return {
    size = 3,
    turn = function(s, a, p)
      local begun = s[a]
      if begun == nil or now - begun >= 2 * p or begun - now > p then
        s[a], s[a + 1], s[a + 2] = now, 0, 0
        return true
      elseif now - begun >= p then
        s[a], s[a + 1], s[a + 2] = begun + p, s[a + 2], 0
        return true
      end
    end,
    used = function(s, a, p)
      return floor(s[a + 1] * (1 - max(0, now - s[a]) / p)) + s[a + 2]
    end,
    add = function(s, a, amount)
      local spent = s[a + 2] + amount
      if spent < 0 then
        s[a + 1] = max(0, s[a + 1] + spent)
        spent = 0
      end
      s[a + 2] = spent
    end,
    wait = function(s, a, p, l, cost)
      local room = l - cost
      if s[a + 2] <= room then
        return s[a] + (1 - (room - s[a + 2] + 1) / s[a + 1]) * p + 1 - now
      end
      return s[a] + p + (1 - (room + 1) / s[a + 2]) * p + 1 - now
    end,
    reset = function(s, a, p)
      return s[a] + p - now
    end,
    lasts = function(s, a, p)
      return s[a] + p - now
    end,
    back = function(s, a, amount, lent_at, p)
      if lent_at >= s[a] then
        s[a + 2] = max(0, s[a + 2] - amount)
      elseif lent_at >= s[a] - p then
        s[a + 1] = max(0, s[a + 1] - amount)
      end
    end,
    keep = function(s, a, p)
      return s[a] + 2 * p - now
    end,
  }
end

local function strict() -- number of this tenth, spent in each of the last eleven
  return {
    size = 12,
    turn = function(s, a, p)
      local slot = floor(now / (p / 10))
      local passed = s[a] and slot - s[a]
      if passed == nil or passed > 10 or passed < -10 then
        s[a] = slot
        for i = a + 1, a + 11 do
          s[i] = 0
        end
        return true
      elseif passed > 0 then
        s[a] = slot
        for i = a + 1, a + 11 do
          s[i] = i + passed <= a + 11 and s[i + passed] or 0
        end
        return true
      end
    end,
    used = function(s, a)
      local sum = 0
      for i = a + 1, a + 11 do
        sum = sum + s[i]
      end
      return sum
    end,
    add = function(s, a, amount)
      local i = a + 11
      s[i] = s[i] + amount
      while s[i] < 0 do
        if i > a + 1 then
          s[i - 1] = s[i - 1] + s[i]
        end
        s[i] = 0
        i = max(a + 1, i - 1)
      end
    end,
    wait = function(s, a, p, l, cost, used)
      for i = 1, 11 do
        used = used - s[a + i]
        if used + cost <= l then
          return (s[a] + i) * (p / 10) - now
        end
      end
    end,
    reset = function(_, _, p)
      return p
    end,
    lasts = function(s, a, p)
      return (s[a] + 1) * (p / 10) - now
    end,
    back = function(s, a, amount, lent_at, p)
      local i = a + 11 - (s[a] - floor(lent_at / (p / 10)))
      if i > a and i <= a + 11 then
        s[i] = max(0, s[i] - amount)
      end
    end,
    keep = function(s, a, p)
      return (s[a] + 11) * (p / 10) - now
    end,
  }
end

local function fixed() -- begun, spent
  local way = {
    size = 2,
    turn = function(s, a, p)
      local begun = s[a]
      if begun == nil or now - begun >= p or begun - now > p then
        s[a], s[a + 1] = now, 0
        return true
      end
    end,
    used = function(s, a)
      return s[a + 1]
    end,
    add = function(s, a, amount)
      s[a + 1] = max(0, s[a + 1] + amount)
    end,
    wait = function(s, a, p)
      return s[a] + p - now
    end,
    back = function(s, a, amount, lent_at)
      if lent_at >= s[a] then
        s[a + 1] = max(0, s[a + 1] - amount)
      end
    end,
  }
  way.reset, way.keep, way.lasts = way.wait, way.wait, way.wait
  return way
end

local function bucket() -- looked at last, in the bucket then
  local way = {
    size = 2,
    turn = function(s, a, p, l)
      local at = s[a]
      if at == nil or at - now > p then
        s[a], s[a + 1] = now, 0
      elseif now > at then
        s[a], s[a + 1] = now, max(0, s[a + 1] - (now - at) * l / p)
      end
      return true
    end,
    used = function(s, a)
      return s[a + 1]
    end,
    add = function(s, a, amount)
      s[a + 1] = max(0, s[a + 1] + amount)
    end,
    wait = function(s, a, p, l, cost)
      return (s[a + 1] + cost - l) * p / l
    end,
    reset = function(s, a, p, l)
      return s[a + 1] * p / l
    end,
    lasts = function(_, _, p)
      return p / 10
    end,
    back = function(s, a, amount, lent_at, p, l)
      s[a + 1] = max(0, s[a + 1] - max(0, amount - max(0, now - lent_at) * l / p))
    end,
  }
  way.keep = way.reset
  return way
end

local makers, ways = { sliding, strict, fixed, bucket }, {}
local function way_of(rule)
  local way = ways[rule[1]]
  if way == nil then
    way = makers[rule[1]]()
    ways[rule[1]] = way
  end
  return way
end

local rules, asks = cjson.decode(ARGV[1]), cjson.decode(ARGV[2])
local stored = redis.call('MGET', unpack(KEYS))
local states, changed, moved, out = {}, {}, {}, {}

-- The window in which the cost leaves least, and how much; or the one that refuses for longest, negative, and how long.
local function judge(way, rule, s, cost)
  local size = way.size
  local tightest, left, refusing, longest, refused_left
  for w = 1, (#rule - 1) / 2 do
    local a, p, l = (w - 1) * size + 1, rule[w * 2], rule[w * 2 + 1]
    local used = way.used(s, a, p)
    if used + cost > l + slack then
      local wait = cost > l and p or way.wait(s, a, p, l, cost, used)
      if longest == nil or wait > longest then
        refusing, longest, refused_left = w, wait, max(0, floor(l - used + slack))
      end
    else
      local room = floor(l - used - cost + slack)
      if left == nil or room < left then
        tightest, left = w, room
      end
    end
  end
  if refusing then
    return -refusing, refused_left, longest
  end
  return tightest, left
end

local i = 1
while i <= #asks do
  local index, code, amount = asks[i], asks[i + 1], asks[i + 2]
  local kind = code % 8
  local wanted, parts, lent_at, lent, lasts
  i = i + 3
  if kind == 6 then
    wanted, parts = asks[i], asks[i + 1]
    lent, lasts = 0, 0
    i = i + 2
  elseif kind == 7 then
    lent_at = asks[i]
    i = i + 1
  end
  local rule = rules[(code - kind) / 8]
  local way = way_of(rule)
  local windows = (#rule - 1) / 2
  local block = windows * way.size + 1
  local s = states[index]
  if s == nil then
    local text = stored[index]
    if not text then
      s = {}
    elseif rule[1] == 2 then
      s = cmsgpack.unpack(text)
    elseif #text < 8 * windows * way.size then
      s = {} -- no counter of ours
    else
      s = { struct.unpack('<' .. string.rep('d', #text / 8), text) }
      s[#s] = nil -- where the text ended
    end
    states[index] = s
  end
  if kind == 5 then
    s = {}
    states[index], changed[index] = s, rule
  end
  for w = 1, windows do
    if way.turn(s, (w - 1) * way.size + 1, rule[w * 2], rule[w * 2 + 1]) then
      moved[index] = true
    end
  end
  if kind > 1 then
    moved[index] = true
  end
  if kind == 4 then
    s[block], changed[index] = now + amount, rule
  elseif kind == 2 or kind == 3 then
    for w = 1, windows do
      way.add(s, (w - 1) * way.size + 1, kind == 2 and amount or -amount)
    end
    changed[index] = rule
  elseif kind == 7 then
    for w = 1, windows do
      way.back(s, (w - 1) * way.size + 1, amount, lent_at, rule[w * 2], rule[w * 2 + 1])
    end
    changed[index] = rule
  end
  local window, left, ms
  if s[block] and s[block] > now then
    window, left, ms = 0, 0, s[block] - now
  else
    local spends = kind == 0 or kind == 6
    window, left, ms = judge(way, rule, s, (spends or kind == 1) and amount or 1)
    if window > 0 then
      if spends then
        if kind == 6 then
          lent = min(wanted, floor(left / parts))
          left = left - lent
        end
        for w = 1, windows do
          local a, p = (w - 1) * way.size + 1, rule[w * 2]
          way.add(s, a, amount + (lent or 0))
          if kind == 6 then
            lasts = w == 1 and way.lasts(s, a, p) or min(lasts, way.lasts(s, a, p))
          end
        end
        changed[index] = rule
      else
        left = left + (kind == 1 and amount or 1) -- nothing was taken
      end
      ms = way.reset(s, (window - 1) * way.size + 1, rule[window * 2], rule[window * 2 + 1])
    end
  end
  local n = #out
  out[n + 1], out[n + 2], out[n + 3] = window, left, ceil(ms / 1000)
  if kind == 6 then
    out[n + 4], out[n + 5], out[n + 6] = lent, floor(lasts), now
  end
end

for index, rule in pairs(changed) do
  local s, way = states[index], way_of(rule)
  local text = rule[1] == 2 and cmsgpack.pack(s) or struct.pack('<' .. string.rep('d', #s), unpack(s))
  if moved[index] then
    local windows = (#rule - 1) / 2
    local keep = (s[windows * way.size + 1] or 0) - now
    local is_used = keep > 0
    for w = 1, windows do
      local a = (w - 1) * way.size + 1
      is_used = is_used or way.used(s, a, rule[w * 2]) > 0
      keep = max(keep, way.keep(s, a, rule[w * 2], rule[w * 2 + 1]))
    end
    if is_used and keep > 0 then
      redis.call('SET', KEYS[index], text, 'PX', ceil(keep / 1000))
    else
      redis.call('DEL', KEYS[index])
    end
  else
    redis.call('SET', KEYS[index], text, 'KEEPTTL')
  end
end

return out
