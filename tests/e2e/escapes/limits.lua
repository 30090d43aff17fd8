-- Attacks on the limits of time and memory; the rows are as in escapes/language.lua.
local write = require "escapes.write"
local plain, short, small = write.plain, write.short, write.small

local TIMED_OUT = "^Timed out after 0%.3 s"
local NO_MEMORY = "^Out of memory %(limit 8 MiB%)"

-- A payload from outside, with the params of the handler against it.
local PARAMS = [[
return { timeout_s = 0.3, params = {
    secret = { type = "any" }, state = { type = "any" }, handlers = { type = "any" },
    host = { type = "any" }, yard = { type = "string", pattern = "%s" },
  }, run = function() return 200, "ran" end }]]

return {
  {
    tried = "loops: behind `pcall` and `xpcall`, in message handlers, in `__close` and other metamethods",
    stopped = "limit by signal: from then on a hook raises in every function",
    attacks = {
      loop_plain = { short "while true do end", 504, TIMED_OUT },
      loop_goto = { short "::top:: goto top", 504, TIMED_OUT },
      loop_pcall = { short "while true do pcall(function() while true do end end) end", 504, TIMED_OUT },
      loop_pcall_deep = { short [[
local function f(n) while true do pcall(n < 150 and f or error, n + 1) end end
f(1)]], 504, TIMED_OUT },
      loop_xpcall = { short "while true do xpcall(error, function() while true do end end) end", 504, TIMED_OUT },
      loop_handler_fails = { short [[
local function fail() error(fail) end
while true do xpcall(fail, fail) end]], 504, TIMED_OUT },
      loop_close = { short [[
while true do
  pcall(function()
    local x <close> = setmetatable({}, { __close = function() while true do end end })
    error "x"
  end)
end]], 504, TIMED_OUT },
      loop_for_close = { short [[
local closing = setmetatable({}, { __close = function() while true do end end })
for _ in next, { 1 }, nil, closing do end]], 504, TIMED_OUT },
      loop_pairs = { short "for _ in pairs(setmetatable({}, { __pairs = function() while true do end end })) do end",
        504, TIMED_OUT },
      loop_compare = { short [[
local t = setmetatable({}, { __lt = function() while true do end end })
pcall(table.sort, { t, t, t })]], 504, TIMED_OUT },
      loop_log = { short [[
print(setmetatable({}, { __tostring = function() while true do end end }))]], 504, TIMED_OUT },
      loop_sleep = { short "while true do pcall(kaa.sleep, 60) end", 504, TIMED_OUT },
      loop_answered = { short [[
while true do
  if not pcall(function() while true do end end) then return 200, "got away" end
end]], 504, TIMED_OUT },
    },
  },
  {
    tried = "coroutines around the time limit: made before it, nested, wrapped, resumed or closed after it",
    stopped = "limit by signal: it reaches every coroutine that runs, and those that begin later",
    attacks = {
      co_before = { [[
local made = coroutine.create(function() while true do end end)
return { timeout_s = 0.3, run = function() coroutine.resume(made) end }]], 504, TIMED_OUT },
      co_nested = { short [[
local function f(n)
  coroutine.wrap(function() if n > 0 then f(n - 1) else while true do end end end)()
end
f(150)]], 504, TIMED_OUT },
      co_after = { short [[
while true do
  pcall(function() while true do end end)
  coroutine.resume(coroutine.create(function() while true do end end))
end]], 504, TIMED_OUT },
      co_yields = { short [[
local turn = coroutine.wrap(function() while true do pcall(coroutine.yield) end end)
while true do pcall(turn) end]], 504, TIMED_OUT },
      co_many = { short "while true do coroutine.wrap(coroutine.yield)() end", 504, TIMED_OUT },
      co_close = { short [[
local co = coroutine.create(function()
  local x <close> = setmetatable({}, { __close = function() while true do end end })
  coroutine.yield()
end)
coroutine.resume(co)
while true do coroutine.close(co) end]], 504, TIMED_OUT },
      co_xpcall = { short [[
while true do
  coroutine.wrap(function() xpcall(coroutine.yield, function() while true do end end) end)()
end]], 504, TIMED_OUT },
    },
  },
  {
    tried = "what never comes back from C: patterns that backtrack, `string.rep` of nothing, `table.move`, "
      .. "`table.insert`, `table.concat` of gigabytes",
    stopped = "killed process: 1 s after the limit",
    attacks = {
      c_find = { short "('a'):rep(5000):find(('.-'):rep(8) .. 'b')", 504, TIMED_OUT },
      c_gsub = { short "('a'):rep(5000):gsub(('.-'):rep(8) .. 'b', '')", 504, TIMED_OUT },
      c_gmatch = { short "for _ in ('a'):rep(5000):gmatch(('a-'):rep(30) .. 'b') do end", 504, TIMED_OUT },
      c_match_pcall = { short [[
while true do pcall(string.match, ("a"):rep(5000), ("a*"):rep(30) .. "b") end]], 504, TIMED_OUT },
      c_rep = { short "return 200, (''):rep(1 << 50)", 504, TIMED_OUT },
      c_move = { short "table.move({}, 1, math.maxinteger - 1, 2)", 504, TIMED_OUT },
      c_insert = { short [[
table.insert(setmetatable({}, { __len = function() return 1 << 60 end }), 1, 1)]], 504, TIMED_OUT },
      c_remove = { short [[
table.remove(setmetatable({}, { __len = function() return 1 << 60 end }), 1)]], 504, TIMED_OUT },
      c_concat = { short [[
table.concat(setmetatable({}, { __len = function() return math.maxinteger - 1 end,
  __index = function() return "" end }))]], 504, TIMED_OUT },
      c_encode = { short [[
local t = {}
for i = 1, 63 do t = { t, t } end
while true do pcall(kaa.json.encode, t) end]], 504, TIMED_OUT },
    },
  },
  {
    tried = "a payload from outside that makes the `pattern` of a field backtrack",
    stopped = "killed process; it costs its own command",
    attacks = {
      redos = { PARAMS:format((".-"):rep(20) .. "\\0"), 504, TIMED_OUT },
    },
  },
  {
    tried = "memory: tables, strings, closures, coroutines without end, also behind `pcall`",
    stopped = "Lua environment: its memory is counted",
    attacks = {
      eat_tables = { small "local t = {} while true do t = { t, {} } end", 500, NO_MEMORY },
      eat_strings = { small "local s = 'x' while true do s = s .. s end", 500, NO_MEMORY },
      eat_closures = { small "local f while true do local g = f f = function() return g end end", 500, NO_MEMORY },
      eat_coroutines = { small "local t = {} while true do t[#t + 1] = coroutine.create(print) end", 500, NO_MEMORY },
      eat_pcall = { small [[
local kept = {}
local function eat() while true do kept[#kept + 1] = ("x"):rep(1000) .. #kept end end
for _ = 1, 20 do pcall(eat) end
eat()]], 500, NO_MEMORY },
      eat_stack = { small "local function f(...) return f(1, ...) end f()", 500, NO_MEMORY .. "|stack overflow|too many" },
      eat_code = { small [[
local t = {}
while true do t[#t + 1] = load(("local x = 'y'"):rep(100, ";")) end]], 500, NO_MEMORY },
      eat_file = { "local t = {} while true do t[#t + 1] = ('x'):rep(1e6) .. #t end", 503,
        "out of memory while loading" },
    },
  },
  {
    tried = "gigabytes at once: `string.rep`, `string.format`, `string.pack`, `table.concat`, `table.unpack`, "
      .. "`select`, `utf8.char`, JSON",
    stopped = "Lua environment: its memory is counted, or an ordinary error",
    attacks = {
      big_rep = { small "return 200, ('x'):rep(1 << 30)", 500, NO_MEMORY },
      big_rep_over = { small "return 200, ('x'):rep(math.maxinteger)", 500, "resulting string too large" },
      big_format = { small "return 200, ('%99999999d'):format(1)", 500, "invalid conversion|invalid format" },
      big_format_q = { small "return 200, ('%q'):format(('\\0'):rep(3e6))", 500, NO_MEMORY },
      big_pack = { small "return 200, ('!16 s16'):pack(('x'):rep(7e6)):rep(9)", 500, NO_MEMORY },
      big_pack_size = { small "return 200, ('i17'):pack(1)", 500, "out of limits" },
      big_packsize = { small "return string.packsize(('c214748364'):rep(11))", 500, "too large" },
      big_concat = { small "return 200, table.concat({ ('x'):rep(2e6), ('x'):rep(2e6), ('x'):rep(2e6) })", 500, NO_MEMORY },
      big_unpack = { small "return table.unpack({}, 1, 1e8)", 500, "too many results to unpack" },
      big_unpack_over = { small "return table.unpack({}, math.mininteger, math.maxinteger)", 500, "too many results" },
      big_select = { small "return select(-1 << 62)", 500, "index out of range" },
      big_bytes = { small "return ('x'):rep(5e6):byte(1, -1)", 500, "string slice too long|" .. NO_MEMORY },
      big_utf8 = { small "return utf8.codepoint(('x'):rep(3e6), 1, -1)", 500, "string slice too long|" .. NO_MEMORY },
      big_upper = { small "local s = ('x'):rep(7e6) return 200, s:upper()", 500, NO_MEMORY },
      big_table = { small "local t = {} t[1 << 62] = 1 return 200, 'OK', #table.pack(table.unpack(t, 1, 9e5))", 500,
        NO_MEMORY .. "|too many results" },
      big_decode = { small "return 200, 'OK', #kaa.json.decode('[' .. ('{},'):rep(1e6) .. '1]')", 500, NO_MEMORY },
      big_encode = { small [[
local s = ("\0"):rep(1e6)
return 200, kaa.json.encode { s, s, s, s, s, s, s }]], 500, "kaa%.json%.encode: over 8388608 bytes" },
      big_result = { plain "return 200, 'OK', ('x'):rep(300000)", 500, "^Result too large: 300002 bytes, limit 262144" },
      big_result_twice = { plain [[
local t = { ("x"):rep(1e6) }
for _ = 1, 40 do t = { t, t } end
return 200, "OK", t]], 500, "^Result too large: over 67108864 bytes" },
      big_error = { small "error(('x'):rep(7e6) .. ('y'):rep(7e6))", 500, NO_MEMORY },
      big_setvbuf = { plain "io.stdout:setvbuf('full', 1 << 40) print 'x' return 200", 200, "OK" },
    },
  },
  {
    tried = "`collectgarbage`: stopped, tuned, called without end; a comparator of `table.sort` that lies",
    stopped = "Lua environment: only `\"count\"` and `\"collect\"`; Lua's own checks; the time limit",
    attacks = {
      collect_stop = { plain "collectgarbage 'stop'", 500, "is not there, only \"count\" and \"collect\"" },
      collect_pause = { plain "collectgarbage('setpause', 1000000)", 500, "is not there" },
      collect_mode = { plain "collectgarbage 'generational'", 500, "is not there" },
      collect_step = { plain "collectgarbage('step', -1)", 500, "is not there" },
      collect_loop = { short "local t = {} for i = 1, 1e5 do t[i] = {} end while true do collectgarbage() end",
        504, TIMED_OUT },
      sort_lies = { short [[
local t = {}
for i = 1, 1000 do t[i] = i end
while true do pcall(table.sort, t, function() return true end) end]], 504, TIMED_OUT },
      sort_changes = { plain [[
local t = {}
for i = 1, 1000 do t[i] = i end
pcall(table.sort, t, function(a, b) t[1000] = nil t[#t + 1] = {} return (a or 0) < (b or 0) end)
return 200]], 200, "OK" },
    },
  },
}
