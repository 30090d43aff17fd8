--- Values that JSON has and Lua has not: null, and the empty array. The worker's
--- codec takes both from here, so that what is decoded is what this module knows.
local null = require("cjson").null

local error, next, type, rawlen = error, next, type, rawlen
local format = string.format
local getmetatable, setmetatable = getmetatable, setmetatable

local values = {}

--- JSON's null: a light userdata, equal to `cjson.null`.
values.null = null

--- The mark of an array. Every array that was decoded from JSON carries it.
values.array_metatable = { __name = "kaa.array" }

--- Marks a table as an array, so that an empty one becomes `[]`.
---@param list table|nil the table to mark; a new one where nil
---@return table list the same table: `values.array {}` → `[]`
function values.array(list)
  if list ~= nil and type(list) ~= "table" then
    error(format("kaa.array takes a table, got a %s; write: kaa.array { … }", type(list)), 2)
  end
  return setmetatable(list or {}, values.array_metatable)
end

--- Whether a table has the keys 1 to n and no other.
---@param list table
---@return boolean
function values.is_sequence(list)
  local count = 0
  for _ in next, list do
    count = count + 1
  end
  return count == rawlen(list)
end

--- Whether a value is an array for JSON: marked, or not empty with the keys 1 to n.
---@param value any
---@return boolean `values.is_array { 1, 2 }` → true; `values.is_array {}` → false
function values.is_array(value)
  if type(value) ~= "table" then
    return false
  end
  if getmetatable(value) == values.array_metatable then
    return true
  end
  return next(value) ~= nil and values.is_sequence(value)
end

--- Whether a value is an object for JSON: not marked, and all keys are strings.
---@param value any
---@return boolean `values.is_object {}` → true; `values.is_object { 1, a = 2 }` → false
function values.is_object(value)
  if type(value) ~= "table" or getmetatable(value) == values.array_metatable then
    return false
  end
  for key in next, value do
    if type(key) ~= "string" then
      return false
    end
  end
  return true
end

--- Whether a value is a table that is an array, or could be: `{}` without a mark.
---@param value any
---@return boolean
function values.may_be_array(value)
  return values.is_array(value) or type(value) == "table" and next(value) == nil
end

local function copied(value, seen)
  if type(value) ~= "table" then
    return value
  end
  if seen[value] then
    return seen[value]
  end
  local is_marked = getmetatable(value) == values.array_metatable
  local copy = is_marked and setmetatable({}, values.array_metatable) or {}
  seen[value] = copy
  for key, element in next, value do
    copy[key] = copied(element, seen)
  end
  return copy
end

--- Copies a value with all tables in it; marks of arrays are kept. Another metatable is
--- not: it may have a finalizer, which no time limit reaches.
---@param value any
---@return any copy
function values.copy(value)
  return copied(value, {})
end

return values
