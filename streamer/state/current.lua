-- current.lua: a stored @name@ record in the current schema. scripts.py fills in, between the @s,
-- what depends on the layout.

local @name@_upgrades = { @upgrades@ }

local function current_@name@(record)
  local schema = unpack_('<H', record)
  if schema == @schema@ then return record end
  if not @name@_upgrades[schema] then
    error('SCHEMA a stored @name@ record has schema ' .. schema .. ', this streamer writes @schema@')
  end
  return @name@_upgrades[schema](record)
end
