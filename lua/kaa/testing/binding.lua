--- The `kaa` module for specs: what it sends and logs goes into lists of the
--- device that the spec looks at.
local cancelling = require "kaa.testing.cancelling"
local environment = require "kaa.testing.environment"
local jsontext = require "kaa.testing.jsontext"
local keeping = require "kaa.testing.keeping"
local programs = require "kaa.testing.programs"
local result = require "kaa.result"
local suggest = require "kaa.suggest"
local text = require "kaa.text"
local transfers = require "kaa.testing.transfers"
local values = require "kaa.values"

local binding = {}

local LEVELS = { "debug", "info", "warn", "error" }

local function words_of(...)
  local words = {}
  for index = 1, select("#", ...) do
    words[index] = tostring((select(index, ...)))
  end
  return table.concat(words, " ")
end

--- A misspelt key raises with the nearest one, an assignment raises.
local function guarded(map, name, names)
  names = names or text.sorted_keys(map)
  return setmetatable({}, {
    __index = function(_, key)
      if map[key] ~= nil then
        return map[key]
      elseif key == "settings" then
        error("kaa.settings has its defaults once the file is loaded: read it in run", 2)
      elseif key == "endpoint" then
        return nil -- outside of a command, or in a tick of the agent
      end
      local near = suggest.nearest(key, names)
      error(('%s has no "%s"%s'):format(name, tostring(key),
        near and ', did you mean "' .. near .. '"?' or ""), 2)
    end,
    __newindex = function()
      error(name .. " is not to be changed", 2)
    end,
    __metatable = false,
  })
end

local function make_log(device)
  local log = {}
  for _, level in ipairs(LEVELS) do
    log[level] = function(...)
      device.logged[#device.logged + 1] = { level = level, message = words_of(...) }
    end
  end
  return guarded(log, "kaa.log")
end

--- Says what is wrong with what kaa.telemetry was given, or nil.
local function telemetry_fault(given)
  local right_call = "; write: kaa.telemetry { temperature = 21.5 }"
  if type(given) ~= "table" then
    return (" takes a sample, a table of names and values, got a %s%s")
      :format(type(given), right_call)
  end
  local json, message = jsontext.encode(given, "sample")
  if not json then
    return ": " .. message
  elseif next(given) == nil then
    return ": the sample is empty" .. right_call
  end
  local is_list = values.is_array(given)
  if not is_list and not jsontext.encode { given } then
    return ": the sample is nested deeper than " .. jsontext.MAX_DEPTH - 1
  end
  for index, sample in ipairs(is_list and given or {}) do
    if not values.is_object(sample) then
      local kind = type(sample) == "table" and "list" or type(sample)
      return (": element %d is a %s, not a sample%s"):format(index, kind, right_call)
    elseif next(sample) == nil then
      return (": element %d is empty%s"):format(index, right_call)
    end
  end
  return nil
end

--- Raises at the handler's line while the file loads, and in a tick of the agent.
local function demand_endpoint(device, call)
  environment.demand(device:needs(), nil, call, 3)
  if not device.kaa.endpoint then
    error(call .. ' is for one endpoint, and this tick is for all; write: per = "endpoint"', 3)
  end
end

local function make_telemetry(device)
  return function(given)
    demand_endpoint(device, "kaa.telemetry")
    local message = telemetry_fault(given)
    if message then
      error("kaa.telemetry" .. message, 2)
    end
    local sent = jsontext.decode((jsontext.encode(given)))
    for _, sample in ipairs(values.is_array(sent) and sent or { sent }) do
      device.samples[#device.samples + 1] = sample
    end
  end
end

--- Says what is wrong with what kaa.metadata was given, or nil.
local function metadata_fault(given)
  local right_call = '; write: kaa.metadata { light = "on" }'
  if not values.is_object(given) then
    return (" takes a table of names and values, got a %s%s")
      :format(type(given) == "table" and "list" or type(given), right_call)
  end
  local json, message = jsontext.encode(given, "metadata")
  if not json then
    return ": " .. message
  elseif next(given) == nil then
    return ": the table is empty" .. right_call
  end
  for _, key in ipairs(text.sorted_keys(given)) do
    if not key:find "^[a-zA-Z0-9_]+$" then
      return (': "%s" is no key: letters, digits and _ only%s'):format(key, right_call)
    end
  end
  return nil
end

local function make_metadata(device)
  return function(given)
    demand_endpoint(device, "kaa.metadata")
    local message = metadata_fault(given)
    if message then
      error("kaa.metadata" .. message, 2)
    end
    for key, value in pairs(jsontext.decode((jsontext.encode(given)))) do
      device.metadata[key] = value
    end
  end
end

local function encode(value)
  local json, message = jsontext.encode(value)
  if not json then
    error("kaa.json.encode: " .. message, 2)
  end
  return json
end

--- Makes the `kaa` of a device.
---@param device table see kaa.testing
---@return table kaa as the handler sees it
---@return table fields what it reads from: the device sets `settings` and `endpoint`
function binding.create(device)
  local kaa = {
    array = values.array,
    cancelled = cancelling.cancelled(device),
    checkpoint = keeping.checkpoint(device),
    exec = programs.exec(device),
    fail = result.fail,
    http = transfers.http(device),
    json = guarded({ encode = encode, decode = jsontext.decode }, "kaa.json"),
    log = make_log(device),
    metadata = make_metadata(device),
    now = function()
      return device.now
    end,
    null = values.null,
    progress = cancelling.progress(device),
    resume_after = keeping.resume_after(device),
    shared = guarded(keeping.store(device, "shared"), "kaa.shared"),
    sleep = cancelling.sleep(device),
    store = guarded(keeping.store(device, "store"), "kaa.store"),
    telemetry = make_telemetry(device),
  }
  local names = text.sorted_keys(kaa)
  names[#names + 1], names[#names + 2] = "endpoint", "settings"
  return guarded(kaa, "kaa", names), kaa
end

return binding
