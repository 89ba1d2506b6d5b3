-- merge.lua: how a stored @name@ record and a delta become one. scripts.py fills in, between the @s,
-- what depends on the layout: a local variable for each field, which is several times faster than a
-- table. Both are [schema, length of each list, fields…], then the lists.

local @name@_at = { @at@ }
local @name@_keep = { @keep@ }
local @name@_upgrades = { @upgrades@ }

local function current_@name@(record)
  local schema = struct.unpack('<H', record)
  if schema == @schema@ then return record end
  if not @name@_upgrades[schema] then
    error('SCHEMA a stored @name@ record has schema ' .. schema .. ', this streamer writes @schema@')
  end
  return @name@_upgrades[schema](record)
end

-- The delta is at `at` in `heads`, its lists at `tail_at` in `tails`; `stored` may be false.
-- Returns the merged record and the bytes of the delta's lists.
local function merge_@name@(stored, heads, at, tails, tail_at)
  local b_schema, @added@ = struct.unpack('@format@', heads, at)
  local bytes = 4 * (@added_lengths@)
  if not stored then
    return string.sub(heads, at, at + @head_bytes@ - 1)
      .. string.sub(tails, tail_at, tail_at + bytes - 1), bytes
  end
  stored = current_@name@(stored)
  local _, @stored@ = struct.unpack('@format@', stored)

  local factor
  if a_last_time < b_last_time then
    local age = b_last_time - a_last_time
    a_last_time = b_last_time
    @decay_stored@
  elseif a_last_time > b_last_time then
    local age = a_last_time - b_last_time
    @decay_added@
  end
  @keep_least@
  @keep_greatest@

  local tail = string.sub(stored, @head_bytes@ + 1)
  if bytes > 0 then
    tail, @stored_lists@ =
      merge_lists(tail, {@stored_lists@}, tails, tail_at, {@added_lists@}, @name@_keep)
  end
  return struct.pack('@format@c0', @schema@, @merged@, tail), bytes
end
