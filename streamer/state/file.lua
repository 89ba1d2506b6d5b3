-- file.lua: files items on one board. What is older than what stands there is ignored, so neither a
-- repeated call nor a worker that was away brings an old score back.
--
-- KEYS[1]  zset     {board}:ranking  item → score; only items that may be listed
-- KEYS[2]  hash     {board}:filed    item → version and time of its last filing, two f64
-- ARGV[1]  msgpack  [[item, version, time, score or false], …]; false takes the item off
--
-- Returns how many items were filed.

local filed = 0
for _, entry in ipairs(cmsgpack.unpack(ARGV[1])) do
  local item, version, time, score = unpack(entry)
  local stored, newer = redis.call('HGET', KEYS[2], item), true
  if stored then
    local stored_version, stored_time = struct.unpack('<dd', stored)
    newer = version > stored_version or (version == stored_version and time >= stored_time)
  end
  if newer then
    redis.call('HSET', KEYS[2], item, struct.pack('<dd', version, time))
    if score then
      redis.call('ZADD', KEYS[1], score, item)
    else
      redis.call('ZREM', KEYS[1], item)
    end
    filed = filed + 1
  end
end
return filed
