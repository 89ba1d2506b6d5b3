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

local function holds(list, value)
  local at = string.find(list, value, 1, true)
  while at and at % 4 ~= 1 do at = string.find(list, value, at + 1, true) end
  return at
end

-- A full list with a value that it does not hold, which is smaller than its last.
local function insert(list, value, number)
  local from, to = 0, #list / 4 - 1
  while from < to do
    local middle = math.floor((from + to) / 2)
    if unpack_('>I4', list, 4 * middle + 1) < number then from = middle + 1 else to = middle end
  end
  return sub(list, 1, 4 * from) .. value .. sub(list, 4 * from + 1, -5)
end

-- The list with a value, or the `keep` smallest of both.
local function with(list, value, keep)
  local number, room = unpack_('>I4', value), 4 * keep - #list
  if room == 0 and number > unpack_('>I4', list, #list - 3) or holds(list, value) then return list end
  if room == 0 then return insert(list, value, number) end
  if room == 4 then return ascending(list .. value) end
  return list .. value
end

-- The stored lists, behind one another in `tail`, united with those at `at` in `tails`.
local function merge_lists(tail, stored, tails, at, added, keep)
  local first = 1
  for i = 1, #keep do
    if added[i] > 0 then
      local before = sub(tail, first, first + 4 * stored[i] - 1)
      local list = before
      for from = at, at + 4 * added[i] - 4, 4 do
        list = with(list, sub(tails, from, from + 3), keep[i])
      end
      if list ~= before then
        tail = sub(tail, 1, first - 1) .. list .. sub(tail, first + #before)
        stored[i] = #list / 4
      end
      at = at + 4 * added[i]
    end
    first = first + 4 * stored[i]
  end
  return tail, unpack(stored)
end
