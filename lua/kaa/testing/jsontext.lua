--- JSON for specs, exact like the worker's codec (src/base/jsontext.h), which
--- plain Lua cannot load: integers stay integers, 3.0 stays 3.0, [] and {} differ,
--- and what the worker refuses is refused here.
local text = require "kaa.text"
local values = require "kaa.values"

local jsontext = {}

jsontext.MAX_DEPTH = 64
jsontext.MAX_BYTES = 256 * 1024

local ESCAPES = {
  ['"'] = '\\"', ["\\"] = "\\\\", ["\b"] = "\\b", ["\f"] = "\\f", ["\n"] = "\\n", ["\r"] = "\\r",
  ["\t"] = "\\t",
}
local UNESCAPES = {
  ['"'] = '"', ["\\"] = "\\", ["/"] = "/", b = "\b", f = "\f", n = "\n", r = "\r", t = "\t",
}

-- A path begins with the root's name, so that its length is the depth.

local function fault(path, message)
  error({ fault = text.path(path) .. ": " .. message }, 0)
end

local function write_string(words, path)
  if not utf8.len(words) then
    fault(path, "not valid UTF-8")
  end
  return '"' .. words:gsub('[\0-\31"\\]', function(char)
    return ESCAPES[char] or ("\\u%04x"):format(char:byte())
  end) .. '"'
end

local function write_number(number, path)
  if math.type(number) == "integer" then
    return ("%d"):format(number)
  elseif number ~= number then
    fault(path, "NaN has no JSON form")
  elseif number - number ~= 0 then
    fault(path, "an infinite number has no JSON form")
  end
  for digits = 15, 17 do
    local words = ("%." .. digits .. "g"):format(number)
    if tonumber(words) == number then
      return words:find("[.e]") and words or words .. ".0"
    end
  end
end

local write

local function write_array(list, path)
  local parts = {}
  for index = 1, #list do
    parts[index] = write(list[index], text.below(path, index))
  end
  return "[" .. table.concat(parts, ",") .. "]"
end

local function write_object(object, path)
  local parts = {}
  for _, key in ipairs(text.sorted_keys(object)) do
    local below = text.below(path, key)
    if key:find("\0", 1, true) then
      fault(path, "a name holds a NUL byte")
    end
    parts[#parts + 1] = write_string(key, below) .. ":" .. write(object[key], below)
  end
  return "{" .. table.concat(parts, ",") .. "}"
end

local function write_table(value, path)
  if #path > jsontext.MAX_DEPTH then
    fault(path, ("nested deeper than %d (is it inside itself?)"):format(jsontext.MAX_DEPTH))
  end
  if values.is_array(value) and values.is_sequence(value) then
    return write_array(value, path)
  elseif values.is_object(value) then
    return write_object(value, path)
  end
  fault(path, "a list with gaps, or with names beside its elements")
end

function write(value, path)
  local kind = type(value)
  if value == values.null then
    return "null"
  elseif kind == "boolean" then
    return tostring(value)
  elseif kind == "number" then
    return write_number(value, path)
  elseif kind == "string" then
    return write_string(value, path)
  elseif kind == "table" then
    return write_table(value, path)
  elseif value == nil then
    fault(path, "nil has no JSON form; null is kaa.null")
  end
  fault(path, "a " .. kind .. " has no JSON form")
end

--- Calls and turns the faults of this module into nil, message.
local function protected(work, ...)
  local done, outcome = pcall(work, ...)
  if done then
    return outcome
  elseif type(outcome) == "table" and outcome.fault then
    return nil, outcome.fault
  end
  error(outcome, 0)
end

--- Writes a value as JSON, the members of objects sorted.
---@param value any
---@param root string|nil its name in messages; "value" where nil
---@return string|nil json `jsontext.encode { a = 3.0 }` → `{"a":3.0}`
---@return string|nil message with the path: `payload.f: a function has no JSON form`
function jsontext.encode(value, root)
  return protected(write, value, { root or "value" })
end

local function bad(at, message)
  error({ fault = ("position %d: %s"):format(at - 1, message) }, 0)
end

local function after_space(json, at)
  return json:find("[^ \t\r\n]", at) or #json + 1
end

--- The code point of \uXXXX at `at` with its second half, and the place after it.
local function code_point(json, at)
  local high = tonumber(json:match("^\\u(%x%x%x%x)", at) or bad(at, "bad escape"), 16)
  if high < 0xD800 or high > 0xDFFF then
    return high, at + 6
  end
  local low = tonumber(json:match("^\\u([dD][c-fC-F]%x%x)", at + 6) or "", 16)
  if high > 0xDBFF or not low then
    bad(at, "half a surrogate pair")
  end
  return 0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00), at + 12
end

local function read_string(json, at)
  local parts, from = {}, at + 1
  while true do
    local stop = json:find('["\\%c]', from) or bad(at, "a string that does not end")
    parts[#parts + 1] = json:sub(from, stop - 1)
    local char = json:sub(stop, stop)
    if char == '"' then
      return table.concat(parts), stop + 1
    elseif char == "\127" then
      parts[#parts + 1], from = char, stop + 1
    elseif char ~= "\\" then
      bad(stop, "a raw control character")
    elseif UNESCAPES[json:sub(stop + 1, stop + 1)] then
      parts[#parts + 1], from = UNESCAPES[json:sub(stop + 1, stop + 1)], stop + 2
    else
      local code, following = code_point(json, stop)
      parts[#parts + 1], from = utf8.char(code), following
    end
  end
end

local function read_number(json, at)
  local words = json:match("^-?%d+%.?%d*[eE]?[+-]?%d*", at) or bad(at, "no value of JSON")
  local whole, rest = words:match("^-?(%d+)(.*)$")
  local fraction, exponent = rest:match("^(%.?%d*)(.*)$")
  local is_whole = exponent == "" or exponent:find "^[eE][+-]?%d+$"
  if whole:find "^0%d" or fraction == "." or not is_whole then
    bad(at, "bad number")
  end
  local number = rest == "" and math.tointeger(tonumber(words)) or rest ~= "" and tonumber(words)
  if not number or math.type(number) == "float" and number - number ~= 0
      or rest == "" and ("%d"):format(number) ~= words and words ~= "-0" then
    bad(at, "a number that does not fit")
  end
  return number, at + #words
end

local read

local function read_array(json, at, depth)
  local list = values.array {}
  at = after_space(json, at + 1)
  if json:sub(at, at) == "]" then
    return list, at + 1
  end
  while true do
    list[#list + 1], at = read(json, at, depth)
    at = after_space(json, at)
    local char = json:sub(at, at)
    if char == "]" then
      return list, at + 1
    elseif char ~= "," then
      bad(at, "expected , or ]")
    end
    at = at + 1
  end
end

local function read_member(json, at, depth, object)
  at = after_space(json, at)
  if json:sub(at, at) ~= '"' then
    bad(at, "expected a member's name")
  end
  local key, following = read_string(json, at)
  if object[key] ~= nil then
    bad(at, "duplicate key " .. text.quote(key))
  end
  following = after_space(json, following)
  if json:sub(following, following) ~= ":" then
    bad(following, "expected :")
  end
  object[key], following = read(json, following + 1, depth)
  return after_space(json, following)
end

local function read_object(json, at, depth)
  local object = {}
  at = after_space(json, at + 1)
  if json:sub(at, at) == "}" then
    return object, at + 1
  end
  while true do
    at = read_member(json, at, depth, object)
    local char = json:sub(at, at)
    if char == "}" then
      return object, at + 1
    elseif char ~= "," then
      bad(at, "expected , or }")
    end
    at = at + 1
  end
end

local WORDS = { ["true"] = true, ["false"] = false, null = values.null }

function read(json, at, depth)
  at = after_space(json, at)
  local char = json:sub(at, at)
  if depth == jsontext.MAX_DEPTH and char:find "[[{]" then
    bad(at, "deeper than " .. jsontext.MAX_DEPTH .. " levels")
  elseif char == "{" then
    return read_object(json, at, depth + 1)
  elseif char == "[" then
    return read_array(json, at, depth + 1)
  elseif char == '"' then
    return read_string(json, at)
  end
  local word = json:match("^%a+", at)
  if word and WORDS[word] ~= nil then
    return WORDS[word], at + #word
  end
  return read_number(json, at)
end

local function read_all(json)
  local length, invalid = utf8.len(json)
  if not length then
    bad(invalid, "not UTF-8")
  end
  local value, at = read(json, 1, 0)
  at = after_space(json, at)
  if at <= #json then
    bad(at, "more than one value")
  end
  return { value = value }
end

--- Reads exactly one JSON value; null becomes kaa.null.
---@param json string
---@return any value nil where it is no JSON; `jsontext.decode "[1]"` → an array
---@return string|nil message with the offset in bytes: `position 3: duplicate key "a"`
function jsontext.decode(json)
  local outcome, message = protected(read_all, json)
  if outcome then
    return outcome.value
  end
  return nil, message
end

return jsontext
