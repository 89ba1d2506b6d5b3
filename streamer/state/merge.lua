-- merge.lua: how a stored @name@ record and a delta become one. scripts.py fills in, between the @s,
-- what depends on the layout: a local variable for each field, which is several times faster than a
-- table. Both are [schema, fields…].

local function merge_@name@(stored, heads, at)
  local b_schema, @added@ = unpack_('@format@', heads, at)
  if not stored then return sub(heads, at, at + @head_bytes@ - 1) end
  local _, @stored@ = unpack_('@format@', current_@name@(stored))

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
  return pack('@format@', @schema@, @merged@)
end
