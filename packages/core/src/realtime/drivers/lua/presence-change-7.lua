-- Changes who is on a channel, and tells it on the channel's presence log, as one entry.
--
-- A row is one connection; its name begins with the life (one run of one instance) that answers for it. A user has joined
-- while any of its rows is there.
--
-- KEYS[1]  hash: row -> its user as JSON, empty for none; '@' life -> number of its rows; '#' -> number of all rows
-- KEYS[2]  hash: user as JSON -> "<number of its rows> <its info as JSON, or nothing>"
-- KEYS[3]  sorted set: life -> epoch millisecond of the server's clock at which its lease ends
-- KEYS[4]  sorted set: "<life> <channel>", score 0, for each life with rows on the channel
-- KEYS[5]  stream: the log of the presence channel; KEYS[6] string: its head
-- KEYS[7]  hash { id: the epoch of the data set }
-- ARGV[1]  pub/sub channel of the presence channel
-- ARGV[2]  number of entries to keep, roughly; milliseconds to keep the log (ARGV[3]) and the head (ARGV[4])
-- ARGV[5]  bytes in front of the entry's messages
-- ARGV[6]  the channel
-- ARGV[7]  the life whose rows change
-- ARGV[8]  '1' to change rows only if it holds a lease, '0' only if it holds none
-- ARGV[9]  milliseconds to keep everything, should nobody ask again
-- ARGV[10..] for each change: '+' enter, '=' enter and replace the user's info, '-' leave; row; user; info
--
-- Returns whether rows could be changed (1 or 0; then nothing was done), and how many left.
-- Error NOEPOCH when the data set has lost its epoch: nothing was done. Needs log-0.lua in front.
--
-- Atomic: rows, users and what is told of them never differ. A change that was carried out already does nothing and tells
-- nothing, so any of them may be repeated, and of several that sweep a life each row is removed by one.

local rows, users, leases, places = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local channel, life = ARGV[6], ARGV[7]

local lineage = lineage_of(KEYS[7])
if not lineage then
  return redis.error_reply(no_epoch)
end

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local ends = tonumber(redis.call('ZSCORE', leases, life) or '0')
if (ends > now) ~= (ARGV[8] == '1') then
  return { 0, 0 }
end

local packed = { ARGV[5] }
local user_count = redis.call('HLEN', users)
local row_count = tonumber(redis.call('HGET', rows, '#') or '0')
local own_count = tonumber(redis.call('HGET', rows, '@' .. life) or '0')
local left = 0

local function tell(type, user, info)
  local json = '{"type":"' .. type .. '","id":' .. user
  if info ~= '' then
    json = json .. ',"info":' .. info
  end
  json = json .. ',"users":' .. user_count .. ',"connections":' .. row_count .. '}'
  packed[#packed + 1] = '0,' .. #json .. ':' .. json
end

local function read_user(user)
  local known = redis.call('HGET', users, user)
  if not known then
    return 0, ''
  end
  local count, info = string.match(known, '^(%d+) (.*)$')
  return tonumber(count), info
end

local function enter(row, user, info, replaces)
  local is_new = redis.call('HSETNX', rows, row, user) == 1
  if is_new then
    row_count = row_count + 1
    own_count = own_count + 1
  end
  if user == '' or not (is_new or replaces) then
    return
  end
  local count, known = read_user(user)
  local next_info = (replaces or info ~= '') and info or known
  redis.call('HSET', users, user, (is_new and count + 1 or math.max(count, 1)) .. ' ' .. next_info)
  if count == 0 then
    user_count = user_count + 1
    tell('join', user, next_info)
  elseif next_info ~= known then
    tell('update', user, next_info)
  end
end

local function leave(row)
  local user = redis.call('HGET', rows, row)
  if not user then
    return
  end
  redis.call('HDEL', rows, row)
  row_count = row_count - 1
  own_count = own_count - 1
  left = left + 1
  if user == '' then
    return
  end
  local count, info = read_user(user)
  if count > 1 then
    redis.call('HSET', users, user, (count - 1) .. ' ' .. info)
  elseif count == 1 then
    redis.call('HDEL', users, user)
    user_count = user_count - 1
    tell('leave', user, '')
  end
end

for at = 10, #ARGV, 4 do
  local kind = ARGV[at]
  if kind == '-' then
    leave(ARGV[at + 1])
  else
    enter(ARGV[at + 1], ARGV[at + 2], ARGV[at + 3], kind == '=')
  end
end

if own_count > 0 then
  redis.call('HSET', rows, '@' .. life, own_count)
  redis.call('ZADD', places, 0, life .. ' ' .. channel)
else
  redis.call('HDEL', rows, '@' .. life)
  redis.call('ZREM', places, life .. ' ' .. channel)
end
if row_count > 0 then
  redis.call('HSET', rows, '#', row_count)
else
  redis.call('HDEL', rows, '#')
end
for at = 1, 4 do
  redis.call('PEXPIRE', KEYS[at], ARGV[9])
end

if #packed > 1 then
  local entry = table.concat(packed)
  append_to(KEYS[5], KEYS[6], 'PUBLISH', ARGV[1], lineage, entry, ARGV[2], ARGV[3], ARGV[4])
end
return { 1, left }
