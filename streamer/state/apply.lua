-- apply.lua: one chunk of one partition into one shard, exactly once, and what scoring needs back.
--
-- KEYS[1]   hash     {tag}:log   of this shard: watermarks, event counts, clock
-- ARGV[1]   string   field of the watermark: <phase>:<log>:<partition>
-- ARGV[2]   integer  first offset of the chunk
-- ARGV[3]   integer  offset after the chunk
-- ARGV[4]   number   largest event time in the chunk in seconds, or ''
-- ARGV[5]   string   three integers: events of the chunk applied here, duplicates, dead letters
-- ARGV[6]   string   what the records are: 'i' items, 'k' kin (their relatives)
-- ARGV[7]   lines    ids of the records
-- ARGV[8]   bytes    a delta head for each id
-- ARGV[9]   bytes    the lists of the deltas, behind one another
-- ARGV[10]  bytes    f64 for each item: the `aux` count of which the caller has the facts; '' for kin
-- ARGV[11]  msgpack  catalogue facts, an entry an item:
--                    [id, time, order, offset, launch, kin, facts, withdrawn, withdrawal's order]
-- ARGV[12]  msgpack  users: [[id, [time, item, time, item, …]], …]
-- ARGV[13]  integer  seconds after which a silent user is forgotten
-- ARGV[14]  integer  items remembered of a user
--
-- Returns [status, watermark, …]. Status is
--   'applied'  state and watermark have moved together
--   'before'   the watermark is at the chunk's end or past it: it was applied already
--   'inside'   the watermark is inside the chunk: nothing was changed; apply the rest from there
--   'gap'      the watermark is before the chunk: Redis has lost writes; read again from there
--   'unborn'   there is no watermark: this shard does not know the log
-- and for 'applied' and 'before' an entry for each id: its record, or, where the aux count is not
-- the caller's, [record, facts, content, reviews, early].
--
-- Everything is computed before anything is written, so an error leaves the shard as it was.

local log, field = KEYS[1], ARGV[1]
local first, last = tonumber(ARGV[2]), tonumber(ARGV[3])
local watermark = tonumber(call('HGET', log, field) or '')

if not watermark then return {'unborn', 0} end
if watermark < first then return {'gap', watermark} end
if watermark > first and watermark < last then return {'inside', watermark} end

local ids, keys = lines(ARGV[7]), {}
for i = 1, #ids do keys[i] = key(ARGV[6], ids[i]) end

local function answer(status, records)
  local reply = {status, math.max(watermark, last)}
  for i = 1, #ids do
    local record = records[i]
    if record and ARGV[10] ~= '' then
      record = current_item(record)
      local known, aux = unpack_('<d', ARGV[10], 8 * i - 7), unpack_('<d', record, item_at.aux)
      if known ~= aux then record = {record, beside(ids[i])} end
    end
    reply[2 + i] = record
  end
  return reply
end

if watermark >= last then return answer('before', read(keys)) end

-- An item comes up for the first time: where in the log it did, its launch and its kin stay for
-- ever. Behaviour that was there before it is set aside with the watermarks of this moment, to be
-- carried to the kin once.
local function first_seen(entry, stored, changes)
  local early = call('GET', key('i', entry[1]))
  if early then
    changes[#changes + 1] = key('e', entry[1])
    changes[#changes + 1] = cmsgpack.pack({early, call('HGETALL', log)})
  end
  for i = 2, 7 do stored[i - 1] = entry[i] end
  stored[3] = field .. ':' .. entry[4]
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

-- Merges every delta into its record; what is new to this shard is added to `strangers`.
local function merge_all(records, changes, strangers)
  local heads, tails, at, tail_at = ARGV[8], ARGV[9], 1, 1
  for i = 1, #keys do
    if not records[i] then
      strangers[#strangers + 1], strangers[#strangers + 2] = 0, ids[i]
    end
    local record, bytes = merge_item(records[i], heads, at, tails, tail_at)
    records[i], changes[#changes + 1], changes[#changes + 2] = record, keys[i], record
    at, tail_at = at + @item.head_bytes@, tail_at + bytes
  end
end

local function list_known(strangers)
  for first = 1, #strangers, 4000 do
    call('ZADD', tag .. ':known', unpack(strangers, first, math.min(first + 3999, #strangers)))
  end
end

local function remember(users)
  for _, user in ipairs(users) do
    call('ZADD', key('u', user[1]), 'GT', unpack(user[2]))
    call('ZREMRANGEBYRANK', key('u', user[1]), 0, -1 - tonumber(ARGV[14]))
    call('EXPIRE', key('u', user[1]), ARGV[13])
  end
end

local function count()
  local counts = {string.match(ARGV[5], '(%d+) (%d+) (%d+)')}
  for i, outcome in ipairs({'applied', 'duplicate', 'dead'}) do
    if counts[i] ~= '0' then call('HINCRBY', log, outcome .. ':' .. field, counts[i]) end
  end
  if ARGV[4] ~= '' and tonumber(ARGV[4]) > tonumber(call('HGET', log, 'clock') or '0') then
    call('HSET', log, 'clock', ARGV[4])
  end
end

local records, changes, strangers = read(keys), {}, {}
if ARGV[11] ~= '' then catalogue(cmsgpack.unpack(ARGV[11]), changes) end
merge_all(records, changes, strangers)

write(changes)
if ARGV[6] == 'i' then list_known(strangers) end
if ARGV[12] ~= '' then remember(cmsgpack.unpack(ARGV[12])) end
count()
call('HSET', log, field, ARGV[3])
return answer('applied', records)
