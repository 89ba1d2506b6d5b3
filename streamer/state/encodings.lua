-- encodings.lua: what the inference worker made of texts, one chunk into one shard. Encodings may
-- come again and in any order: a review counts once by its id, a description by the version of its
-- text. The watermark is there to show what Redis has lost.
--
-- KEYS[1]  hash     {tag}:log    of this shard: watermarks
-- ARGV[1]  string   field of the watermark: e:<log>:<partition>
-- ARGV[2]  integer  first offset of the chunk
-- ARGV[3]  integer  offset after the chunk
-- ARGV[4]  msgpack  descriptions: [[item, time, order, text id, fingerprint, vector], …]
-- ARGV[5]  msgpack  reviews:      [[item, review id, delta head], …]
-- ARGV[6]  bytes    an etag, 8 bytes, for the records that change
--
-- Returns ['applied', item, …] with every item named that has a record, changed or not; or
-- ['stands', offset] where the shard is behind the chunk, at -1 if it does not know the log. An item
-- without a record has expired, or its loss is still to be made good, and then its texts are sent
-- once more: its encodings are dropped.

local watermark = tonumber(call('HGET', KEYS[1], ARGV[1]) or -1)
if watermark < tonumber(ARGV[2]) then return {'stands', watermark} end

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
  touched[id] = touched[id] + 1
end

local function review(entry)
  local id, review_id, delta = unpack(entry)
  local merged = merge_reviews(call('GET', key('r', id)), delta, 1)
  if call('SADD', key('s', id), review_id) == 0 then return end
  call('SET', key('r', id), merged)
  touched[id] = touched[id] + 1
end

local function each(entries, apply)
  for _, entry in ipairs(cmsgpack.unpack(entries)) do
    local id = entry[1]
    if touched[id] or call('EXISTS', key('i', id)) == 1 then
      touched[id] = touched[id] or 0
      apply(entry)
    end
  end
end

each(ARGV[4], describe)
each(ARGV[5], review)

-- An item's version and aux counts grow by what changed beside its record.
local reply = {'applied'}
for id, count in pairs(touched) do
  if count > 0 then
    local record = sub(call('GET', key('i', id)), ETAG_BYTES + 1)
    local version, aux = unpack_('<dd', record, @item.version_at@)
    call('SET', key('i', id), ARGV[6] .. sub(record, 1, @item.version_at@ - 1)
      .. pack('<dd', version + count, aux + count) .. sub(record, @item.version_at@ + 16))
  end
  reply[#reply + 1] = id
end
call('HSET', KEYS[1], ARGV[1], math.max(watermark, tonumber(ARGV[3])))
return reply
