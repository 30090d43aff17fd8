--- Words for people: how values and foreign texts appear in messages and reasons.
local values = require "kaa.values"

local byte, find, format = string.byte, string.find, string.format
local gsub, match, sub = string.gsub, string.match, string.sub
local concat, sort, unpack = table.concat, table.sort, table.unpack
local ipairs, next, tostring, type = ipairs, next, tostring, type
local utf8_len = utf8.len

local text = {}

local REPLACEMENT = "\u{FFFD}"
local SHOWN_BYTES = 40

local function with_valid_utf8(line)
  local parts, from = {}, 1
  while true do
    local length, bad = utf8_len(line, from)
    if length then
      parts[#parts + 1] = sub(line, from)
      return concat(parts)
    end
    parts[#parts + 1] = sub(line, from, bad - 1) .. REPLACEMENT
    from = bad + 1
  end
end

local function cut_at_character(line, limit_bytes)
  if #line <= limit_bytes then
    return line
  end
  local last = limit_bytes
  while last > 0 and byte(line, last + 1) & 0xC0 == 0x80 do
    last = last - 1
  end
  return sub(line, 1, last)
end

--- Makes one line of valid UTF-8: runs of control characters become a space (none
--- at either end), invalid bytes U+FFFD, and the end is cut at a character.
---@param line string any bytes
---@param limit_bytes integer
---@return string `text.one_line("a\r\nb\n", 256)` → `"a b"`
function text.one_line(line, limit_bytes)
  if #line <= limit_bytes and not find(line, "[\0-\31\127-\255]") then
    return line
  end
  if #line > 16 * limit_bytes then
    line = sub(line, 1, 16 * limit_bytes)
  end
  line = with_valid_utf8(line)
  line = gsub(line, "\xC2[\x80-\x9F]", "\n") -- U+0080 to U+009F: control characters, too
  line = gsub(line, "\xE2\x80[\xA8\xA9]", "\n") -- U+2028, U+2029: line separators
  line = match(line, "^[\0-\31\127]*(.-)[\0-\31\127]*$")
  line = gsub(line, "[\0-\31\127]+", " ")
  return cut_at_character(line, limit_bytes)
end

--- Quotes a text for a message; a long one is cut.
---@param line string any bytes
---@return string `text.quote "slot"` → `"slot"` with the quotes
function text.quote(line)
  local shown = text.one_line(line, SHOWN_BYTES)
  local rest = #line > SHOWN_BYTES and "…" or ""
  return '"' .. gsub(shown, '["\\]', "\\%0") .. rest .. '"'
end

--- Says what a value is, as in "expected integer, got …".
---@param value any
---@return string `text.show(3)` → `3`; `text.show {}` → `an empty table`
function text.show(value)
  local kind = type(value)
  if kind == "string" then
    return text.quote(value)
  elseif kind == "number" or kind == "boolean" then
    return value == value and tostring(value) or "NaN"
  elseif value == nil then
    return "nothing"
  elseif value == values.null then
    return "null"
  elseif kind ~= "table" then
    return "a " .. kind
  elseif values.is_array(value) then
    return #value == 0 and "an empty array" or "an array"
  elseif not values.is_object(value) then
    return "a table with names and numbers as keys"
  end
  return next(value) == nil and "an empty table" or "a table"
end

--- Writes a path of keys.
---@param path (string|integer)[]
---@return string `text.path { "settings", "taken", 2 }` → `settings.taken[2]`
function text.path(path)
  local parts = {}
  for index, key in ipairs(path) do
    if type(key) ~= "string" then
      parts[index] = format("[%s]", tostring(key))
    elseif not find(key, "^[%a_][%w_-]*$") then
      parts[index] = format("[%s]", text.quote(key))
    else
      parts[index] = (index > 1 and "." or "") .. key
    end
  end
  return concat(parts)
end

--- The path of a key below a path.
---@param path (string|integer)[] not changed
---@param key string|integer
---@return (string|integer)[] `text.below({ "settings" }, "pin")` → `{ "settings", "pin" }`
function text.below(path, key)
  local longer = { unpack(path) }
  longer[#longer + 1] = key
  return longer
end

local function comes_before(a, b)
  if type(a) == type(b) and (type(a) == "string" or type(a) == "number") then
    return a < b
  end
  return tostring(a) < tostring(b)
end

--- The keys of a table in a fixed order, for messages that read the same each time.
---@param map table
---@return any[] keys
function text.sorted_keys(map)
  local keys = {}
  for key in next, map do
    keys[#keys + 1] = key
  end
  sort(keys, comes_before)
  return keys
end

return text
