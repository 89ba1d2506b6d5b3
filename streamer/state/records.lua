-- records.lua: what the scripts share; stands before merge.lua.

local pack, unpack_, sub, call = struct.pack, struct.unpack, string.sub, redis.call

-- Every key of a call carries the hash tag of KEYS[1] and so lives in the same slot.
local tag = string.match(KEYS[1], '^{.-}')

-- An item's record stands behind its etag; NO_ETAG is that of an item without a record.
local ETAG_BYTES, NO_ETAG = 8, string.rep('\0', 8)

-- Arguments and values are handed on in portions that fit Lua's stack.
local PORTION = 4000

-- While a cluster moves the slot of these keys, those that are elsewhere look as if there were none.
-- This call is refused then, for one of its keys is nowhere, and with it the script.
call('MGET', KEYS[1], tag .. ':none')

local function key(kind, id) return tag .. ':' .. kind .. ':' .. id end

local function lines(text)
  local found = {}
  for line in string.gmatch(text, '[^\n]+') do found[#found + 1] = line end
  return found
end

local function read(keys)
  if #keys > 0 and #keys <= PORTION then return call('MGET', unpack(keys)) end
  local values = {}
  for first = 1, #keys, PORTION do
    local part = call('MGET', unpack(keys, first, math.min(first + PORTION - 1, #keys)))
    for i = 1, #part do values[first + i - 1] = part[i] end
  end
  return values
end

-- `changes` is key, value, key, value, …
local function write(changes)
  for first = 1, #changes, PORTION do
    call('MSET', unpack(changes, first, math.min(first + PORTION - 1, #changes)))
  end
end

local function later(time, order, than_time, than_order)
  return time > than_time or (time == than_time and order > than_order)
end

-- Where this shard stands in each range, and whether that is where all of them begin. A range is
-- [field of the watermark, first offset, offset after the last, applied, duplicate, dead]; a log
-- that the shard does not know stands at -1.
local function standing(ranges)
  local stands, ready = {}, true
  for i, range in ipairs(ranges) do
    stands[i] = tonumber(call('HGET', KEYS[1], range[1]) or -1)
    ready = ready and stands[i] == range[2]
  end
  return stands, ready
end

local OUTCOMES = {'applied', 'duplicate', 'dead'}

-- Moves the shard to the end of each range, and counts what was there.
local function advance(ranges)
  for _, range in ipairs(ranges) do
    call('HSET', KEYS[1], range[1], range[3])
    for i, outcome in ipairs(OUTCOMES) do
      local count = range[3 + i]
      if count and count > 0 then
        call('HINCRBY', KEYS[1], outcome .. ':' .. range[1], count)
      end
    end
  end
end
