--- What a schema of fields may say, as in a handler's `params` and `settings`:
---
---     { slot = { type = "integer", min = 1, max = 9, required = true },
---       tags = { type = "array", items = { type = "string", length = { 1, 20 } } } }
---
--- kaa.params applies such a schema to values; this module puts it into words and
--- finds what is wrong with the schema itself.
local pattern = require "kaa.pattern"
local suggest = require "kaa.suggest"
local text = require "kaa.text"
local values = require "kaa.values"

local format = string.format
local concat = table.concat
local ipairs, next, tostring, type = ipairs, next, tostring, type
local math_type, tointeger = math.type, math.tointeger

local schema = {}

local TYPES = { "string", "number", "integer", "boolean", "table", "array", "any" }
local KEYS = { "type", "required", "default", "min", "max", "length", "pattern", "enum", "fields",
  "items", "summary" }

-- The types that a key says something about; the other keys go with every type.
local NUMBERS = { "integer", "number" }
local APPLIES = {
  min = NUMBERS, max = NUMBERS, length = { "string", "array", "table" }, pattern = { "string" },
  enum = { "string", "number", "integer", "any" }, fields = { "table" }, items = { "array" },
}

local UNITS = { string = "character", array = "element", table = "field" }

-- JSON is nested up to 64 deep, and a schema that holds itself without an end.
local MAX_DEPTH = 64

local function contains(list, wanted)
  for _, element in ipairs(list) do
    if element == wanted then
      return true
    end
  end
  return false
end

--- The bounds of a `length`, { least, most } or a maximum.
---@param length integer|integer[]
---@return integer|nil least
---@return integer most
function schema.bounds(length)
  if type(length) == "table" then
    return length[1], length[2]
  end
  return nil, length
end

local function choices(enum)
  local shown = {}
  for index, choice in ipairs(enum) do
    shown[index] = text.show(choice)
  end
  return (#shown > 1 and "one of " or "") .. concat(shown, ", ")
end

local function limits(field)
  if field.min and field.max then
    return format("%s from %s to %s", field.type, field.min, field.max)
  end
  return format(field.min and "%s of at least %s" or "%s of at most %s", field.type,
    field.min or field.max)
end

local function sized(field)
  local least, most = schema.bounds(field.length)
  local unit = UNITS[field.type] .. (most == 1 and "" or "s")
  if not least or least == 0 then
    return format("%s of at most %s %s", field.type, most, unit)
  elseif least == most then
    return format("%s of %s %s", field.type, most, unit)
  end
  return format("%s of %s to %s %s", field.type, least, most, unit)
end

--- Says what a field expects.
---@param field table a faultless field of a schema
---@return string expectation `schema.expectation { type = "integer", min = 1 }` →
---  `integer of at least 1`
function schema.expectation(field)
  if field.enum then
    return choices(field.enum)
  end
  local words = field.type == "any" and "a value" or field.type
  if field.min or field.max then
    words = limits(field)
  elseif field.length then
    words = sized(field)
  end
  return field.pattern and format("%s that matches %s", words, text.quote(field.pattern)) or words
end

--- The checks of one key each: (its value, the field) → nil, or what would be right.
local KEY_FAULTS = {}

function KEY_FAULTS.type(name)
  if not contains(TYPES, name) then
    return "expected one of " .. concat(TYPES, ", ")
  end
end

function KEY_FAULTS.required(flag)
  return type(flag) ~= "boolean" and "expected boolean" or nil
end

function KEY_FAULTS.summary(words)
  return type(words) ~= "string" and "expected string" or nil
end

local function is_number(value)
  return math_type(value) ~= nil and value == value
end

function KEY_FAULTS.min(least)
  return not is_number(least) and "expected number" or nil
end

function KEY_FAULTS.max(most, field)
  if not is_number(most) then
    return "expected number"
  elseif is_number(field.min) and field.min > most then
    return format("expected at least the min of %s", field.min)
  end
end

local function is_count(value)
  return math_type(value) and tointeger(value) and value >= 0
end

function KEY_FAULTS.length(length)
  local least, most = schema.bounds(length)
  local pair = type(length) == "table"
  if not is_count(most) or pair and not (is_count(least) and least <= most and #length == 2) then
    return "expected a maximum, or { least, most }"
  end
end

function KEY_FAULTS.pattern(words)
  if type(words) ~= "string" then
    return "expected a Lua pattern"
  end
  local fault = pattern.fault(words)
  return fault and "expected a Lua pattern (" .. fault .. ")"
end

function KEY_FAULTS.enum(list)
  local good = values.is_array(list) and #list > 0
  for _, choice in ipairs(good and list or {}) do
    good = good and (type(choice) == "string" or is_number(choice) or type(choice) == "boolean")
  end
  return not good and 'expected a list of strings or numbers, as in { "on", "off" }' or nil
end

--- Each choice is one that the field takes.
local function check_choices(field, path, faults, fits)
  local open = {}
  for key, value in next, field do
    open[key] = value
  end
  open.enum, open.default, open.required = nil, nil, nil
  for index, choice in ipairs(field.enum) do
    local misfit = fits(open, choice)
    if misfit then
      faults[#faults + 1] = { path = text.below(text.below(path, "enum"), index), message = misfit }
    end
  end
end

function KEY_FAULTS.fields(fields)
  return not values.is_object(fields) and "expected a table of fields" or nil
end

function KEY_FAULTS.items(field)
  return not values.is_object(field) and 'expected a field, as in { type = "string" }' or nil
end

function KEY_FAULTS.default(_, field)
  return field.required == true and "a required field has no use for a default" or nil
end

--- One key's fault, or nil.
local function key_fault(field, key)
  if not contains(KEYS, key) then
    local near = suggest.nearest(key, KEYS)
    return "unknown key, " .. (near and format('did you mean "%s"?', near)
      or "a field has " .. concat(KEYS, ", "))
  end
  local applies = APPLIES[key]
  if applies and contains(TYPES, field.type) and not contains(applies, field.type) then
    return format("does not go with type %s, only with %s", text.quote(field.type),
      concat(applies, ", "))
  end
  local fault = KEY_FAULTS[key](field[key], field)
  return fault and format("%s, got %s", fault, text.show(field[key]))
end

local check_fields, check_items

--- Adds the faults of one field.
local function check_field(field, path, faults, fits)
  local before = #faults
  local function add(key, message)
    faults[#faults + 1] = { path = text.below(path, key), message = message }
  end
  if #path > 2 * MAX_DEPTH then
    return add(nil, format("nested over %d deep, or it holds itself", MAX_DEPTH))
  elseif not values.is_object(field) then
    return add(nil, format('expected a field, as in { type = "string" }, got %s', text.show(field)))
  elseif field.type == nil then
    add(nil, "has no type; it is one of " .. concat(TYPES, ", "))
  end
  for _, key in ipairs(text.sorted_keys(field)) do
    local fault = key_fault(field, key)
    if fault then
      add(key, fault)
    elseif key == "fields" then
      check_fields(field.fields, text.below(path, "fields"), faults, fits)
    elseif key == "items" then
      check_items(field.items, text.below(path, "items"), faults, fits)
    end
  end
  if #faults == before and field.enum then
    check_choices(field, path, faults, fits)
  end
  if #faults == before and field.default ~= nil then
    local misfit = fits(field, field.default)
    if misfit then
      add("default", misfit)
    end
  end
end

function check_items(field, path, faults, fits)
  check_field(field, path, faults, fits)
  if field.default ~= nil then
    faults[#faults + 1] = { path = text.below(path, "default"),
      message = "an element of an array is always given, and has no use for a default" }
  end
end

function check_fields(fields, path, faults, fits)
  for _, name in ipairs(text.sorted_keys(fields)) do
    local place = text.below(path, name)
    if type(name) ~= "string" then
      faults[#faults + 1] = { path = place,
        message = format("expected a field's name, as in slot = { … }, got %s", tostring(name)) }
    else
      check_field(fields[name], place, faults, fits)
    end
  end
end

--- Finds all faults of a schema.
---@param fields any the schema
---@param path (string|integer)[] where it stands; the first part of each fault's path
---@param fits fun(field: table, default: any): string|nil says why a default does not fit
---@return {path: (string|integer)[], message: string}[] faults
function schema.check(fields, path, fits)
  local faults = {}
  if type(fields) ~= "table" then
    faults[1] = { path = path,
      message = 'expected a table of fields, as in { slot = { type = "integer" } }, got '
        .. text.show(fields) }
  else
    check_fields(fields, path, faults, fits)
  end
  return faults
end

return schema
