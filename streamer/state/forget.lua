-- forget.lua: removes everything of items that nothing has happened to for long, in one shard.
--
-- KEYS[1]  hash    {tag}:log
-- ARGV[1]  number  event time in seconds; an item with a later event is kept
-- ARGV[2]  lines   ids
--
-- Returns the ids that were removed.

local function last_time(record)
  return unpack_('<d', current_item(sub(record, ETAG_BYTES + 1)), item_at.last_time)
end

local removed = {}
for _, id in ipairs(lines(ARGV[2])) do
  local record = call('GET', key('i', id))
  if not record or last_time(record) <= tonumber(ARGV[1]) then
    for _, kind in ipairs({'i', 'f', 'c', 'r', 's', 'e'}) do call('DEL', key(kind, id)) end
    call('ZREM', tag .. ':known', id)
    removed[#removed + 1] = id
  end
end
return removed
