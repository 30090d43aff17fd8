--- The `kaa` module for specs: what it sends, logs and executes goes into lists
--- of the device that the spec looks at.
local environment = require "kaa.testing.environment"
local jsontext = require "kaa.testing.jsontext"
local result = require "kaa.result"
local suggest = require "kaa.suggest"
local text = require "kaa.text"
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

local function require_running(device, call)
  if not device.contract then
    error(call .. " acts, and nothing may act while the file loads: call it in run", 3)
  end
end

--- Makes print and the functions of kaa.log.
function binding.log(device)
  local log = {}
  for _, level in ipairs(LEVELS) do
    log[level] = function(...)
      device.logged[#device.logged + 1] = { level = level, message = words_of(...) }
    end
  end
  return log
end

local function add_samples(device, given)
  if type(given) ~= "table" then
    error("kaa.telemetry takes a sample or a list of samples, got " .. text.show(given)
      .. "; write: kaa.telemetry { temperature = 21.5 }", 3)
  end
  for _, sample in ipairs(values.is_array(given) and given or { given }) do
    local json, message = jsontext.encode(sample)
    if not values.is_object(sample) or not json then
      error("kaa.telemetry: a sample is an object, " .. (message or "got " .. text.show(sample)), 3)
    end
    device.samples[#device.samples + 1] = jsontext.decode(json)
  end
end

local function check_argv(argv)
  if type(argv) ~= "table" or #argv == 0 then
    error('kaa.exec takes the program and its arguments; write: kaa.exec { "/usr/bin/uptime", "-p" }', 3)
  end
  for index, argument in ipairs(argv) do
    if type(argument) ~= "string" and not math.type(argument) then
      error(("kaa.exec: argument %d is %s, expected string"):format(index, text.show(argument)), 3)
    end
  end
end

--- What the spec says of an execution.
local function outcome_of(device, argv, options)
  local exec = device.options.exec
  local command = table.concat(argv, " ")
  local outcome
  if type(exec) == "function" then
    outcome = exec(argv, options)
  else
    outcome = (exec or {})[command]
  end
  if type(outcome) ~= "table" then
    error(("the spec says nothing of executing %s; write: device(…, { exec = { [%q] = { code = 0 } } })")
      :format(text.quote(command), command), 3)
  end
  return { code = outcome.code or 0, signal = outcome.signal, stdout = outcome.stdout or "",
    stderr = outcome.stderr or "" }
end

local function exec(device, argv, options)
  check_argv(argv)
  environment.require_capability(device:needs(), "exec", "kaa.exec", argv[1], 3)
  device.executed[#device.executed + 1] = { table.unpack(argv) }
  local outcome = outcome_of(device, argv, options)
  if outcome.code == 0 and not outcome.signal then
    return outcome
  end
  local ending = outcome.signal and "was ended by signal " .. outcome.signal
    or "exited with " .. outcome.code
  local first = outcome.stderr:match("^[^\n]+")
  return nil, ("%s %s%s"):format(argv[1]:match("[^/]*$"), ending, first and ": " .. first or ""), outcome
end

local function must(value, message)
  return value ~= nil and value or message and error(message, 3) or value
end

--- Makes the `kaa` of a device.
---@param device table see kaa.testing
---@return table kaa a misspelt name raises with the nearest one
function binding.create(device)
  local kaa = { log = binding.log(device), null = values.null, array = values.array, fail = result.fail }
  kaa.settings = device.options.settings or {}
  kaa.endpoint = device.options.endpoint or "test-endpoint"
  kaa.json = {
    encode = function(value)
      return must(jsontext.encode(value))
    end,
    decode = jsontext.decode,
  }
  function kaa.telemetry(given)
    require_running(device, "kaa.telemetry")
    add_samples(device, given)
    return true
  end
  function kaa.sleep(seconds)
    require_running(device, "kaa.sleep")
    device.now = device.now + seconds
  end
  function kaa.now()
    return device.now
  end
  function kaa.exec(argv, options)
    return exec(device, argv, options or {})
  end
  local names = text.sorted_keys(kaa)
  return setmetatable(kaa, {
    __index = function(_, name)
      local near = suggest.nearest(name, names)
      error(("kaa has no %s%s"):format(text.quote(tostring(name)),
        near and ", did you mean " .. text.quote(near) .. "?" or ""), 2)
    end,
  })
end

return binding
