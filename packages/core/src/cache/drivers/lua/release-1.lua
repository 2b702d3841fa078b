-- Ends a lease, if it is still the holder's.
--
-- KEYS[1]  string, the lease: its holder
-- ARGV[1]  holder
--
-- Returns 1 if it ended the lease, 0 otherwise. Atomic: never ends a lease that somebody else has taken meanwhile.

if redis.call('GET', KEYS[1]) == ARGV[1] then
  return redis.call('DEL', KEYS[1])
end
return 0
