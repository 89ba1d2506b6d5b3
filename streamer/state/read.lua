-- read.lua: items of one shard as they are now, all as of the same moment.
--
-- KEYS[1]  hash   {tag}:log   only for its hash tag
-- ARGV[1]  lines  ids
--
-- Returns for each id, behind one another: etag and record, facts, content, reviews, early behaviour.

local keys = {}
for _, id in ipairs(lines(ARGV[1])) do
  local at = #keys
  keys[at + 1], keys[at + 2], keys[at + 3] = key('i', id), key('f', id), key('c', id)
  keys[at + 4], keys[at + 5] = key('r', id), key('e', id)
end
return read(keys)
