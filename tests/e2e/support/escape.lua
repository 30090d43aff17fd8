-- Tries attacks (escapes/*.lua) in one agent: each is a handler, its payload names what
-- it may aim at, and beside it a healthy one answers.
--
--   describe("…", escape.tries(require "escapes.language"))
local assert = require "luassert"
local busted = require "busted"
local cjson = require "cjson"
local uv = require "luv"
local world = require "support.world"

local escape = {}

local ECHO = "return function(c) return 200, 'OK', c.payload end"
local DEADLINE_S = 60

--- A folder with what is not for handlers, and one where anybody may write.
local function make_places()
  local folder = world.folder_for "escape"
  local places = { yard = world.folder.make(folder .. "/yard"),
    secret = world.folder.write(folder .. "/secret", "the password") }
  world.folder.write(places.yard .. "/victim", "unharmed")
  return places
end

local function link_places(places)
  for name, target in pairs { state = places.state, handlers = places.handlers,
    secret = places.secret, swap = ".." } do
    assert(uv.fs_symlink(target, places.yard .. "/" .. name))
  end
  local pipe = places.yard .. "/pipe"
  assert(os.execute(("mkfifo %s %s-2 %s-3"):format(pipe, pipe, pipe)))
end

local function handlers_of(rows, extra)
  local handlers = { echo = ECHO, ["lib/shared"] = "return {}" }
  for name, source in pairs(extra or {}) do
    handlers[name] = source
  end
  for _, row in ipairs(rows) do
    for name, attack in pairs(row.attacks) do
      assert(not handlers[name], name .. " is there twice")
      handlers[name] = attack[1]
    end
  end
  return handlers
end

--- Starts the agent of a scene; `options` as for world.connected.
function escape.scene(rows, options)
  options = options or {}
  local places = make_places()
  options.handlers = handlers_of(rows, options.handlers)
  options.config = ("return { username = 'u', password_file = %q, worker_idle_s = 1%s }")
    :format(places.secret, options.settings or "")
  local agent, platform = world.connected(options)
  places.state, places.handlers, places.host = agent.state, agent.handlers, agent.process.pid
  link_places(places)
  return setmetatable({ agent = agent, platform = platform, places = places, next_id = 0 },
    { __index = escape })
end

function escape:payload()
  return cjson.encode(self.places)
end

--- The healthy handler answers.
function escape:answers()
  self.next_id = self.next_id + 1
  local result = self.platform:call("echo", self.next_id, tostring(self.next_id), DEADLINE_S)
  assert.are.equal(self.next_id, result.payload)
end

local function matches(reason, patterns)
  for pattern in (patterns .. "|"):gmatch "(.-)|" do
    if reason:find(pattern) then
      return true
    end
  end
end

local function shown(name, result)
  return ("%s: %d %s %s"):format(name, result.statusCode, result.reasonPhrase,
    cjson.encode(result.payload)):sub(1, 600)
end

--- The processes with this text among their arguments.
local function processes_with(text)
  local found, listing = {}, uv.fs_scandir "/proc"
  for pid in function() return (uv.fs_scandir_next(listing)) end do
    local arguments = pid:match "^%d+$" and world.folder.read("/proc/" .. pid .. "/cmdline")
    if arguments and arguments:find(text, 1, true) then
      found[#found + 1] = pid
    end
  end
  return found
end

--- What a goal may ask of the scene.
local function tools(scene)
  return setmetatable({
    equal = assert.are.equal,
    truthy = assert.is_truthy,
    read = world.folder.read,
    await = world.loop.await,
    processes_with = processes_with,
    host_kb = function()
      return world.process.status(scene.agent.process.pid, "VmRSS")
    end,
    host_most_kb = function()
      return world.process.status(scene.agent.process.pid, "VmHWM")
    end,
    refute_log = function(pattern)
      for line in scene.agent:log():gmatch "[^\n]+" do
        assert.is_nil(line:find(pattern), line)
      end
    end,
  }, { __index = scene })
end

function escape:judge(name, attack)
  local result = self.platform:await_result(name, 1, DEADLINE_S)
  local said = shown(name, result)
  assert.are.equal(attack[2], result.statusCode, said)
  assert.is_truthy(matches(result.reasonPhrase, attack[3]), said)
  if attack[4] then
    local expected = attack[4]:gsub("HOST", self.places.host)
    assert.are.same(cjson.decode("[" .. expected .. "]"), { result.payload }, said)
  end
  if attack.goal then
    attack.goal(tools(self), result)
  end
end

--- The healthy handler answers many commands before the attacks that last are over.
function escape:answers_beside(row)
  local elements, first = {}, self.next_id + 1
  for n = 1, row.beside do
    elements[n] = ('{"id":%d,"payload":%d}'):format(self.next_id + n, n)
  end
  self.next_id = self.next_id + row.beside
  self.platform:push("echo", "[" .. table.concat(elements, ",") .. "]")
  for id = first, self.next_id do
    self.platform:await_result("echo", id, DEADLINE_S)
  end
  for name, attack in pairs(row.attacks) do
    local over = attack.lasts and self.platform:results_of(name, 1)[1]
    assert.is_nil(over, over and name .. " is over: " .. over.reasonPhrase)
  end
end

--- The attacks of a row beside each other; the healthy handler during and after them.
function escape:try(row)
  for name in pairs(row.attacks) do
    self.platform:command(name, 1, self:payload())
  end
  self:answers()
  if row.beside then
    self:answers_beside(row)
  end
  local complaints = {}
  for name, attack in pairs(row.attacks) do
    local done, message = pcall(self.judge, self, name, attack)
    complaints[#complaints + 1] = not done and tostring(message) or nil
  end
  assert.are.equal("", table.concat(complaints, "\n"))
  if row.goal then
    row.goal(tools(self))
  end
  self:answers()
end

--- A block with one test for each row, all in one agent.
function escape.tries(rows, options)
  return function()
    local scene
    busted.setup(function()
      scene = escape.scene(rows, type(options) == "function" and options() or options)
    end)
    busted.teardown(world.clear)
    for _, row in ipairs(rows) do
      local skips = row.unlike_sanitized and world.Agent.is_sanitized()
      local test = skips and busted.pending or busted.it
      test(row.tried, function()
        scene:try(row)
      end)
    end
  end
end

return escape
