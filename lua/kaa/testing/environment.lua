--- The globals that a handler finds on the device, for specs: the harmless part
--- of the standard library, `require` of its libraries, and functions that need
--- a capability and teach where it is missing.
local text = require "kaa.text"

local environment = {}

local FREE = { "assert", "error", "getmetatable", "ipairs", "next", "pairs", "pcall", "rawequal",
  "rawget", "rawlen", "rawset", "select", "setmetatable", "tonumber", "tostring", "type", "xpcall",
  "_VERSION" }
local LIBRARIES = { "coroutine", "math", "string", "table", "utf8" }
local FREE_OS = { "clock", "date", "difftime", "time" }

local function copied(source, names)
  local copy = {}
  for _, name in ipairs(names or text.sorted_keys(source)) do
    copy[name] = source[name]
  end
  return copy
end

--- Whether a list of granted paths holds the path or what it is in.
local function covers(granted, path)
  if granted == true then
    return true
  end
  for _, prefix in ipairs(granted or {}) do
    if path == prefix or path:sub(1, #prefix + 1) == prefix .. "/" then
      return true
    end
  end
  return false
end

--- Raises at the line of the handler unless the capability is granted for the path.
---@param granted table|nil the contract's needs; nil while the file loads
---@param capability string
---@param call string as shown, `io.open(…, "w")`
---@param path string|nil
---@param level integer of error(), seen from the caller
function environment.require_capability(granted, capability, call, path, level)
  if not granted then
    error(call .. " acts, and nothing may act while the file loads: call it in run", level + 1)
  elseif not granted[capability] then
    error(('%s needs "%s": return { needs = { "%s" }, run = … }'):format(call, capability,
      capability), level + 1)
  elseif path and not covers(granted[capability], path) then
    error(('%s needs %s in needs.%s'):format(call, text.quote(path), capability), level + 1)
  end
end

local function make_io(options)
  local function open(path, mode)
    if mode and mode:find("[wa+]") then
      environment.require_capability(options.needs(), "write", ('io.open(…, "%s")'):format(mode),
        path, 2)
    end
    return io.open(path, mode)
  end
  return { open = open, lines = io.lines, type = io.type, popen = options.popen }
end

local function make_os(options)
  local harmless = copied(os, FREE_OS)
  for _, name in ipairs { "remove", "rename" } do
    harmless[name] = function(path, to)
      environment.require_capability(options.needs(), "write", ("os.%s(…)"):format(name), path, 2)
      return os[name](path, to)
    end
  end
  harmless.execute = options.execute
  return harmless
end

local function make_require(globals, options)
  local loaded = { kaa = options.kaa, cjson = require "cjson" }
  return function(name)
    if loaded[name] == nil then
      local path = ("%s/lib/%s.lua"):format(options.directory, tostring(name):gsub("%.", "/"))
      local file = io.open(path, "rb")
      if not file then
        error(("module %s not found: no %s"):format(text.quote(name), path), 2)
      end
      local source = file:read "a"
      file:close()
      local chunk = assert(load(source, ("@lib/%s.lua"):format(name:gsub("%.", "/")), "t", globals))
      local value = chunk(name)
      loaded[name] = value == nil or value
    end
    return loaded[name]
  end
end

--- Makes the globals of one handler.
---@param options {directory: string, kaa: table, needs: fun(): table?, print: function,
---  execute: function, popen: function} `needs` gives nil while the file loads
---@return table globals assigning an undeclared one raises
function environment.create(options)
  local globals = copied(_G, FREE)
  for _, name in ipairs(LIBRARIES) do
    globals[name] = copied(_G[name])
  end
  globals.string.dump = nil
  globals.load = function(chunk, name, _, ...)
    return load(chunk, name, "t", select("#", ...) > 0 and (...) or globals)
  end
  globals.io, globals.os = make_io(options), make_os(options)
  globals.print, globals.kaa = options.print, options.kaa
  globals.require = make_require(globals, options)
  globals._G = globals
  return setmetatable(globals, {
    __newindex = function(_, name)
      error(("assigns the undeclared global %s; write: local %s"):format(text.quote(name),
        tostring(name)), 2)
    end,
  })
end

return environment
