-- born.lua: makes the record of a store's birth, if nobody else has made it meanwhile.
--
-- KEYS[1]  hash           {<group>.birth}
-- ARGV     fields, values alternating: what the store is born with
--
-- Returns the record that there is, as HGETALL does.

if redis.call('EXISTS', KEYS[1]) == 0 then redis.call('HSET', KEYS[1], unpack(ARGV)) end
return redis.call('HGETALL', KEYS[1])
