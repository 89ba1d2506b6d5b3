-- apply.lua: a batch into one shard, exactly once: the records of its items, as the caller has
-- merged them from those it has read, and all watermarks, together or not at all.
--
-- KEYS[1]   hash     {tag}:log   of this shard: watermarks, event counts, clock
-- ARGV[1]   msgpack  ranges, each [field of the watermark <phase>:<log>:<partition>, first offset,
--                    offset after the last, events applied here, duplicates, dead letters]
-- ARGV[2]   number   largest event time in seconds, or ''
-- ARGV[3]   msgpack  [key, new etag and record, key, …] of the items
-- ARGV[4]   bytes    for each the etag, 8 bytes, of the record that the new one was made from
-- ARGV[5]   msgpack  catalogue facts, an entry an item:
--                    [id, time, order, origin, launch, kin, facts, withdrawn, withdrawal's order]
-- ARGV[6]   msgpack  users: [[id, …], [pairs of each, …], [time, item, time, item, …]]
-- ARGV[7]   integer  seconds after which a silent user is forgotten
-- ARGV[8]   integer  items remembered of a user
--
-- Returns one of
--   ['applied']               records and watermarks have moved together
--   ['stands', offset, …]     the shard does not stand where the ranges begin, but there; -1 where
--                             it does not know the log. Nothing was changed.
--   ['changed', place, …]     the records at these places, from 0, were changed by somebody else.
--                             Nothing was changed.

local ranges = cmsgpack.unpack(ARGV[1])
local stands, ready = standing(ranges)
if not ready then return {'stands', unpack(stands)} end

local records, keys = cmsgpack.unpack(ARGV[3]), {}
for i = 1, #records, 2 do keys[#keys + 1] = records[i] end

local expected, changed, strangers = ARGV[4], {'changed'}, {}
local id_at = #key('i', '') + 1
for i, value in ipairs(read(keys)) do
  local etag, from = value and sub(value, 1, ETAG_BYTES) or NO_ETAG, ETAG_BYTES * (i - 1)
  if etag ~= sub(expected, from + 1, from + ETAG_BYTES) then changed[#changed + 1] = i - 1 end
  if not value then
    strangers[#strangers + 1], strangers[#strangers + 2] = 0, sub(keys[i], id_at)
  end
end
if #changed > 1 then return changed end

-- An item comes up for the first time: where in the log it did, its launch and its kin stay for
-- ever. Behaviour that was there before it is set aside with the watermarks of this moment, to be
-- carried to the kin once.
local function first_seen(entry, stored, changes)
  local early = call('GET', key('i', entry[1]))
  if early then
    local log = call('HGETALL', KEYS[1])
    changes[#changes + 1] = key('e', entry[1])
    changes[#changes + 1] = cmsgpack.pack({sub(early, ETAG_BYTES + 1), log})
  end
  for i = 2, 7 do stored[i - 1] = entry[i] end
end

-- Of the upserts and of the withdrawals the one with the latest (time, order) wins.
local function catalogue(entries, changes)
  for _, entry in ipairs(entries) do
    local stored = call('GET', key('f', entry[1]))
    stored = stored and cmsgpack.unpack(stored) or {0, 0, '', 0, '', '', 0, 0}
    if stored[3] == '' and entry[7] ~= '' then
      first_seen(entry, stored, changes)
    elseif entry[7] ~= '' and later(entry[2], entry[3], stored[1], stored[2]) then
      stored[1], stored[2], stored[6] = entry[2], entry[3], entry[7]
    end
    if later(entry[8], entry[9], stored[7], stored[8]) then
      stored[7], stored[8] = entry[8], entry[9]
    end
    changes[#changes + 1], changes[#changes + 2] = key('f', entry[1]), cmsgpack.pack(stored)
  end
end

local function remember(users, counts, pairs)
  local from = 1
  for i = 1, #users do
    local to = from + 2 * counts[i] - 1
    call('ZADD', key('u', users[i]), 'GT', unpack(pairs, from, to))
    call('ZREMRANGEBYRANK', key('u', users[i]), 0, -1 - tonumber(ARGV[8]))
    call('EXPIRE', key('u', users[i]), ARGV[7])
    from = to + 1
  end
end

-- Everything is computed before anything is written, and what may be written twice comes first: an
-- error leaves the shard as it was, as far as anything is counted.
local changes = {}
if ARGV[5] ~= '' then catalogue(cmsgpack.unpack(ARGV[5]), changes) end

if ARGV[6] ~= '' then remember(unpack(cmsgpack.unpack(ARGV[6]))) end
for first = 1, #strangers, PORTION do
  call('ZADD', tag .. ':known', unpack(strangers, first, math.min(first + PORTION - 1, #strangers)))
end
if ARGV[2] ~= '' and tonumber(ARGV[2]) > tonumber(call('HGET', KEYS[1], 'clock') or 0) then
  call('HSET', KEYS[1], 'clock', ARGV[2])
end
write(changes)
write(records)
advance(ranges)
return {'applied'}
