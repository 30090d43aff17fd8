--- The globals that a handler finds on the device, for specs: the harmless part
--- of the standard library, `require` of its libraries, and functions that need
--- a capability and teach where it is missing.
local suggest = require "kaa.suggest"
local text = require "kaa.text"

local environment = {}

local FREE = { "_VERSION", "error", "getmetatable", "ipairs", "next", "pairs", "pcall",
  "rawequal", "rawget", "rawlen", "rawset", "select", "tonumber", "tostring", "type", "warn",
  "xpcall" }
local LIBRARIES = { "coroutine", "math", "string", "table", "utf8" }
local FREE_OS = { "clock", "date", "difftime", "getenv", "time" }

local EACCES = 13

--- Lua's own assert: in specs the global one is Busted's.
local function plain_assert(...)
  local value, message = ...
  if value then
    return ...
  end
  error(select("#", ...) > 1 and message or "assertion failed!", 0)
end

--- A finalizer runs where no time limit reaches it: refused as on the device.
local function plain_setmetatable(value, metatable)
  if type(metatable) == "table" and rawget(metatable, "__gc") ~= nil then
    error("setmetatable: no __gc here; close things with local x <close>", 2)
  end
  return setmetatable(value, metatable)
end

--- The part of `debug` that a handler has.
local function make_debug()
  local name = "debug, for a handler,"
  return setmetatable({ traceback = debug.traceback }, {
    __index = function(_, key)
      local near = suggest.nearest(tostring(key), { "traceback" })
      error(('%s has no "%s"%s'):format(name, tostring(key),
        near and ', did you mean "' .. near .. '"?' or ""), 2)
    end,
    __newindex = function()
      error(name .. " is not to be changed", 2)
    end,
    __metatable = false,
  })
end

local function copied(source, names)
  local copy = {}
  for _, name in ipairs(names or text.sorted_keys(source)) do
    copy[name] = source[name]
  end
  return copy
end

--- Raises at the line of the handler while the file loads, or where its needs lack
--- the capability.
---@param granted table<string, true|string[]>|nil the contract's needs; nil while the file loads
---@param capability string|nil nil: only loading matters
---@param call string as shown, `io.open(…, "w")`
---@param level integer as for error(), seen from the caller
function environment.demand(granted, capability, call, level)
  if not granted then
    error(call .. " acts: call it in run, not while the file loads", level + 1)
  elseif capability and not granted[capability] then
    error(('%s needs "%s": return { needs = { "%s" }, run = … }'):format(call, capability,
      capability), level + 1)
  end
end

--- The path with all links followed; nil where its directory is not there.
local function resolved(path)
  local pipe = io.popen(("readlink -f -- '%s'"):format(path:gsub("'", "'\\''")))
  local line = pipe:read "l"
  pipe:close()
  return line ~= "" and line or nil
end

--- Says that the path is in none of the granted directories, or nil. What is not
--- there is left to the call itself. `root` stands before all paths.
local function refusal(granted, path, root)
  local real = granted ~= true and resolved(root .. path)
  if not real then
    return nil
  end
  for _, directory in ipairs(granted) do
    local prefix = resolved(root .. directory) or root .. directory
    if real == prefix or prefix == "/" or real:sub(1, #prefix + 1) == prefix .. "/" then
      return nil
    end
  end
  return path .. ": outside the directories of needs.write"
end

--- Where a file of the handler lies.
local function placed(options, path)
  return options.root ~= "" and type(path) == "string" and options.root .. path or path
end

--- What a call returned, with the handler's own path in its message.
local function shown(options, value, message, ...)
  if not value and type(message) == "string" and message:sub(1, #options.root) == options.root then
    message = message:sub(#options.root + 1)
  end
  return value, message, ...
end

--- Wraps a function whose arguments are paths that it changes.
local function writing(call, own, options)
  return function(...)
    environment.demand(options.needs(), "write", call, 2)
    local paths = table.pack(...)
    for index = 1, paths.n do
      local message = refusal(options.needs().write, tostring(paths[index]), options.root)
      if message then
        return nil, message, EACCES
      end
      paths[index] = placed(options, paths[index])
    end
    return shown(options, own(table.unpack(paths, 1, paths.n)))
  end
end

local function make_io(options)
  local checked = copied(io)
  checked.popen = options.popen
  function checked.tmpfile()
    environment.demand(options.needs(), "write", "io.tmpfile", 2)
    return io.tmpfile()
  end
  function checked.open(path, mode)
    if mode and mode:find "[wa+]" then
      environment.demand(options.needs(), "write", ('io.open(…, "%s")'):format(mode), 2)
      local message = refusal(options.needs().write, path, options.root)
      if message then
        return nil, message, EACCES
      end
    end
    return shown(options, io.open(placed(options, path), mode))
  end
  function checked.lines(path, ...)
    return io.lines(placed(options, path), ...)
  end
  function checked.output(file)
    if type(file) == "string" then
      environment.demand(options.needs(), "write", "io.output", 2)
      local message = refusal(options.needs().write, file, options.root)
      if message then
        error(message, 2)
      end
    end
    return io.output(placed(options, file))
  end
  return checked
end

local function make_os(options)
  local checked = copied(os, FREE_OS)
  checked.remove = writing("os.remove", os.remove, options)
  checked.rename = writing("os.rename", os.rename, options)
  function checked.tmpname()
    environment.demand(options.needs(), "write", "os.tmpname", 2)
    return os.tmpname()
  end
  checked.execute = options.execute
  function checked.exit()
    error("os.exit ends the worker; a spec cannot show that", 2)
  end
  return checked
end

--- What Lua itself finds: in run only, and where the needs grant it, as on the device.
local function require_installed(name, granted)
  local found = package.searchpath(name, package.path) or package.searchpath(name, package.cpath)
  if found and not granted then
    error(('require "%s": an installed module needs "native" and is not for loading time; write: '
      .. 'return { needs = { "native" }, run = function(command) local module = require "%s" … end }')
      :format(name, name), 3)
  end
  local native = granted and granted.native
  for _, listed in ipairs(type(native) == "table" and native or {}) do
    native = native == true or listed == name or native
  end
  if not found or native ~= true then
    error(('no library "%s" in lib/; a C module needs "native"'):format(name), 3)
  end
  return require(name)
end

local function make_require(globals, options)
  local loaded = { kaa = options.kaa, cjson = require "cjson",
    ["cjson.safe"] = require "cjson.safe" }
  for _, name in ipairs { "debug", "io", "os", table.unpack(LIBRARIES) } do
    loaded[name] = globals[name]
  end
  return function(name)
    if loaded[name] == nil then
      local chunk = ("lib/%s.lua"):format(tostring(name):gsub("%.", "/"))
      local file = io.open(options.directory .. "/" .. chunk, "rb")
      if not file then
        loaded[name] = require_installed(name, options.needs())
        return loaded[name]
      end
      local source = file:read "a"
      file:close()
      local load_library, message = load(source, "@" .. chunk, "t", globals)
      if not load_library then
        error(message, 0)
      end
      loaded[name] = load_library(name) or true
    end
    return loaded[name]
  end
end

local function raise_new_global(_, name, value)
  error(("assignment to the global '%s': write %s %s"):format(tostring(name),
    type(value) == "function" and "local function" or "local", tostring(name)), 2)
end

--- Makes the globals of one handler.
---@param options {directory: string, root: string, kaa: table, needs: (fun(): table?),
---  print: function, execute: function, popen: function} `needs` gives nil while the file
---  loads; `root` stands before the path of every file, "" for none
---@return table globals
function environment.create(options)
  local globals = copied(_G, FREE)
  for _, name in ipairs(LIBRARIES) do
    globals[name] = copied(_G[name])
  end
  globals.assert = plain_assert
  globals.string.dump = nil
  function globals.load(chunk, name, _, ...)
    local environment_of_chunk = select("#", ...) > 0 and (...) or globals
    return load(chunk, name, "t", environment_of_chunk)
  end
  globals.io, globals.os = make_io(options), make_os(options)
  globals.debug, globals.setmetatable = make_debug(), plain_setmetatable
  globals.print, globals.kaa = options.print, options.kaa
  globals.require = make_require(globals, options)
  globals._G = globals
  return setmetatable(globals, { __newindex = raise_new_global, __metatable = false })
end

return environment
