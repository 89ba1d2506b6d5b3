-- records.lua: what the scripts share; stands before merge.lua.

local pack, unpack_, sub, call = struct.pack, struct.unpack, string.sub, redis.call

-- Every key of a call carries the hash tag of KEYS[1] and so lives in the same slot.
local tag = string.match(KEYS[1], '^{.-}')

local function key(kind, id) return tag .. ':' .. kind .. ':' .. id end

local function lines(text)
  local found = {}
  for line in string.gmatch(text, '[^\n]+') do found[#found + 1] = line end
  return found
end

-- MGET and MSET in portions that fit Lua's stack. `changes` is key, value, key, value, …
local function read(keys)
  local values = {}
  for first = 1, #keys, 4000 do
    local part = call('MGET', unpack(keys, first, math.min(first + 3999, #keys)))
    for i = 1, #part do values[first + i - 1] = part[i] end
  end
  return values
end

local function write(changes)
  for first = 1, #changes, 4000 do
    call('MSET', unpack(changes, first, math.min(first + 3999, #changes)))
  end
end

local function later(time, order, than_time, than_order)
  return time > than_time or (time == than_time and order > than_order)
end

-- What is kept beside an item's record: facts, content, reviews, early behaviour.
local function beside(id)
  return unpack(read({key('f', id), key('c', id), key('r', id), key('e', id)}))
end

-- Lists hold distinct big-endian u32; one that has grown to the length it keeps is ascending.

local function ascending(list)
  local numbers = {}
  for at = 1, #list, 4 do numbers[#numbers + 1] = unpack_('>I4', list, at) end
  table.sort(numbers)
  for i, number in ipairs(numbers) do numbers[i] = pack('>I4', number) end
  return table.concat(numbers)
end

-- Whether the list from `first` up to, not including, `past` in `tail` holds the value.
local function holds(tail, first, past, value)
  local at = string.find(tail, value, first, true)
  while at and at < past and (at - first) % 4 ~= 0 do at = string.find(tail, value, at + 1, true) end
  return at and at < past
end

-- The list with a value that it does not hold, or its `keep` smallest.
local function insert(list, value, keep)
  if #list == 4 * keep and unpack_('>I4', value) > unpack_('>I4', list, #list - 3) then return list end
  list = list .. value
  if #list < 4 * keep then return list end
  return sub(ascending(list), 1, 4 * keep)
end

-- The stored lists, behind one another in `tail`, united with those at `at` in `tails`.
local function merge_lists(tail, stored, tails, at, added, keep)
  local first = 1
  for i = 1, #keep do
    for from = at, at + 4 * added[i] - 4, 4 do
      local value, past = sub(tails, from, from + 3), first + 4 * stored[i]
      if not holds(tail, first, past, value) then
        local list = insert(sub(tail, first, past - 1), value, keep[i])
        tail = sub(tail, 1, first - 1) .. list .. sub(tail, past)
        stored[i] = #list / 4
      end
    end
    first, at = first + 4 * stored[i], at + 4 * added[i]
  end
  return tail, unpack(stored)
end
