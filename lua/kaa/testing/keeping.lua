--- kaa.store, kaa.shared, kaa.checkpoint and kaa.resume_after for specs: what a
--- handler keeps lies in tables of the device.
local environment = require "kaa.testing.environment"
local jsontext = require "kaa.testing.jsontext"
local suggest = require "kaa.suggest"

local keeping = {}

local VALUE_BYTES = 64 * 1024
local KEY_BYTES = 256
local RIGHT_CALL = 'write: kaa.resume_after("reboot", saved, { within_s = 900 })'

--- The value that is kept of a value. Raises at the handler's line.
local function kept(call, value, level)
  local json, message = jsontext.encode(value, "value")
  if not json then
    error(call .. ": " .. message, level + 1)
  elseif #json > VALUE_BYTES then
    error(("%s: %d bytes, limit %d"):format(call, #json, VALUE_BYTES), level + 1)
  end
  return jsontext.decode(json)
end

local function check_key(call, key, written)
  if type(key) ~= "string" then
    error(('%s takes a key, a text, got a %s; write: %s("count"%s)')
      :format(call, type(key), call, written), 4)
  elseif #key == 0 or #key > KEY_BYTES then
    error(("%s: a key of %d bytes; write a text of 1 to %d"):format(call, #key, KEY_BYTES), 4)
  elseif not utf8.len(key) or key:find("\0", 1, true) then
    error(call .. ": the key is no text of UTF-8", 4)
  end
end

--- The functions of `kaa.store` or `kaa.shared`.
---@param device table whose table `name` holds what is kept
---@param name string "store" or "shared"
function keeping.store(device, name)
  local call = "kaa." .. name .. "."
  local function begin(what, key, written)
    environment.demand(device:needs(), nil, call .. what, 3)
    check_key(call .. what, key, written)
  end
  return {
    get = function(key)
      begin("get", key, "")
      local value = device[name][key]
      return value ~= nil and kept(call .. "get", value, 2) or value
    end,
    set = function(key, value)
      begin("set", key, ", 1")
      if value == nil then
        error(('%sset: no value; write: %sdelete("%s"), or kaa.null as the value')
          :format(call, call, key), 2)
      end
      device[name][key] = kept(call .. "set", value, 2)
      return true
    end,
    delete = function(key)
      begin("delete", key, "")
      device[name][key] = nil
      return true
    end,
  }
end

local function require_command(device, call)
  environment.demand(device:needs(), nil, call, 3)
  if not device.running then
    error(call .. " is for a command: call it in run or resume, not in tick", 3)
  end
end

local function keep_saved(device, call, saved)
  if saved ~= nil then
    saved = kept(call, saved, 3)
  end
  device.saved = saved
end

--- kaa.checkpoint
function keeping.checkpoint(device)
  return function(saved)
    require_command(device, "kaa.checkpoint")
    if device.waiting then
      error("kaa.checkpoint after kaa.resume_after, which has its own saved: " .. RIGHT_CALL, 2)
    end
    keep_saved(device, "kaa.checkpoint", saved)
    return true
  end
end

local function restart_fault(restart)
  local takes = 'kaa.resume_after takes "reboot" or "restart", got '
  if type(restart) ~= "string" then
    return takes .. "a " .. type(restart) .. "; " .. RIGHT_CALL
  elseif restart ~= "reboot" and restart ~= "restart" then
    local near = suggest.nearest(restart, { "reboot", "restart" })
    return takes .. '"' .. restart .. '"' .. (near and ', did you mean "' .. near .. '"?' or "")
  end
  return nil
end

local function options_fault(options)
  if type(options) ~= "table" then
    return ("kaa.resume_after: the options are a table, got a %s; %s"):format(type(options), RIGHT_CALL)
  end
  for key in next, options do
    if key ~= "within_s" then
      local near = suggest.nearest(key, { "within_s" })
      return ('kaa.resume_after has no option "%s"%s'):format(tostring(key),
        near and ', did you mean "' .. near .. '"?' or "")
    end
  end
  local seconds = options.within_s or 900
  if not math.type(seconds) or not (seconds >= 1 and seconds <= 86400) then
    return "kaa.resume_after: within_s: expected seconds from 1 to 86400; " .. RIGHT_CALL
  end
  return nil
end

--- kaa.resume_after
function keeping.resume_after(device)
  return function(restart, saved, options)
    require_command(device, "kaa.resume_after")
    if not device.contract.resume then
      error("kaa.resume_after needs a resume function: return { run = …, resume = "
        .. 'function(command, saved, away) return 200, "OK" end }', 2)
    end
    local fault = restart_fault(restart) or options_fault(options or {})
    if fault then
      error(fault, 2)
    end
    keep_saved(device, "kaa.resume_after", saved)
    device.waiting = restart
    return true
  end
end

return keeping
