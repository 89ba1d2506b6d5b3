-- decide.lua: makes a board's next list its decision, if nobody else has done so meanwhile.
--
-- KEYS[1]  hash     {board}:decision  sequence, decision, published
-- ARGV[1]  integer  the sequence number that the caller has built on
-- ARGV[2]  integer  the sequence number of the new decision, a larger one
-- ARGV[3]  bytes    the new decision
--
-- Returns 1 if this decision is in force, also when it was before (a repeated call), otherwise 0.

local stored = redis.call('HMGET', KEYS[1], 'sequence', 'decision')
if tonumber(stored[1] or '0') == tonumber(ARGV[1]) then
  redis.call('HSET', KEYS[1], 'sequence', ARGV[2], 'decision', ARGV[3])
  return 1
end
return stored[2] == ARGV[3] and 1 or 0
