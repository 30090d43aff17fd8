--- The most that handlers may need, as the configuration says: for all of them, and for
--- single ones, whose own ceiling takes the place of the one for all.
---
---     ceiling = {
---       all = { "write", exec = { "/usr/bin/df" } },
---       handlers = { reboot = { exec = { "/usr/bin/systemctl" } }, flash = true },
---     }
---
--- A limit is what is granted at most, in the form of needs.check(); nil or true: everything.
local needs = require "kaa.needs"
local suggest = require "kaa.suggest"
local text = require "kaa.text"

local find, format, sub = string.find, string.format, string.sub
local concat, move, unpack = table.concat, table.move, table.unpack
local ipairs, type = ipairs, type

local ceiling = {}

local KEYS = { "all", "handlers" }
local EXAMPLE = 'ceiling = { all = { "write" }, handlers = { reboot = { "exec" } } }'

local function is_beneath(path, directory)
  return path == directory or directory == "/" or sub(path, 1, #directory + 1) == directory .. "/"
end

--- Whether a server is one of those that `*.example.org` stands for.
local function is_under(server, allowed)
  local rest = sub(allowed, 1, 2) == "*." and sub(allowed, 2)
  return rest and #server > #rest and sub(server, -#rest) == rest
end

local HOLDS = { write = is_beneath, net = is_under }

--- Whether one element of a narrowed capability is among those of the limit, or beneath one.
local function is_allowed(name, element, limit)
  for _, allowed in ipairs(limit) do
    if element == allowed or HOLDS[name] and HOLDS[name](element, allowed) then
      return true
    end
  end
  return false
end

local function shown(limit)
  local parts = {}
  for _, name in ipairs(needs.CAPABILITIES) do
    if limit[name] then
      parts[#parts + 1] = limit[name] == true and name or needs.written(name, limit[name])
    end
  end
  return #parts > 0 and concat(parts, ", ") or "nothing"
end

local function judge_one(name, grant, limit, place, add)
  local most = limit[name]
  if not most then
    return add({ place }, format("%s is more than the configuration allows (%s)", text.quote(name),
      shown(limit)))
  elseif most == true then
    return
  elseif grant == true then
    return add({ place }, format("%s is more than the configuration allows; write: %s",
      text.quote(name), needs.written(name, most)))
  end
  for index, element in ipairs(grant) do
    if not is_allowed(name, element, most) then
      add({ place, index }, format("%s is more than the configuration allows (%s)",
        text.quote(element), needs.written(name, most)))
    end
  end
end

--- Judges what a handler needs by its limit.
---@param granted table<string, true|string[]> by needs.check()
---@param places table<string, string|integer> by needs.check()
---@param limit table|true|nil
---@param add fun(path: (string|integer)[], message: string) called with each fault
function ceiling.judge(granted, places, limit, add)
  if limit == nil or limit == true then
    return
  end
  local most = needs.check(limit, function() end)
  for _, name in ipairs(needs.CAPABILITIES) do
    if granted[name] then
      judge_one(name, granted[name], most, places[name], add)
    end
  end
end

--- Reads one limit of the configuration, at `path`.
local function read_limit(written, path, add)
  if written == true then
    return true
  end
  return (needs.check(written, function(below, message)
    add(move(below, 1, #below, #path + 1, { unpack(path) }), message)
  end, path[#path]))
end

local function add_unknown(key, value, add)
  local near = suggest.nearest(key, KEYS)
  if needs.is_capability(type(key) == "string" and key or value) then
    add({ "ceiling", key }, 'a ceiling is for all handlers or for some; write: ceiling = { all = { '
      .. (type(key) == "string" and key .. " = …" or text.quote(value)) .. " } }")
  elseif near then
    add({ "ceiling", key }, format("unknown key, did you mean %s?", text.quote(near)))
  else
    add({ "ceiling", key }, format("unknown key, known: %s; of one handler: %s",
      concat(KEYS, ", "), "handlers = { reboot = … }"))
  end
end

local function read_handlers(written, add)
  local limits = {}
  if type(written) ~= "table" then
    add({ "ceiling", "handlers" }, 'expected what each may need, as in handlers = { reboot = '
      .. '{ "exec" } }, got ' .. text.show(written))
    return limits
  end
  for _, key in ipairs(text.sorted_keys(written)) do
    local path = { "ceiling", "handlers", key }
    if type(key) ~= "string" or not find(key, "^[%w_-]+$") or #key > 64 then
      add(path, "expected a command type: letters, digits, _ and -")
    else
      limits[key] = read_limit(written[key], path, add)
    end
  end
  return limits
end

--- Reads the configuration's `ceiling`.
---@param written any
---@param add fun(path: (string|integer)[], message: string) called with each fault
---@return {all: table|true|nil, handlers: table<string, table|true>}
function ceiling.read(written, add)
  local limits = { handlers = {} }
  if type(written) ~= "table" then
    add({ "ceiling" }, format("expected a table, as in %s, got %s", EXAMPLE, text.show(written)))
    return limits
  end
  for _, key in ipairs(text.sorted_keys(written)) do
    if key == "all" then
      limits.all = read_limit(written.all, { "ceiling", "all" }, add)
    elseif key == "handlers" then
      limits.handlers = read_handlers(written.handlers, add)
    else
      add_unknown(key, written[key], add)
    end
  end
  return limits
end

return ceiling
