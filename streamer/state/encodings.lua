-- encodings.lua: what the inference worker made of texts, into one shard. Encodings may come again
-- and in any order: a review counts once by its id, a description by the version of its text.
--
-- KEYS[1]  hash     {tag}:log    of this shard; names the slot
-- ARGV[1]  msgpack  descriptions: [[item, time, order, text id, fingerprint, vector], …]
-- ARGV[2]  msgpack  reviews:      [[item, review id, delta head], …]
-- ARGV[3]  bytes    the head of an item delta that changes nothing
--
-- Returns [item, [record, facts, content, reviews, early], item, […], …] for every item that
-- changed. An item without a record has expired; its encodings are dropped.

local touched = {}

-- The content of an item: [time, order, text id, {fingerprint = vector}]. A later text starts
-- anew; the same text read by another encoder is kept beside the first.
local function describe(entry)
  local id, time, order, text_id, fingerprint, vector = unpack(entry)
  local stored = call('GET', key('c', id))
  stored = stored and cmsgpack.unpack(stored) or {0, 0, '', {}}
  if later(time, order, stored[1], stored[2]) then
    stored = {time, order, text_id, {[fingerprint] = vector}}
  elseif time == stored[1] and order == stored[2] and not stored[4][fingerprint] then
    stored[4][fingerprint] = vector
  else
    return
  end
  call('SET', key('c', id), cmsgpack.pack(stored))
  touched[id] = (touched[id] or 0) + 1
end

local function review(entry)
  local id, review_id, delta = unpack(entry)
  if call('SADD', key('s', id), review_id) == 0 then return end
  call('SET', key('r', id), (merge_reviews(call('GET', key('r', id)), delta, 1, '', 1)))
  touched[id] = (touched[id] or 0) + 1
end

local function known(id) return call('EXISTS', key('i', id)) == 1 end

for _, entry in ipairs(cmsgpack.unpack(ARGV[1])) do
  if known(entry[1]) then describe(entry) end
end
for _, entry in ipairs(cmsgpack.unpack(ARGV[2])) do
  if known(entry[1]) then review(entry) end
end

-- An item's version and aux counts grow by what changed beside its record.
local reply = {}
for id, count in pairs(touched) do
  local record = merge_item(call('GET', key('i', id)), ARGV[3], 1, '', 1)
  local version, aux = unpack_('<dd', record, item_at.version)
  record = sub(record, 1, item_at.version - 1) .. pack('<dd', version + count, aux + count)
    .. sub(record, item_at.aux + 8)
  call('SET', key('i', id), record)
  reply[#reply + 1], reply[#reply + 2] = id, {record, beside(id)}
end
return reply
