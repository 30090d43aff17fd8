-- Attacks on the Lua environment. Each row is one of the table in lua/README.md; each
-- attack is { handler file, status, pattern of the reason, payload where one is given }.
local write = require "escapes.write"
local plain, short = write.plain, write.short

local BYTECODE = ("%q"):format(string.dump(function() return 7 end)):gsub("\\\n", "\\n")
  :gsub("[\128-\255]", function(c) return ("\\%03d"):format(c:byte()) end)

-- Every function of the shared tables says yes and gives nothing away.
local TRICK = [[
for _, library in ipairs { string, table, math, utf8, coroutine } do
  for name, value in next, library do
    if type(value) == "function" then library[name] = function() return 1, 1, 1 end end
  end
end
for name, value in next, _G do
  if type(value) == "function" and name ~= "rawset" and name ~= "next" then
    rawset(_G, name, function() return 1 end)
  end
end
]]

return {
  {
    tried = "bytecode: `string.dump`, `load` in one piece or byte by byte, mode `\"b\"`, a file of it",
    stopped = "Lua environment: only text is loaded",
    attacks = {
      bytecode_dump = { plain "return string.dump(function() end)", 500,
        "^bytecode_dump%.lua:3: string%.dump is not there: load takes text only$" },
      bytecode_method = { plain "return (''):dump()", 500, "string%.dump is not there" },
      bytecode_load = { plain("return 200, 'ran', assert(load(" .. BYTECODE .. "))()"), 500,
        "attempt to load a binary chunk %(mode is 't'%)" },
      bytecode_mode = { plain("return 200, 'ran', load(" .. BYTECODE .. ", 'x', 'b')()"), 500,
        "load takes text only, not bytecode" },
      bytecode_both = { plain("return 200, 'ran', assert(load(" .. BYTECODE .. ", 'x', 'bt'))()"), 500,
        "attempt to load a binary chunk" },
      bytecode_pieces = { plain("local code, at = " .. BYTECODE .. [[, 0
return 200, "ran", assert(load(function() at = at + 1 return code:sub(at, at) end, "x", "bt"))()]]),
        500, "attempt to load a binary chunk" },
      bytecode_file = { string.dump(function() return function() return 200, "ran" end end), 503,
        "attempt to load a binary chunk" },
    },
  },
  {
    tried = "`load` with another environment, a reader that never ends, a forged chunk name",
    stopped = "Lua environment: there is no more to reach from any; the time limit; one line in the log",
    attacks = {
      load_inherited = { plain [[
local env = setmetatable({}, { __index = _G })
return load("return debug.getregistry()", "x", "t", env)()]], 500, "debug, for a handler, has no" },
      load_empty = { plain [[
local io, os, package, require = load("return io, os, package, require", "x", "t", {})()
return 200, "OK", { io == nil, os == nil, package == nil, require == nil, load("return _ENV")() == _G }]],
        200, "OK", "[true,true,true,true,true]" },
      load_global = { plain "load 'escaped = 1' ()", 500, "assignment to the global 'escaped'" },
      load_reader = { short "load(function() return ' ' end)", 504, "^Timed out after 0%.3 s" },
      load_name = { plain [[
load("error('x')", "@load_name.lua:1: x\n2026-01-01T00:00:00Z error host forged=1\n")()]], 500,
        "_name%.lua:1: x 2026",
        goal = function(scene)
          scene.refute_log "^2026%-01%-01T00:00:00Z error host forged"
        end },
    },
  },
  {
    tried = "the metatable of strings; changed functions of `string`, `table`, `_G`, `kaa`, to trick "
      .. "the agent's own checks",
    stopped = "Lua environment: the metatable is hidden; the checks keep functions of their own",
    attacks = {
      string_metatable = { plain "getmetatable('').__index = {}", 500,
        "attempt to index a boolean value" },
      string_protected = { plain "setmetatable(_G, {})", 500, "cannot change a protected metatable" },
      kaa_changed = { plain "kaa.fial = print", 500, "kaa is not to be changed" },
      kaa_metatable = { plain "setmetatable(kaa, nil)", 500, "cannot change a protected metatable" },
      kaa_marked = { plain "kaa.array(_G)", 500, "cannot change a protected metatable" },
      trick_params = { TRICK .. [[
return { params = { n = { type = "integer", min = 1000 } }, run = function() return 200, "tricked" end }]],
        400, "unknown field" },
      trick_reason = { "local fail, text = kaa.fail, ('x\\n'):rep(5000)\n" .. TRICK
        .. "return function() fail(409, text) end", 409, "^[x ]+$",
        goal = function(scene, result)
          scene.truthy(#result.reasonPhrase <= 256)
        end },
      trick_result = { TRICK .. "return function() return 200, 'OK', { 1, a = 2 } end", 500,
        "has names and list elements" },
      trick_needs = { TRICK .. 'return { needs = { "everything" }, run = function() end }', 503,
        'unknown capability "everything"' },
    },
  },
  {
    tried = "`debug`, `package`, `dofile`, `loadfile`, `os.setlocale`",
    stopped = "Lua environment: of them only `debug.traceback` is there",
    attacks = {
      debug_registry = { plain "return debug.getregistry()", 500, "debug, for a handler, has no \"getreg" },
      debug_upvalue = { plain "return debug.setupvalue(print, 1, 1)", 500, "has no \"setupvalue\"" },
      debug_hook = { plain "debug.sethook()", 500, "has no \"sethook\"" },
      debug_changed = { plain "debug.getinfo = print", 500, "is not to be changed" },
      package_loadlib = { plain "return package.loadlib('libc.so.6', 'system')", 500,
        "package is not there" },
      package_searchers = { plain "package.path = '/tmp/?.lua'", 500, "package is not there" },
      dofile_outside = { plain "dofile '/etc/passwd'", 500, "dofile is not there" },
      loadfile_outside = { plain "return loadfile '/etc/passwd'", 500, "loadfile is not there" },
      locale = { plain "os.setlocale 'C'", 500, "os%.setlocale is not there" },
    },
  },
  {
    tried = "`require` of C modules, of the agent's own modules, of paths outside `lib/`",
    stopped = "Lua environment: it finds what the host sent, and no file",
    attacks = {
      require_c = { plain "return require 'luv'", 500, "a C module needs \"native\"" },
      require_loading = { "local uv = require 'luv' return function() end", 503,
        "an installed module needs \"native\"" },
      require_above = { plain "return require '../../etc/passwd'", 500, "no library" },
      require_absolute = { plain "return require '/etc/passwd'", 500, "no library" },
      require_dots = { plain "return require '......etc.passwd'", 500, "no library" },
      require_nul = { plain "return require 'luv\\0x'", 500, "needs \"native\"" },
      require_package = { plain "return require 'package'", 500, "no library" },
      require_globals = { plain "return require '_G'", 500, "no library" },
      require_contract = { plain "return require 'kaa.contract'", 500, "no library" },
      require_narrowed = { [[return { needs = { native = { "lfs" } }, run = function()
        return require "package" end }]], 500, "no library" },
    },
  },
  {
    tried = "`os.exit` in a command, in a coroutine, behind `pcall`, while the file loads",
    stopped = "killed process: only the handler's own worker ends; loading refuses it",
    attacks = {
      exit_run = { plain "os.exit(7)", 500, "^Handler exited with 7$" },
      exit_coroutine = { plain "coroutine.wrap(function() pcall(os.exit, 8, true) end)()", 500,
        "^Handler exited with 8$" },
      exit_close = { plain "local x <close> = setmetatable({}, { __close = function() os.exit(9) end })",
        500, "^Handler exited with 9$" },
      exit_loading = { "os.exit(0) return function() end", 503, "os%.exit acts" },
    },
  },
  {
    tried = "finalizers: `__gc` given to `setmetatable`, added later, on a default that is copied",
    stopped = "Lua environment: no metatable has one when it is set",
    attacks = {
      gc_given = { plain "setmetatable({}, { __gc = print })", 500, "setmetatable: no __gc here" },
      gc_hidden = { plain "setmetatable({}, setmetatable({ __gc = false }, {}))", 500, "no __gc here" },
      gc_later = { plain [[
local ran, meta = false, {}
setmetatable({}, meta)
meta.__gc = function() ran = true end
for _ = 1, 10 do collectgarbage() end
return 200, "OK", ran]], 200, "OK", "false" },
      gc_copied = { [[
local ran, meta = false, {}
local default = setmetatable({}, meta)
meta.__gc = function() ran = true end
return {
  params = { options = { type = "table", default = default }, yard = { type = "any" },
    state = { type = "any" }, handlers = { type = "any" }, secret = { type = "any" },
    host = { type = "any" } },
  run = function(c)
    c.payload.options = nil
    for _ = 1, 10 do collectgarbage() end
    return 200, "OK", ran
  end,
}]], 200, "OK", "false" },
      gc_failure = { plain [[
local _, failure = pcall(kaa.fail, 409, "taken")
getmetatable(failure).__gc = function() end]], 500, "attempt to index a string value" },
      gc_file = { plain "getmetatable(io.stdout).__gc = nil", 500, "attempt to index a boolean value" },
    },
  },
  {
    tried = "error objects that raise, loop or lie when they are printed; `error(nil)`",
    stopped = "Lua environment: they are printed under the limits; the time limit",
    attacks = {
      error_raises = { plain "error(setmetatable({}, { __tostring = function() error 'again' end }))", 500,
        "^the handler raised an error that cannot be shown$" },
      error_loops = { short [[
error(setmetatable({}, { __tostring = function() while true do end end }))]], 504, "^Timed out after 0%.3 s" },
      error_number = { plain "error(setmetatable({}, { __tostring = function() return {} end }))", 500,
        "^the handler raised an error that cannot be shown$" },
      error_huge = { plain [[
error(setmetatable({}, { __tostring = function() return ("x"):rep(1 << 20) end }))]], 500, "^x+$",
        goal = function(scene, result)
          scene.equal(256, #result.reasonPhrase)
        end },
      error_name = { plain "error(setmetatable({}, { __name = ('n\\n'):rep(5000) }))", 500, "^raised" },
      error_index = { plain [[
error(setmetatable({}, { __index = function() return 200 end }))]], 500, "^raised a table with nothing" },
      error_nil = { plain "error(nil)", 500, "^raised nil; write" },
      error_thread = { plain "error(coroutine.create(print))", 500, "^raised a thread; write" },
      error_trace = { plain [[
local name = ("x"):rep(1e6)
string[name] = function() error "boom" end
string[name]() return 200]], 500, "boom$", goal = function(scene)
          scene.truthy(scene.agent.is_sanitized() or scene.host_most_kb() < 30000, scene.host_most_kb())
        end },
      error_printed = { plain "print(setmetatable({}, { __tostring = function() return {} end }))", 500,
        "'__tostring' must return a string" },
      error_status = { plain "error { status = math.huge, reason = {} }", 500, "^raised a table with inf" },
      error_failed = { plain [[
local _, failure = pcall(kaa.fail, 409, "taken")
failure.status, failure.reason = "200", { "OK" }
error(failure)]], 500, "^raised a table with \"200\" as its status" },
    },
  },
  {
    tried = "results that are no values: metatables, cycles, `kaa.null` as a key, functions, NaN",
    stopped = "Lua environment: results are read as they are, no metamethod is called",
    attacks = {
      result_metamethods = { plain [[
local function called() error "called" end
return 200, "OK", setmetatable({ 1, 2 }, { __index = called, __pairs = called, __len = called,
  __tostring = called, __name = "kaa.array", __metatable = called })]], 200, "OK", "[1,2]" },
      result_cycle = { plain "local t = {} t[1] = t return 200, 'OK', t", 500, "nested deeper than 64" },
      result_null_key = { plain "return 200, 'OK', { [kaa.null] = 1 }", 500, "a key is a" },
      result_function = { plain "return 200, 'OK', { print }", 500, "a function has no JSON form" },
      result_nan = { plain "return 200, 'OK', { 0 / 0 }", 500, "NaN has no JSON form" },
      result_sparse = { plain "return 200, 'OK', { [1] = 1, [math.maxinteger] = 2 }", 500,
        "a list without element 2" },
      result_status = { plain "return setmetatable({}, { __eq = function() return true end })", 500,
        "returned a table; write" },
      result_many = { plain "return table.unpack({}, 1, 200000)", 500, "returned 200000 values|stack" },
      result_reason = { plain "return 500, '\\27[2J\\r\\n' .. ('\\xff\\u{202e}'):rep(1000)", 500, "." ,
        goal = function(scene, result)
          scene.equal(nil, result.reasonPhrase:find "[\0-\31]")
          scene.truthy(#result.reasonPhrase <= 256)
        end },
      fail_odd = { plain "kaa.fail(kaa.null, kaa.null, kaa.null)", 500, "kaa%.fail takes a status" },
    },
  },
  {
    tried = "`coroutine.yield` out of `run`, closing and resuming what runs",
    stopped = "Lua environment: an ordinary error",
    attacks = {
      yield_out = { plain "coroutine.yield(1)", 500, "attempt to yield from outside a coroutine" },
      yield_sort = { plain [[
coroutine.wrap(function() table.sort({ 3, 2, 1 }, coroutine.yield) end)()]], 500,
        "attempt to yield across a C%-call boundary" },
      close_main = { plain [[
local main = coroutine.running()
coroutine.wrap(function() coroutine.close(main) end)()]], 500, "cannot close a normal coroutine" },
      resume_main = { plain [[
local main = coroutine.running()
return coroutine.wrap(function() return nil, select(2, coroutine.resume(main, main, main)) end)()]], 500,
        "^cannot resume non%-suspended coroutine$" },
      resume_self = { plain "return nil, select(2, coroutine.resume(coroutine.running()))", 500,
        "^cannot resume non%-suspended coroutine$" },
    },
  },
  {
    tried = "deep recursion: in Lua, in `gsub`, `__index`, `__tostring`, in JSON; source that nests too deep",
    stopped = "Lua environment: Lua's own bounds, an ordinary error",
    attacks = {
      deep_calls = { plain "local function f() return 1 + f() end f()", 500, "stack overflow|^Out of memory" },
      deep_gsub = { plain "local function f() ('x'):gsub('x', f) end f()", 500, "C stack overflow" },
      deep_sort = { plain "local function f() table.sort({ 1, 2 }, f) end f()", 500, "C stack overflow" },
      deep_index = { plain [[
local t = {}
for _ = 1, 1e5 do t = setmetatable({}, { __index = t }) end
return t.x]], 500, "'__index' chain too long" },
      deep_tostring = { plain [[
local t = setmetatable({}, { __tostring = tostring })
return tostring(t)]], 500, "C stack overflow" },
      deep_wrap = { plain [[
local function f() coroutine.wrap(f)() end
f()]], 500, "^deep_wrap%.lua:3: deep_wrap%.lua:3: " },
      deep_encode = { plain [[
local t = {}
for _ = 1, 1e5 do t = { t } end
kaa.json.encode(t)]], 500, "nested deeper than 64" },
      deep_decode = { plain "return kaa.json.decode(('['):rep(1e6))", 500, "deep" },
      deep_cjson = { plain "require('cjson').decode(('['):rep(1e6))", 500, "nested" },
      deep_default = { [[
local t = {}
for _ = 1, 1e5 do t = { t } end
return { params = { a = { type = "any", default = t } }, run = function() end }]], 500, "^Out of memory|stack overflow" },
      parse_parentheses = { plain "return load('return ' .. ('('):rep(1e5))", 500, "C stack overflow" },
      parse_functions = { plain "return load(('local function f() '):rep(1000))", 500, "C stack overflow" },
      parse_locals = { plain "return load(('local x '):rep(1e5))", 500, "too many local variables" },
      parse_goto = { plain "return load(('goto x '):rep(1e5))", 500, "too many labels/gotos" },
      parse_concat = { plain "return load('return ' .. ('x..'):rep(1e5) .. 'x')", 500, "overflow" },
    },
  },
  {
    tried = "leaving something for another type: in `string`, `_G`, `kaa`, in a library of `lib/`",
    stopped = "processes: each type has its own",
    attacks = {
      leave_write = { plain [[
string.left, math.left = 1, 1
rawset(_G, "left", 1)
rawset(kaa, "left", 1)
require("shared").left = 1
return 200]], 200, "OK" },
      leave_read = { plain [[
local own = require "shared"
local known = { string.left == nil, math.left == nil, rawget(_G, "left") == nil,
  rawget(kaa, "left") == nil, own.left == nil }
return 200, "OK", known]], 200, "OK", "[true,true,true,true,true]" },
    },
  },
}
