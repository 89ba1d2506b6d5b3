-- kin.lua: a batch into the relatives of one shard, exactly once. Many workers move the same
-- relative at the same time, so its record is merged here.
--
-- KEYS[1]  hash     {tag}:log   of this shard: watermarks
-- ARGV[1]  msgpack  ranges, each [field of the watermark, first offset, offset after the last]
-- ARGV[2]  msgpack  keys of the relatives
-- ARGV[3]  bytes    a delta head for each
--
-- Returns ['applied', record, …], the new record of each; or ['stands', offset, …], see apply.lua.

local ranges = cmsgpack.unpack(ARGV[1])
local stands, ready = standing(ranges)
if not ready then return {'stands', unpack(stands)} end

local keys = cmsgpack.unpack(ARGV[2])
local reply, changes = {'applied'}, {}
for i, record in ipairs(read(keys)) do
  local merged = merge_kin(record, ARGV[3], @kin.head_bytes@ * (i - 1) + 1)
  reply[i + 1], changes[2 * i - 1], changes[2 * i] = merged, keys[i], merged
end
write(changes)
advance(ranges)
return reply
