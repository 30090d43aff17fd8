-- The running agent, asked over its control socket: kaalua status, history, show, forget,
-- and what the socket makes of those who do not ask properly.
package.path = "tests/e2e/?.lua;" .. package.path
local cjson = require "cjson"
local uv = require "luv"
local world = require "support.world"

local Agent, folder, loop = world.Agent, world.folder, world.loop

local TOKEN = "TOKEN-secret-9f31"
local PASSWORD = "hunter2-password"

local HANDLERS = {
  echo = "return function(c) return 200, 'OK', c.payload end",
  count = "local n = 0 return function() n = n + 1 return 200, 'OK', n end",
  park = "return function() return 409, 'Slot taken', { slot = 3 } end",
  slow = "return { timeout_s = 60, run = function() kaa.sleep(50) end }",
  broken = "return {\n  timeout = 2,\n  run = function() end,\n}\n",
}

-- An agent, connected with a user name and a password, that serves this one token.
local function connected(options)
  options = options or {}
  local secrets = world.folder_for "secrets"
  local password_file = folder.write(secrets .. "/password", PASSWORD .. "\n")
  options.handlers = options.handlers or HANDLERS
  options.token = options.token == nil and TOKEN or options.token
  options.config = ("return { username = 'device', password_file = %q, %s }")
    :format(password_file, options.config or "")
  return world.connected(options)
end

local function await_confirmed(platform, agent, kind, id, token)
  platform:await_result(kind, id, 10, token or TOKEN)
  loop.await(("%s %d to be confirmed"):format(kind, id), function()
    local _, out = world.process.run(Agent.program,
      { "show", tostring(id), "--type", kind, "--json", "--state", agent.state }, nil, 20)
    return out:find('"state":"confirmed"', 1, true)
  end)
end

local function call(platform, agent, kind, id, payload)
  platform:command(kind, id, payload, TOKEN)
  await_confirmed(platform, agent, kind, id)
end

-- Runs a subcommand against the agent's state; nothing secret may be in what it prints, and
-- nothing for a terminal.
local function ask(agent, arguments)
  local list = {}
  for i, each in ipairs(arguments) do
    list[i] = each
  end
  list[#list + 1] = "--state"
  list[#list + 1] = agent.state
  local status, out, err = world.process.run(Agent.program, list, nil, 20)
  for _, secret in ipairs { TOKEN, PASSWORD } do
    assert.is_nil((out .. err):find(secret, 1, true), "a secret is shown: " .. out .. err)
  end
  assert.is_nil(out:find("\27", 1, true), "colours are for terminals")
  for line in (out .. err):gmatch "[^\n]+" do
    local is_document = line:find "^{"
    local is_message = line:find "^kaalua: " or line:find "^usage: "
    assert.is_truthy(is_document or is_message or utf8.len(line) <= 80, line)
  end
  return status, out, err
end

local function document(agent, arguments)
  local list = { table.unpack(arguments) }
  list[#list + 1] = "--json"
  local status, out, err = ask(agent, list)
  assert.are.equal(0, status, err)
  local _, lines = out:gsub("\n", "")
  assert.are.equal(1, lines, "one document, one line")
  return cjson.decode(out), out
end

-- The agent may close a connection that this process still writes to.
local sigpipe = uv.new_signal()
sigpipe:start "sigpipe"
sigpipe:unref()

-- A raw connection: `heard` grows, `ended` tells that the agent closed it.
local function dial(path)
  local self = { pipe = uv.new_pipe(false), heard = "" }
  self.pipe:connect(path, function(failure)
    self.failure, self.is_connected = failure, not failure
    if failure then
      self.ended = true
      return
    end
    if not self.deaf then
      self.pipe:read_start(function(_, data)
        self.heard = self.heard .. (data or "")
        self.ended = self.ended or not data
      end)
    end
  end)
  function self.close()
    if not self.pipe:is_closing() then
      self.pipe:close()
    end
  end
  return self
end

local function descriptors(pid)
  local count = 0
  local listing = assert(uv.fs_scandir(("/proc/%d/fd"):format(pid)))
  while uv.fs_scandir_next(listing) do
    count = count + 1
  end
  return count
end

local function await_dialled(client)
  return loop.await("a connection", function() return client.is_connected or client.failure end)
end

describe("kaalua status", function()
  after_each(world.clear)

  it("shows how a connected agent is", function()
    local agent, platform = connected()
    agent:await_log "broken%.lua:2"
    call(platform, agent, "echo", 1, "7")
    local status, out, err = ask(agent, { "status" })
    assert.are.equal(0, status, err)
    for _, pattern in ipairs {
      "^kaalua +0%.%d+%.%d+, process " .. agent.process.pid .. ", up %d+ s",
      "\nconnection +connected for %d+ s to mqtt://127%.0%.0%.1:%d+\n", "\nendpoints +1\n",
      "\nhandlers +4 in service, 1 faulty\n",
      "\ncommands +0 received, 0 queued, 0 of these held, 0 running, ",
      "\nsince start +1 accepted, 1 answered, 1 confirmed, 0 refused, 0 repeats, ",
      "\noutbox +telemetry 0 waiting, 0 dropped; metadata %d+ waiting, 0 dropped\n",
      "\njournal +good, [%d.]+ k?M?B, %d+ commands, ",
      "\nfaults +handler broken: broken%.lua:2: timeout: unknown key",
    } do
      assert.is_truthy(out:find(pattern), pattern .. "\n" .. out)
    end
  end)

  it("is one document with --json", function()
    local agent, platform = connected()
    agent:await_log "broken%.lua:2"
    call(platform, agent, "echo", 1, "7")
    call(platform, agent, "park", 2)
    local shown = document(agent, { "status" })
    assert.are.equal(agent.process.pid, shown.pid)
    assert.is_true(shown.connection.connected)
    assert.are.equal(1, shown.endpoints)
    assert.are.equal("broken", shown.handlers.faulty[1].type)
    assert.is_false(shown.handlers.faulty[1].in_service)
    assert.are.same({ received = 0, queued = 0, held = 0, running = 0, waiting = 0, done = 0 },
      shown.commands)
    assert.are.equal(2, shown.since_start.accepted)
    assert.are.equal(2, shown.since_start.confirmed)
    assert.are.equal("good", shown.journal.condition)
    assert.are.equal(1, #shown.faults)
  end)

  it("says why there is no connection", function()
    local agent, _, broker = connected()
    broker:stop()
    agent:await_log "disconnected"
    local shown = document(agent, { "status" })
    assert.is_false(shown.connection.connected)
    assert.is_truthy(shown.connection.reason)
    local _, out = ask(agent, { "status" })
    assert.is_truthy(out:find "\nconnection +not connected for %d+ s to mqtt://", out)
    assert.is_truthy(out:find("\n +" .. shown.connection.reason:sub(1, 20):gsub("%p", "%%%0")), out)
  end)

  it("knows a platform over HTTP, too", function()
    local agent, platform = world.connected { wire = "http", handlers = { echo = HANDLERS.echo } }
    local shown = document(agent, { "status" })
    assert.is_true(shown.connection.connected)
    assert.is_truthy(shown.connection.url:find "^http://127")
    platform:stop()
    shown = loop.await("the connection to be lost", function()
      local now = document(agent, { "status" })
      return not now.connection.connected and now
    end, 20)
    assert.is_string(shown.connection.reason)
  end)

  it("is answered while the agent stops", function()
    local agent, platform = connected {
      handlers = { slow = "return function() print 'it begins' kaa.sleep(2) end" },
    }
    platform:command("slow", 1, nil, TOKEN)
    agent:await_log "it begins"
    agent.process:kill "sigterm"
    agent:await_log "stopping"
    assert.are.equal(1, document(agent, { "status" }).commands.running)
    assert.are.equal(0, agent.process:await_end(20).code)
  end)

  it("says that the journal is missing, and what is read in its place", function()
    local agent = connected()
    local function begun_without_journal()
      assert.are.equal(0, agent:stop().code)
      for _, name in ipairs { "journal.db", "journal.db-wal", "journal.db-shm" } do
        os.remove(agent.state .. "/" .. name)
      end
      agent:start()
      agent:await_connected()
      return document(agent, { "status" })
    end
    local shown = begun_without_journal()
    assert.are.same({ "journal: was missing at the start: what was not confirmed before is lost" },
      { shown.faults[1] })
    assert.is_nil(shown.journal.set_aside)
    assert.are.equal("it is not there any more", shown.journal.why)
    folder.write(agent.state .. "/journal.db.damaged-20260101T000000Z", "no journal")
    shown = begun_without_journal()
    assert.are.equal("journal: was missing at the start; what could be read of "
      .. "journal.db.damaged-20260101T000000Z, set aside earlier, is taken over", shown.faults[1])
    agent.expects_failure = true
  end)

  it("counts what runs and what waits for it", function()
    local agent, platform = connected()
    for id = 1, 3 do
      platform:command("slow", id, nil, TOKEN)
    end
    local shown = loop.await("one to run and two to be queued", function()
      local now = document(agent, { "status" })
      return now.commands.running == 1 and now.commands.queued == 2 and now
    end)
    assert.are.equal(3, shown.since_start.accepted)
    agent.process:kill "sigkill"
    agent.process:await_end()
    agent.expects_failure = true
  end)
end)

describe("kaalua history", function()
  after_each(world.clear)

  it("shows the newest first, in 80 columns", function()
    local agent, platform = connected {
      handlers = {
        echo = HANDLERS.echo, park = HANDLERS.park,
        ["a-type-with-a-name-that-is-much-too-long-for-a-table"] =
          "return function() return 500, ('so much to say ä '):rep(15) end",
      },
    }
    call(platform, agent, "echo", 1, "7")
    call(platform, agent, "park", -2)
    call(platform, agent, "a-type-with-a-name-that-is-much-too-long-for-a-table", 3)
    local status, out, err = ask(agent, { "history" })
    assert.are.equal(0, status, err)
    local lines = {}
    for line in out:gmatch "[^\n]+" do
      lines[#lines + 1] = line
    end
    assert.are.equal(4, #lines, out)
    assert.is_truthy(lines[1]:find "^RECEIVED +TYPE +ID STATE +RESULT$", out)
    assert.is_truthy(lines[2]:find "Z a%-type%-with%-a%-name%-… +3 confirmed 500 so much to say ä", out)
    assert.is_truthy(lines[2]:find "…$", out)
    assert.is_truthy(lines[3]:find "^%d%d%d%d%-%d%d%-%d%dT%d%d:%d%d:%d%dZ park +%-2 confirmed 409 Slot taken$", out)
    assert.is_truthy(lines[4]:find "Z echo +1 confirmed 200 OK$", out)
  end)

  it("has room for the longest ids and several endpoints", function()
    local second = "OTHER-secret-4c17"
    local agent, platform = connected {
      token = false, config = ("tokens = { %q, %q },"):format(TOKEN, second), handlers = {
        ["a-type-with-a-long-name"] = "return function() return 500, ('so much to say '):rep(9) end",
      },
    }
    for _, token in ipairs { TOKEN, second } do
      platform:command("a-type-with-a-long-name", math.mininteger, nil, token)
      platform:await_result("a-type-with-a-long-name", math.mininteger, 10, token)
    end
    local out = loop.await("both to be confirmed", function()
      local _, shown = ask(agent, { "history" }) -- which looks at the columns
      return select(2, shown:gsub("confirmed", "")) == 2 and shown
    end)
    assert.is_truthy(out:find("Z a-typ… -9223372036854775808 OTHE…    confirmed 500 so much…\n", 1, true), out)
  end)

  it("selects by type and goes on where a page ended", function()
    local agent, platform = connected()
    for id = 1, 5 do
      call(platform, agent, "echo", id, tostring(id))
    end
    call(platform, agent, "park", 6)
    assert.are.equal(5, #document(agent, { "history", "--type", "echo" }).commands)
    local page = document(agent, { "history", "--type", "echo", "--limit", "3" })
    assert.are.same({ 5, 4, 3 }, { page.commands[1].id, page.commands[2].id, page.commands[3].id })
    local rest = document(agent,
      { "history", "--type", "echo", "--limit", "3", "--before", ("%d"):format(page.before) })
    assert.are.same({ 2, 1 }, { rest.commands[1].id, rest.commands[2].id })
    assert.is_nil(rest.before)
    local _, out = ask(agent, { "history", "--limit", "2" })
    assert.is_truthy(out:find "\nolder ones: %-%-before %d+\n$", out)
    _, out = ask(agent, { "history", "--type", "nosuch" })
    assert.are.equal("no commands\n", out)
  end)

  it("shows tokens shortened and takes their beginning", function()
    local tokens = { "alpha-secret-1", "beta-secret-22" }
    local agent, platform = connected {
      token = false, config = "tokens = { 'alpha-secret-1', 'beta-secret-22' }",
    }
    for i, token in ipairs(tokens) do
      platform:command("echo", i, nil, token)
      await_confirmed(platform, agent, "echo", i, token)
    end
    local shown, text = document(agent, { "history" })
    assert.are.same({ "beta…", "alph…" }, { shown.commands[1].endpoint, shown.commands[2].endpoint })
    assert.is_nil(text:find("secret", 1, true))
    local _, out = ask(agent, { "history" })
    assert.is_truthy(out:find "ID ENDPOINT STATE ", out)
    assert.is_nil(out:find("secret", 1, true))
    for given, id in pairs { alph = 1, ["beta…"] = 2, [tokens[1]] = 1 } do
      shown = document(agent, { "history", "--endpoint", given })
      assert.are.equal(1, #shown.commands)
      assert.are.equal(id, shown.commands[1].id)
    end
    assert.are.equal(0, #document(agent, { "history", "--endpoint", "gamma" }).commands)
  end)

  it("refuses what is no page with 2", function()
    local agent = connected()
    for _, flags in ipairs {
      { "--limit", "0" }, { "--limit", "1001" }, { "--limit", "ten" }, { "--limit", "" },
      { "--before", "-1" }, { "--before", "99999999999999999999" }, { "--type", "\255" }, { "more" },
    } do
      local status, out, err = ask(agent, { "history", table.unpack(flags) })
      assert.are.equal(2, status, err)
      assert.are.equal("", out)
      assert.is_truthy(err:find "^kaalua", err)
    end
  end)
end)

describe("kaalua show", function()
  after_each(world.clear)

  local EXACT = '[9007199254740993,3.0,1.50e2,"a\\u0000b",[],{},null,-0]'

  it("shows all of one command, exactly", function()
    local agent, platform = connected()
    call(platform, agent, "echo", 17, EXACT)
    local status, out, err = ask(agent, { "show", "17" })
    assert.are.equal(0, status, err)
    for _, pattern in ipairs {
      "^type +echo\nid +17\nendpoint +TOKE…\nstate +confirmed\n", "\nreceived +%d%d%d%d%-",
      "\nconfirmed +%d%d%d%d%-", "\nattempts +1\n", "\nresult +200 OK\n",
    } do
      assert.is_truthy(out:find(pattern), pattern .. "\n" .. out)
    end
    assert.is_truthy(out:find('[9007199254740993,3.0,', 1, true), out)
    local shown, text = document(agent, { "show", "17" })
    assert.are.equal("TOKE…", shown.endpoint)
    assert.are.equal(200, shown.status)
    assert.is_truthy(text:find('"payload":[9007199254740993,3.0,150.0,"a\\u0000b",[],{},null,', 1, true),
      text)
  end)

  it("spreads a long payload over lines", function()
    local agent, platform = connected {
      handlers = { long = [[return function()
        return 200, 'OK', { list = kaa.array { ('x'):rep(40), ('y'):rep(40) }, none = kaa.array {} }
      end]] },
    }
    call(platform, agent, "long", 1)
    local _, out = ask(agent, { "show", "1" })
    local pad = (" "):rep(13)
    assert.is_truthy(out:find(('"list": [\n%s    "%s",\n%s    "%s"\n%s  ]')
      :format(pad, ("x"):rep(40), pad, ("y"):rep(40), pad), 1, true), out)
    assert.is_truthy(out:find('"none": []', 1, true), out)
  end)

  it("shows the beginning of what is very long, and all of it with --json", function()
    local agent, platform = connected {
      handlers = { long = "return function() return 200, 'OK', ('ä'):rep(70000) end" },
    }
    call(platform, agent, "long", 1)
    local status, out = world.process.run(Agent.program, { "show", "1", "--state", agent.state }, nil, 20)
    assert.are.equal(0, status)
    assert.is_truthy(utf8.len(out) < 3000, "not cut")
    local shown = out:match '\npayload +"([^…\n]+)…\n +%(140002 bytes; %-%-json shows all%)\n$'
    assert.are.equal(("ä"):rep(1999), shown)
    assert.are.equal(("ä"):rep(70000), document(agent, { "show", "1" }).payload)
  end)

  it("prints nothing that steers a terminal, and still the same value", function()
    local agent, platform = connected()
    local dangerous = '{"k\194\155":"\127\194\133\\u001b[2J","n":"\\\\\\""}'
    call(platform, agent, "echo", 1, dangerous)
    for _, arguments in ipairs { { "show", "1" }, { "show", "1", "--json" } } do
      local status, out = ask(agent, arguments)
      assert.are.equal(0, status)
      assert.is_nil(out:find "[\0-\9\11-\31\127]", out)
      assert.is_nil(out:find("\194[\128-\159]"), out)
      assert.is_truthy(out:find("\\u009b", 1, true), out)
    end
    assert.are.same(cjson.decode(dangerous), document(agent, { "show", "1" }).payload)
  end)

  it("wants to know which where an id is not unique", function()
    local agent, platform = connected()
    call(platform, agent, "echo", 5)
    call(platform, agent, "park", 5)
    local status, out, err = ask(agent, { "show", "5" })
    assert.are.equal(2, status)
    assert.are.equal("", out)
    assert.is_truthy(err:find("2 commands have the id 5", 1, true), err)
    assert.is_truthy(err:find "\n  %-%-type echo  %-%-endpoint TOKE…  confirmed\n", err)
    assert.is_truthy(err:find "\n  %-%-type park  %-%-endpoint TOKE…  confirmed\n", err)
    assert.are.equal(409, document(agent, { "show", "5", "--type", "park" }).status)
  end)

  it("wants to know which also where each of many has as much as can be", function()
    local handlers, large = {}, ('"%s"'):format(("x"):rep(250000))
    for i = 1, 10 do
      handlers["large" .. i] = HANDLERS.echo
    end
    local agent, platform = connected { handlers = handlers }
    for kind in pairs(handlers) do
      platform:command(kind, 5, large, TOKEN)
    end
    for kind in pairs(handlers) do
      platform:await_result(kind, 5, 20, TOKEN)
    end
    local status, out, err = ask(agent, { "show", "5" })
    assert.are.equal(2, status, err:sub(1, 200))
    assert.are.equal("", out)
    assert.is_truthy(err:find("10 commands have the id 5", 1, true), err)
    local _, count = err:gsub("%-%-type large%d", "")
    assert.are.equal(10, count)
  end)

  it("says that an id is not known, or is none", function()
    local agent = connected()
    local status, _, err = ask(agent, { "show", "5", "--type", "echo" })
    assert.are.equal(1, status)
    assert.are.equal("kaalua: no command with the id 5 and the type echo is known\n", err)
    for _, wrong in ipairs { "five", "5.0", "", "99999999999999999999", " 5" } do
      assert.are.equal(2, (ask(agent, { "show", wrong })), wrong)
    end
  end)
end)

describe("kaalua forget", function()
  after_each(world.clear)

  it("has a command whose life is over run again", function()
    local agent, platform = connected()
    call(platform, agent, "count", 1)
    platform:command("count", 1, nil, TOKEN)
    loop.await("the repeat to be answered", function()
      return #platform:results_of("count", 1) == 2
    end)
    assert.are.equal(1, platform:results_of("count", 1)[2].payload, "it has not run again")
    local status, out, err = ask(agent, { "forget", "1" })
    assert.are.equal(0, status, err)
    assert.is_truthy(out:find "^forgotten +count 1, which was confirmed%.\n", out)
    assert.is_truthy(out:find("it runs again.", 1, true), out)
    platform:command("count", 1, nil, TOKEN)
    loop.await("the command to run again", function()
      local results = platform:results_of("count", 1)
      return results[#results].payload == 2
    end)
    assert.are.equal(1, (ask(agent, { "forget", "99" })))
  end)

  it("gives up what is queued, and not what runs", function()
    local agent, platform = connected()
    platform:command("slow", 1, nil, TOKEN)
    platform:command("slow", 2, nil, TOKEN)
    loop.await("one to run and one to be queued", function()
      local now = document(agent, { "status" })
      return now.commands.running == 1 and now.commands.queued == 1
    end)
    local status, out, err = ask(agent, { "forget", "1" })
    assert.are.equal(1, status)
    assert.are.equal("", out)
    assert.is_truthy(err:find("slow 1 is running: it cannot be forgotten", 1, true), err)
    local given_up = document(agent, { "forget", "2" })
    assert.is_true(given_up.was_alive)
    assert.is_true(given_up.runs_again)
    loop.await("it to be dropped", function()
      return document(agent, { "show", "2" }).state == "dropped"
    end)
    assert.are.equal(0, document(agent, { "status" }).commands.queued)
    agent.process:kill "sigkill"
    agent.process:await_end()
    agent.expects_failure = true
  end)

  it("gives up a result that is not confirmed", function()
    local agent, platform = connected()
    platform.confirms = false
    platform:command("echo", 1, "7", TOKEN)
    platform:await_result("echo", 1)
    local _, out = ask(agent, { "forget", "1" })
    assert.is_truthy(out:find "echo 1, which was done: its result is not sent any more%.", out)
    assert.is_truthy(out:find "answered%s+from the history", out)
    loop.await("nothing to wait any more", function()
      return document(agent, { "status" }).commands.done == 0
    end)
  end)

  it("answers what had begun from the history, until it is forgotten once more", function()
    local agent, platform = connected()
    platform.confirms = false
    platform:command("count", 1, nil, TOKEN)
    platform:await_result("count", 1, 10, TOKEN)
    local first = document(agent, { "forget", "1" })
    assert.is_true(first.was_alive)
    assert.is_false(first.runs_again)
    loop.await("it to be dropped", function()
      return document(agent, { "show", "1" }).state == "dropped"
    end)
    platform.confirms = true
    local before = #platform:results_of("count", 1)
    platform:command("count", 1, nil, TOKEN)
    loop.await("the repeat to be answered", function()
      return #platform:results_of("count", 1) > before
    end)
    local results = platform:results_of("count", 1)
    assert.are.equal(1, results[#results].payload, "it has not run again")
    assert.are.equal("dropped", document(agent, { "show", "1" }).state)
    local second = document(agent, { "forget", "1" })
    assert.is_false(second.was_alive)
    assert.is_true(second.runs_again)
    platform:command("count", 1, nil, TOKEN)
    loop.await("the command to run again", function()
      results = platform:results_of("count", 1)
      return results[#results].payload == 2
    end)
  end)
end)

describe("a command of an endpoint that is served no more", function()
  after_each(world.clear)

  it("is shown, and stays", function()
    local agent, platform = connected()
    platform.confirms = false
    platform:command("echo", 1, "7", TOKEN)
    platform:await_result("echo", 1, 10, TOKEN)
    agent:stop()
    for i, argument in ipairs(agent.arguments) do
      if argument == "--token" then
        agent.arguments[i + 1] = "another-token"
      end
    end
    agent:start()
    agent:await_connected()
    assert.are.equal("done", document(agent, { "show", "1", "--endpoint", TOKEN }).state)
    local status, _, err = ask(agent, { "forget", "1" })
    assert.are.equal(1, status)
    assert.is_truthy(err:find("does not serve its endpoint", 1, true), err)
    assert.are.equal("done", document(agent, { "show", "1" }).state)
  end)
end)

describe("who asks", function()
  after_each(world.clear)

  it("is told that no agent is running, with 1", function()
    local state = world.folder_for "state"
    for _, command in ipairs { { "status" }, { "history" }, { "show", "1" }, { "forget", "1" } } do
      local status, out, err = ask({ state = state }, command)
      assert.are.equal(1, status)
      assert.are.equal("", out)
      assert.are.equal(("kaalua: no agent answers at %s/control (no socket); where its configuration "
        .. "sets `control`, try --config\n"):format(state), err)
    end
  end)

  it("is told so also where a dead agent left its socket; the next agent replaces that", function()
    local agent = connected()
    agent.process:kill "sigkill"
    agent.process:await_end()
    agent.expects_failure = true
    assert.is_truthy(uv.fs_lstat(agent.state .. "/control"))
    local status, _, err = ask(agent, { "status" })
    assert.are.equal(1, status)
    assert.is_truthy(err:find("nobody listens to", 1, true), err)
    agent:start()
    agent:await_connected()
    assert.are.equal(0, (ask(agent, { "status" })))
    assert.are.equal(0, agent:stop().code)
    assert.is_nil(uv.fs_lstat(agent.state .. "/control"))
  end)

  it("reaches a socket whose path is long", function()
    local long = world.folder_for(("s"):rep(120))
    local socket = long .. "/control"
    local agent = connected { config = ("control = %q,"):format(socket) }
    -- --state beats the configuration, on both sides
    assert.are.equal(0, (ask(agent, { "status" })))
    agent:stop()
    for i, argument in ipairs(agent.arguments) do
      if argument == "--state" then
        agent.arguments[i + 1] = long
      end
    end
    agent.state = long
    agent:start()
    agent:await_connected()
    assert.are.equal("socket", uv.fs_lstat(socket).type)
    assert.are.equal(0, (ask(agent, { "status" })))
    assert.are.equal(0, (ask(agent, { "history" })))
  end)

  it("finds the socket by the configuration", function()
    local run, state = world.folder_for "run", world.folder_for "state"
    local agent = connected { config = ("control = %q, state = %q,"):format(run .. "/kaalua", state) }
    agent:stop()
    for i, argument in ipairs(agent.arguments) do
      if argument == "--state" then
        table.remove(agent.arguments, i)
        table.remove(agent.arguments, i)
        break
      end
    end
    agent:start()
    agent:await_connected()
    assert.are.equal(tonumber("660", 8), uv.fs_lstat(run .. "/kaalua").mode % 512)
    local config = agent.folder .. "/kaalua.lua"
    local status, out, err =
      world.process.run(Agent.program, { "status", "--json", "--config", config }, nil, 20)
    assert.are.equal(0, status, err)
    assert.are.equal(agent.process.pid, cjson.decode(out).pid)
    status, out, err = world.process.run(Agent.program, { "status", "--json" },
      { env = { KAALUA_CONFIG = config } }, 20)
    assert.are.equal(0, status, err)
    assert.are.equal(agent.process.pid, cjson.decode(out).pid)
    status, _, err = world.process.run(Agent.program, { "status", "--state", state }, nil, 20)
    assert.are.equal(1, status)
    assert.is_truthy(err:find("try --config", 1, true), err)
    assert.are.equal(0, agent:stop().code)
    status, _, err = world.process.run(Agent.program, { "status", "--config", config }, nil, 20)
    assert.are.equal(1, status)
    assert.are.equal(("kaalua: no agent is running on %s (no socket at %s/kaalua)\n")
      :format(state, run), err)
    folder.write(config, "return { contrl = 3 }")
    status, _, err = world.process.run(Agent.program, { "status", "--config", config }, nil, 20)
    assert.are.equal(2, status)
    assert.is_truthy(err:find('did you mean "control"', 1, true), err)
  end)

  it("reaches the first of two agents with one socket; the second says so and works", function()
    local socket = world.folder_for "run" .. "/control"
    local function without_state(agent)
      local list = {}
      for i, argument in ipairs(agent.arguments) do
        local is_state = argument == "--state" or agent.arguments[i - 1] == "--state"
        list[#list + 1] = not is_state and argument or nil
      end
      agent.arguments = list
      return agent:start()
    end
    local broker = world.broker()
    local platform = world.platform(broker.port)
    local agents = {}
    for i = 1, 2 do
      agents[i] = without_state(world.agent {
        url = "mqtt://127.0.0.1:" .. broker.port, token = "token-" .. i,
        handlers = { echo = HANDLERS.echo },
        config = ("return { control = %q, state = %q }"):format(socket, world.folder_for "state"),
      })
      agents[i]:await_connected()
    end
    agents[2]:await_log "error control .*another agent answers there"
    platform:command("echo", 1, "7", "token-2")
    assert.are.equal(7, platform:await_result("echo", 1, 10, "token-2").payload)
    agents[2]:stop()
    local _, out = world.process.run(Agent.program,
      { "status", "--json", "--config", agents[1].folder .. "/kaalua.lua" }, nil, 20)
    assert.are.equal(agents[1].process.pid, cjson.decode(out).pid)
  end)

  it("is told whose the socket is where permission is denied", function()
    if uv.getuid() ~= 0 then
      pending "only root can become somebody else"
      return
    end
    local agent = connected()
    local nobody = { "--reuid=65534", "--regid=65534", "--clear-groups", Agent.program, "status",
      "--state", agent.state }
    local status, out, err = world.process.run("setpriv", nobody, nil, 20)
    assert.are.equal(1, status)
    assert.are.equal("", out)
    assert.is_truthy(err:find "permission denied: /.+ is for user root and group root %(mode 0700%)", err)
    local at = agent.state
    while at ~= "/tmp" and at ~= "" do
      uv.fs_chmod(at, tonumber("755", 8))
      at = at:match "^(.*)/"
    end
    _, _, err = world.process.run("setpriv", nobody, nil, 20)
    assert.is_truthy(err:find "permission denied: /.+/control is for user root and group root %(mode 0660%)",
      err)
  end)

  it("is not kept waiting by an agent that hangs, or ends meanwhile: 75", function()
    local agent = connected()
    agent.process:kill "sigstop"
    local asks = world.run(Agent.program, { "status", "--state", agent.state })
    local began_ms = loop.now_ms()
    local waits = world.run(Agent.program, { "status", "--state", agent.state })
    assert.are.equal(75, waits:await_end().code)
    assert.are.equal(75, asks:await_end().code)
    assert.is_true(loop.now_ms() - began_ms >= 4900)
    loop.await("what it says", function() return waits.open == 0 end)
    assert.is_truthy(waits.stderr:find("has not answered for 5 s", 1, true), waits.stderr)
    local late = world.run(Agent.program, { "status", "--state", agent.state })
    loop.await("it to wait", function()
      local wchan = folder.read(("/proc/%d/wchan"):format(late.pid)) or ""
      local syscall = folder.read(("/proc/%d/syscall"):format(late.pid)) or ""
      return wchan:find "unix_stream" or syscall:find("^" .. 45 .. " ")
    end)
    agent.process:kill "sigkill"
    assert.are.equal(75, late:await_end().code)
    loop.await("what it says", function() return late.open == 0 end)
    assert.is_truthy(late.stderr:find("ended while it was asked", 1, true), late.stderr)
    agent.process:await_end()
    agent.expects_failure = true
  end)
end)

describe("the control socket", function()
  after_each(world.clear)

  it("answers what is no request with an error, and goes on", function()
    local agent = connected()
    local wrong = {
      "", "{", "null", "[]", "17", '"status"', "{}", '{"ask":3}', '{"ask":"nosuch"}',
      '{"ask":"status","more":1}', '{"ask":"history","limit":"x"}', '{"ask":"history","limit":0}',
      '{"ask":"show"}', '{"ask":"show","id":"1"}', '{"ask":"show","id":1.5}', '{"ask":"forget"}',
      '{"ask":"status","ask":"status"}', '{"ask":"sta\255tus"}', ("["):rep(10000),
    }
    for _, line in ipairs(wrong) do
      local client = dial(agent.state .. "/control")
      await_dialled(client)
      client.pipe:write(line .. "\n")
      loop.await("the answer to " .. line:sub(1, 50), function() return client.ended end)
      local answer = cjson.decode(client.heard)
      assert.are.equal(2, answer.status, client.heard)
      assert.is_string(answer.error)
      client.close()
    end
    assert.are.equal(0, (ask(agent, { "status" })))
  end)

  it("holds against random bytes, huge lines, half lines and a hundred connections", function()
    local agent, platform = connected()
    call(platform, agent, "echo", 1)
    local before = descriptors(agent.process.pid)
    local clients = {}
    math.randomseed(17)
    for i = 1, 100 do
      local client = dial(agent.state .. "/control")
      clients[i] = client
      await_dialled(client)
      if client.is_connected then
        local bytes = {}
        for j = 1, math.random(1, 2000) do
          bytes[j] = string.char(math.random(0, 255))
        end
        local garbage = table.concat(bytes)
        if i % 4 == 0 then
          client.pipe:write(("x"):rep(200000))
        elseif i % 4 == 1 then
          client.pipe:write '{"ask":"sta'
        else
          client.pipe:write(garbage .. (i % 4 == 2 and "\n" or ""))
        end
      end
    end
    platform:command("echo", 2, "7", TOKEN)
    assert.are.equal(7, platform:await_result("echo", 2).payload)
    for _, client in ipairs(clients) do
      loop.await("everybody to be sent away", function() return client.ended end, 15)
      client.close()
    end
    assert.are.equal(0, (ask(agent, { "status" })))
    loop.await("all descriptors to be closed", function()
      return descriptors(agent.process.pid) <= before
    end)
  end)

  it("does not wait for a client that does not read", function()
    local agent, platform = connected {
      handlers = { big = "return function() return 200, 'OK', ('x'):rep(250000) end",
        echo = HANDLERS.echo },
    }
    call(platform, agent, "big", 1)
    local deaf = {}
    for i = 1, 8 do
      deaf[i] = dial(agent.state .. "/control")
      deaf[i].deaf = true
      await_dialled(deaf[i])
      deaf[i].pipe:write '{"ask":"show","id":1}\n'
    end
    for id = 10, 14 do
      platform:command("echo", id, tostring(id), TOKEN)
      assert.are.equal(id, platform:await_result("echo", id, 5).payload)
      assert.are.equal(0, (ask(agent, { "status" })))
    end
    for _, client in ipairs(deaf) do
      client.close()
    end
  end)
end)
