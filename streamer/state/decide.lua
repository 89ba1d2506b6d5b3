-- decide.lua: makes a board's next list its decision, if nobody else has done so meanwhile.
--
-- KEYS[1]  hash     {board}:decision  sequence, decision, published
-- ARGV[1]  integer  the sequence number that the caller has built on
-- ARGV[2]  bytes    the new decision, to be stored under the next sequence number
--
-- Returns the sequence number in force: ARGV[1] + 1 if this decision is it.

local sequence = tonumber(redis.call('HGET', KEYS[1], 'sequence') or '0')
if sequence ~= tonumber(ARGV[1]) then return sequence end
redis.call('HSET', KEYS[1], 'sequence', sequence + 1, 'decision', ARGV[2])
return sequence + 1
