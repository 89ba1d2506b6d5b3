-- forget.lua: removes everything of items that nothing has happened to for long, in one shard.
--
-- KEYS[1]  hash   {tag}:log
-- ARGV[1]  lines  ids
-- ARGV[2]  bytes  for each the etag, 8 bytes, of the record by which it was decided that the item
--                 may go; one that has another record by now is kept
--
-- Returns the ids that are gone.

local gone = {}
for i, id in ipairs(lines(ARGV[1])) do
  local from = ETAG_BYTES * (i - 1)
  local etag = call('GETRANGE', key('i', id), 0, ETAG_BYTES - 1)
  if etag == '' or etag == sub(ARGV[2], from + 1, from + ETAG_BYTES) then
    for _, kind in ipairs({'i', 'f', 'c', 'r', 's', 'e'}) do call('DEL', key(kind, id)) end
    call('ZREM', tag .. ':known', id)
    gone[#gone + 1] = id
  end
end
return gone
