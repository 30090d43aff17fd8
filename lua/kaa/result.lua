--- What a handler returned or raised, as a command result: status code, reason
--- phrase, payload. The payload is passed through; the codec judges it.
local text = require "kaa.text"

local error, getmetatable, rawget, select = error, getmetatable, rawget, select
local setmetatable, tonumber, type = setmetatable, tonumber, type
local find, format = string.find, string.format
local math_type, tointeger = math.type, math.tointeger

local result = {}

-- More values are no result, whatever they are.
local VALUES_JUDGED = 8

--- The longest reason phrase, in bytes.
result.REASON_BYTES = 256

local PHRASES = {
  [100] = "Continue", [101] = "Switching Protocols", [102] = "Processing",
  [200] = "OK", [201] = "Created", [202] = "Accepted", [204] = "No Content",
  [206] = "Partial Content", [301] = "Moved Permanently", [302] = "Found",
  [304] = "Not Modified", [400] = "Bad Request", [401] = "Unauthorized", [403] = "Forbidden",
  [404] = "Not Found", [405] = "Method Not Allowed", [406] = "Not Acceptable",
  [408] = "Request Timeout", [409] = "Conflict", [410] = "Gone", [411] = "Length Required",
  [412] = "Precondition Failed", [413] = "Content Too Large", [415] = "Unsupported Media Type",
  [416] = "Range Not Satisfiable", [422] = "Unprocessable Content", [423] = "Locked",
  [424] = "Failed Dependency", [428] = "Precondition Required", [429] = "Too Many Requests",
  [500] = "Internal Server Error", [501] = "Not Implemented", [502] = "Bad Gateway",
  [503] = "Service Unavailable", [504] = "Gateway Timeout", [507] = "Insufficient Storage",
}

--- The integer from 100 to 599 that a value is (200.0 counts as 200), or nil.
local function status_of(value)
  local status = math_type(value) and tointeger(value)
  if status and status >= 100 and status <= 599 then
    return status
  end
  return nil
end

--- The standard phrase of a status.
---@param status integer 100 to 599
---@return string `result.phrase(409)` → `"Conflict"`
function result.phrase(status)
  return PHRASES[status] or (status >= 200 and status <= 299 and "OK" or "Error")
end

--- Makes a reason phrase: one line of valid UTF-8 of at most 256 bytes.
---@param status integer 100 to 599
---@param phrase string|nil where nil, or nothing to see, the standard phrase of the status
---@return string reason
function result.reason(status, phrase)
  local line = phrase and text.one_line(phrase, result.REASON_BYTES)
  return line and find(line, "%S") and line or result.phrase(status)
end

--- "a table", "200", `"abc"`: what stands at one place of a return.
local function shown(value)
  local kind = type(value)
  if kind == "string" then
    return "a string"
  elseif kind == "table" then
    return "a table"
  end
  return value == nil and "nil" or text.show(value)
end

--- How a value would be written as the payload.
local function as_payload(value)
  local kind = type(value)
  if kind == "table" then
    return "{ … }"
  elseif kind == "string" then
    return '"…"'
  end
  local is_plain = kind == "boolean" or kind == "number" and value - value == 0
  return is_plain and text.show(value) or "payload"
end

local WRITE_FAILURE = 'return nil, "what went wrong"'

--- What to say of a return that begins with no status.
local function no_status(count, first, second)
  if math_type(first) then
    return format('returned %s, which is no status from 100 to 599; write: return 200, "OK", %s',
      text.show(first), as_payload(first))
  elseif first == true then
    return format('returned true and %s; write: return 200, "OK", %s', shown(second),
      as_payload(second))
  elseif first == false and count == 1 then
    return "returned false without a reason; write: " .. WRITE_FAILURE
  elseif first == nil or first == false then
    return format("returned %s and %s; write: %s", shown(first), shown(second), WRITE_FAILURE)
  elseif type(first) == "string" and tonumber(first) and status_of(tonumber(first)) then
    return format('returned the text %s; write: return %d, "%s"', text.quote(first),
      status_of(tonumber(first)), result.phrase(status_of(tonumber(first))))
  end
  return format('returned %s; write: return 200, "OK", %s', shown(first), as_payload(first))
end

local function too_many(count, status)
  return format('returned %d values, a result has three; write: return %d, "%s", (payload)',
    count, status, result.phrase(status))
end

local function with_status(count, status, phrase, payload)
  if phrase ~= nil and type(phrase) ~= "string" then
    return nil, format('returned %d and %s; write: return %d, "%s", %s', status, shown(phrase),
      status, result.phrase(status), as_payload(phrase))
  elseif count > 3 then
    return nil, too_many(count, status)
  end
  return status, result.reason(status, phrase), payload
end

--- Judges what a handler's function returned. Trailing nils count as absent.
---@param count integer number of values, as of select("#")
---@param ... any the values; those behind the tenth may be left out
---@return integer|nil status 100 to 599; nil where this is no result
---@return string reason, or what is wrong with the line to write instead
---@return any payload nil: none; kaa.null: null
---
---     result.normalise(2, 409, "Slot taken")  → 409, "Slot taken", nil
---     result.normalise(0)                     → 200, "OK", nil
---     result.normalise(2, nil, "no such pin") → 500, "no such pin", nil
function result.normalise(count, ...)
  if count > VALUES_JUDGED then
    return nil, too_many(count, status_of((...)) or 200)
  end
  while count > 0 and (select(count, ...)) == nil do
    count = count - 1
  end
  local first, second, third = ...
  if count == 0 or count == 1 and first == true then
    return 200, "OK", nil
  elseif status_of(first) then
    return with_status(count, status_of(first), second, third)
  elseif (first == nil or first == false) and type(second) == "string" then
    return 500, result.reason(500, second), nil
  end
  return nil, no_status(count, first, second)
end

-- Hidden: a finalizer that a handler adds to it would run where no time limit reaches it.
local failure_metatable = {
  __name = "kaa.failure",
  __metatable = "kaa.failure",
  __tostring = function(failure)
    return format("%d %s", failure.status, failure.reason)
  end,
}

--- kaa.fail: answers the command from any depth. It does not return.
---@param status integer 100 to 599
---@param reason string|nil where nil, the standard phrase of the status
---@param payload any|nil
---
---     kaa.fail(409, "Slot taken", { slot = 3 })
function result.fail(status, reason, payload)
  if not status_of(status) then
    error(format('kaa.fail takes a status from 100 to 599, got %s; write: kaa.fail(409, "…")',
      text.show(status)), 2)
  elseif reason ~= nil and type(reason) ~= "string" then
    local code = status_of(status)
    error(format('kaa.fail takes a text as its reason, got %s; write: kaa.fail(%d, "%s", %s)',
      text.show(reason), code, result.phrase(code), as_payload(reason)), 2)
  end
  error(setmetatable({
    status = status_of(status),
    reason = result.reason(status_of(status), reason),
    payload = payload,
  }, failure_metatable))
end

local function malformed(field, value, status)
  return format('raised a table with %s as its %s; write: error { status = %d, reason = "…" }',
    text.show(value), field, status)
end

--- Judges what a handler raised.
---@param raised any
---@return integer|nil status nil where it is a message and no `error { status = … }`
---@return string|nil reason
---@return any payload
---
---     result.failure { status = 409, reason = "Slot taken" } → 409, "Slot taken", nil
---     result.failure "park.lua:3: boom"                      → nil
function result.failure(raised)
  local kind = type(raised)
  if kind == "string" or kind == "number" then
    return nil
  elseif kind ~= "table" then
    return 500, format('raised %s; write: error("what went wrong")', shown(raised)), nil
  end
  local status, reason = rawget(raised, "status"), rawget(raised, "reason")
  local metatable = getmetatable(raised)
  if status == nil and type(metatable) == "table" and rawget(metatable, "__tostring") then
    return nil
  elseif not status_of(status) then
    return 500, malformed("status", status, 409), nil
  elseif reason ~= nil and type(reason) ~= "string" then
    return 500, malformed("reason", reason, status_of(status)), nil
  end
  return status_of(status), result.reason(status_of(status), reason), rawget(raised, "payload")
end

return result
