--- Applies a schema of fields to a value: fills in defaults, and finds everything
--- that does not fit at once. Used for a handler's `params` and `settings`, for
--- the handler's own keys and for the configuration file.
---
--- `null` counts as absent, unless the type is "any". A number with an integral
--- value counts as an integer, and becomes one. A table that is absent and has no
--- default stays absent; with `default = {}` its fields' defaults are filled in.
local schema = require "kaa.schema"
local suggest = require "kaa.suggest"
local text = require "kaa.text"
local values = require "kaa.values"

local find, format = string.find, string.format
local concat = table.concat
local getmetatable, ipairs, move, next = getmetatable, ipairs, table.move, next
local pcall, rawlen, type = pcall, rawlen, type
local math_type, tointeger = math.type, math.tointeger
local utf8_len = utf8.len
local null = values.null

local params = {}

local NAMES_SHOWN = 8
local FAULTS_MAX = 100 -- a payload of 256 kB can have tens of thousands

local function add_fault(faults, fault)
  if #faults < FAULTS_MAX then
    faults[#faults + 1] = fault
  end
end

--- A fault of a value that is not what its field expects.
local function misfit(field, value, path)
  return { path = path, kind = "misfit", expected = schema.expectation(field), got = value }
end

local function is_chosen(enum, value)
  for _, choice in ipairs(enum) do
    if choice == value then
      return true
    end
  end
  return false
end

local function count(map)
  local size = 0
  for _ in next, map do
    size = size + 1
  end
  return size
end

local function has_length(field, size)
  local least, most = schema.bounds(field.length)
  return size <= most and size >= (least or 0)
end

local function fits_number(field, value)
  return value == value and value ~= 1 / 0 and value ~= -1 / 0
    and value >= (field.min or value) and value <= (field.max or value)
end

--- A pattern that is too complex for a value raises: it does not match.
local function matches(value, wanted)
  local done, from = pcall(find, value, wanted)
  return done and from ~= nil
end

local function fits_string(field, value)
  return (not field.length or has_length(field, utf8_len(value) or #value))
    and (not field.pattern or matches(value, field.pattern))
end

--- The checks of the types that hold nothing: (field, value) → the value, or nil.
local SCALARS = {}

function SCALARS.string(field, value)
  return type(value) == "string" and fits_string(field, value) and value or nil
end

function SCALARS.number(field, value)
  return math_type(value) and fits_number(field, value) and value or nil
end

function SCALARS.integer(field, value)
  return math_type(value) and fits_number(field, value) and tointeger(value) or nil
end

function SCALARS.boolean(_, value)
  if type(value) == "boolean" then
    return value
  end
end

function SCALARS.any(_, value)
  return value
end

local examine, examine_fields

local function examine_array(field, value, path, faults)
  if not values.may_be_array(value) or field.length and not has_length(field, rawlen(value)) then
    add_fault(faults, misfit(field, value, path))
    return nil
  elseif not field.items then
    return getmetatable(value) and value or values.array(move(value, 1, rawlen(value), 1, {}))
  end
  local list = values.array {}
  for index = 1, rawlen(value) do
    local element = value[index]
    if element == nil or element == null and field.items.type ~= "any" then
      add_fault(faults, misfit(field.items, element, text.below(path, index)))
    else
      list[index] = examine(field.items, element, text.below(path, index), faults)
    end
  end
  return list
end

local function examine_table(field, value, path, faults)
  if not values.is_object(value) or field.length and not has_length(field, count(value)) then
    add_fault(faults, misfit(field, value, path))
    return nil
  end
  return field.fields and examine_fields(field.fields, value, path, faults) or value
end

--- Returns the value as its field has it; adds what does not fit to `faults`.
function examine(field, value, path, faults)
  if field.type == "table" then
    return examine_table(field, value, path, faults)
  elseif field.type == "array" then
    return examine_array(field, value, path, faults)
  end
  local fitting = SCALARS[field.type](field, value)
  if fitting == nil or field.enum and not is_chosen(field.enum, fitting) then
    add_fault(faults, misfit(field, value, path))
    return nil
  end
  return fitting
end

local function unknown(names, name, path)
  return { path = text.below(path, name), kind = "unknown", names = names,
    nearest = suggest.nearest(name, names) }
end

function examine_fields(fields, value, path, faults)
  local filled = {}
  local names = text.sorted_keys(fields)
  for _, name in ipairs(names) do
    local field, given = fields[name], value[name]
    if given == nil or given == null and field.type ~= "any" then
      if field.default ~= nil then
        filled[name] = examine(field, values.copy(field.default), text.below(path, name), faults)
      elseif field.required then
        add_fault(faults, { path = text.below(path, name), kind = "missing",
          expected = schema.expectation(field) })
      end
    else
      filled[name] = examine(field, given, text.below(path, name), faults)
    end
  end
  for _, name in ipairs(text.sorted_keys(value)) do
    if fields[name] == nil and #faults < FAULTS_MAX then
      add_fault(faults, unknown(names, name, path))
    end
  end
  return filled
end

local function unknown_text(fault)
  if fault.nearest then
    return format("unknown %s, did you mean %s?", fault.word or "field", text.quote(fault.nearest))
  elseif #fault.names == 0 or #fault.names > NAMES_SHOWN then
    return "unknown " .. (fault.word or "field")
  end
  return format("unknown %s, known: %s", fault.word or "field", concat(fault.names, ", "))
end

--- Puts a fault of params.examine into words, without its path.
---@param fault table
---@param is_secret boolean|nil whether the value must not be shown
---@return string message `expected integer, got "x"`
function params.message(fault, is_secret)
  if fault.kind == "unknown" then
    return unknown_text(fault)
  elseif fault.kind == "missing" then
    return "missing, expected " .. fault.expected
  elseif is_secret then
    return "expected " .. fault.expected
  end
  return format("expected %s, got %s", fault.expected, text.show(fault.got))
end

--- Applies a faultless schema to a value.
---@param fields table the schema
---@param value any a table, or nil or null for an empty one
---@return table filled the value with defaults, a new table; of no use where there are faults
---@return table[] faults each with `path` and `kind` ("misfit", "missing", "unknown"), for
---  params.message
function params.examine(fields, value)
  if value == nil or value == null then
    value = {}
  end
  local faults = {}
  local filled = examine_table({ type = "table", fields = fields }, value, {}, faults)
  return filled, faults
end

--- Applies a faultless schema to a value.
---@param fields table the schema
---@param value any a table, or nil or null for an empty one
---@param name string|nil what the value as a whole is called: "payload"
---@return table|nil filled the value with defaults, a new table
---@return string[]|nil messages all that does not fit: `slot: expected integer, got "x"`
---
---     params.apply({ slot = { type = "integer" } }, { slot = 3.0 }) → { slot = 3 }
function params.apply(fields, value, name)
  local filled, faults = params.examine(fields, value)
  if #faults == 0 then
    return filled, nil
  end
  local messages = {}
  for index, fault in ipairs(faults) do
    local place = #fault.path > 0 and text.path(fault.path) or name
    messages[index] = (place and place .. ": " or "") .. params.message(fault)
  end
  return nil, messages
end

--- Says why a default does not fit its field.
local function default_misfit(field, default)
  local faults = {}
  examine(field, default, {}, faults)
  local first = faults[1]
  if not first then
    return nil
  end
  local place = text.path(first.path)
  return (place ~= "" and place .. ": " or "") .. params.message(first)
end

--- Finds all faults of a schema itself: unknown keys, wrong types, a default that
--- does not fit.
---@param fields any the schema
---@param where string|nil the key that holds it, "params" or "settings"
---@return {path: (string|integer)[], message: string}[] faults none: an empty table
function params.check(fields, where)
  return schema.check(fields, { where }, default_misfit)
end

return params
