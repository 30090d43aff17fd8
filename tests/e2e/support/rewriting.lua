-- A handler that is rewritten again and again while commands come: what went wrong, and
-- how long each new version took to answer.
--
--   local run = rewriting.run(agent, platform, { rewrites = 200, per_s = 500 })
--   assert.are.same({}, run.wrong)
--
-- The agent serves the type "light", and rewriting.first(path) is its first version. Every
-- fifth text has a fault; its turn is over once the log tells so, that of a good one once it
-- has answered. Texts arrive by turns in place, in two pieces, and by a rename.
local loop = require "support.loop"
local uv = require "luv"

local rewriting = {}

local KIND = "light"
local FAULT_EVERY = 5
local ANSWER_S = 20
local WRONG_MAX = 20

local GOOD = [[
local version = %d
return {
  needs = { write = { %q } },
  run = function(command)
    local effects <close> = assert(io.open(%q, "a"))
    assert(effects:write(command.id, "\n"))
    return 200, "OK", version
  end,
}
]]

local FAULTY = {
  "local version = %d\nreturn { run = function( }",
  "local version = %d\nreturn { run = function() end, nme = 1 }",
  "local version = %d\nerror 'not today'",
  "local version = %d",
  "local version = %d\nundeclared = 1",
}

local function good(path, version)
  return GOOD:format(version, path, path .. "/effects")
end

--- The text of version 0; its effects go to the file `effects` in the folder `path`.
function rewriting.first(path)
  return good(path, 0)
end

local function write_in_place(path, text)
  local file = assert(io.open(path, "w"))
  local half = #text // 2
  assert(file:write(text:sub(1, half)))
  assert(file:flush())
  assert(file:write(text:sub(half + 1)))
  assert(file:close())
end

local function write_by_rename(path, text)
  write_in_place(path .. ".new", text)
  assert(os.rename(path .. ".new", path))
end

local function complain(run, ...)
  if #run.wrong < WRONG_MAX then
    run.wrong[#run.wrong + 1] = string.format(...)
  end
end

--- Commands at an even pace, from now until the returned timer is closed.
local function stream(run, platform, per_s)
  local begun_ms, timer = loop.now_ms(), uv.new_timer()
  timer:start(0, 2, function()
    local due = (loop.now_ms() - begun_ms) * per_s // 1000
    while run.sent < due do
      run.sent = run.sent + 1
      run.at_least[run.sent] = run.in_service
      platform:command(KIND, run.sent)
    end
  end)
  return timer
end

-- One worker runs them in the order of their arrival: versions never go back. A command that
-- was sent when a version was known to serve is not run by an older one.
local function judge(run, element)
  local id, version = element.id, math.tointeger(element.payload)
  if element.type ~= nil and element.type ~= KIND then
    return
  elseif run.answered[id] then
    return complain(run, "%d was answered twice", id)
  elseif element.statusCode ~= 200 or not version then
    complain(run, "%d was answered %d %s", id, element.statusCode, element.reasonPhrase or "")
  elseif not run.good[version] then
    complain(run, "%d was answered by version %d, which has a fault", id, version)
  elseif version < run.at_least[id] then
    complain(run, "%d was answered by version %d, sent when %d served", id, version, run.at_least[id])
  elseif version < run.newest then
    complain(run, "%d was answered by version %d after one by %d", id, version, run.newest)
  else
    run.newest = version
    run.first_ms[version] = run.first_ms[version] or loop.now_ms()
  end
  run.answered[id] = version or -1
  run.answers = run.answers + 1
end

local function rewrite(run, agent, number)
  local path = ("%s/%s.lua"):format(agent.handlers, KIND)
  local is_good = number % FAULT_EVERY ~= 0
  local mark = agent:mark()
  local text = is_good and good(agent.folder, number)
    or FAULTY[number // FAULT_EVERY % #FAULTY + 1]:format(number)
  run.good[number] = is_good
  local write = number % 2 == 0 and write_in_place or write_by_rename
  write(path, text)
  local closed_ms = loop.now_ms()
  if is_good then
    loop.await(("an answer by version %d"):format(number), function()
      return run.first_ms[number]
    end, ANSWER_S)
    run.in_service = number
    run.latencies[#run.latencies + 1] = run.first_ms[number] - closed_ms
  else
    agent:await_log("error%s+" .. KIND .. ".*the last good version", mark, ANSWER_S)
  end
end

local function check_effects(run, agent)
  local ran = {}
  for line in io.lines(agent.folder .. "/effects") do
    local id = tonumber(line)
    if ran[id] then
      complain(run, "%d ran twice", id)
    end
    ran[id] = true
  end
  for id = 1, run.sent do
    if not ran[id] then
      complain(run, "%d did not run", id)
    end
  end
end

--- Rewrites the handler while commands come, one rewrite after the other's outcome.
---@param agent table connected, with rewriting.first(agent.folder) as "light"
---@param platform table
---@param options {rewrites: integer, per_s: integer, progress: fun(number: integer)?}
---@return {wrong: string[], sent: integer, answers: integer, latencies: number[]} run
---  `latencies`: milliseconds from the last close or rename to the first answer
function rewriting.run(agent, platform, options)
  local run = {
    wrong = {}, sent = 0, answers = 0, answered = {}, at_least = {}, good = { [0] = true },
    first_ms = {}, newest = 0, in_service = 0, latencies = {},
  }
  platform.judge = function(elements)
    for _, element in ipairs(elements) do
      judge(run, element)
    end
    platform.results = {} -- they are many
  end
  local timer = stream(run, platform, options.per_s)
  for number = 1, options.rewrites do
    rewrite(run, agent, number)
    if options.progress then
      options.progress(number)
    end
  end
  timer:close()
  local done, message = pcall(loop.await, "all answers", function()
    return run.answers >= run.sent
  end, ANSWER_S)
  if not done then
    complain(run, "%s: %d of %d came", message, run.answers, run.sent)
  end
  platform.judge = nil
  check_effects(run, agent)
  return run
end

--- The n-th of a hundred parts of the list; sorts it.
function rewriting.percentile(list, n)
  table.sort(list)
  return list[math.max(1, math.ceil(#list * n / 100))]
end

return rewriting
