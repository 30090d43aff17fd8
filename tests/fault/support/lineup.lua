-- Many agents, each with a token and ten commands of its own, at one platform that
-- leaves the first result message of each without an answer: the little scenario
-- that the kill matrix plays again and again, several at a time.
--
--   local lineup = Lineup.create("mqtt", effects)
--   local run = lineup:run()          a folder, a token, and commands that wait
--   run.agent:start(); lineup:has_all_results(run) … lineup:has_all_confirmed(run)
local loop = require "support.loop"
local Verdict = require "support.verdict"
local world = require "support.world"

local lineup = {}
lineup.__index = lineup

lineup.KINDS = { quick = 6, slow = 4 } -- how many commands of each

local IDS_PER_RUN = 100
local DEADLINE_S = 60
local PATIENCE_S = 15

local function list_outstanding(self, kind, token)
  local run, elements = self.runs[token], {}
  for _, id in ipairs(run and run.ids[kind] or {}) do
    if not run.confirmed[id] then
      elements[#elements + 1] = ('{"id":%d,"payload":{"n":%d}}'):format(id, id)
    end
  end
  return "[" .. table.concat(elements, ",") .. "]"
end

-- Whether a result message is confirmed: the first of each run's first life is not, none
-- of it where `run.confirms_nothing`.
local function takes(run)
  local takes_it = run.is_again or run.has_reported and not run.confirms_nothing or false
  run.has_reported = true
  return takes_it
end

local function keep(run, elements, is_confirmed)
  for _, element in ipairs(elements) do
    run.results[element.id] = run.results[element.id] or {}
    table.insert(run.results[element.id], element)
    run.confirmed[element.id] = is_confirmed or run.confirmed[element.id]
  end
end

local function judge(self, elements)
  local run = elements[1] and self.runs[elements[1].token]
  if run then
    self.platform.confirms = takes(run)
    keep(run, elements, self.platform.confirms)
  end
end

-- Over HTTP the connection is closed instead of an answer.
local function on_http_request(self, request)
  local run = request.is_result and self.runs[request.token]
  if not run then
    return false
  elseif takes(run) then
    return false
  end
  keep(run, self.platform:read_results(request.token, request.type, nil, request.body), false)
  request:hang_up()
  return true
end

---@param wire string
function lineup.create(wire, effects)
  local self = setmetatable({ wire = wire, effects = effects, runs = {}, count = 0 }, lineup)
  if wire == "http" then
    self.platform = world.http_platform()
    self.url = self.platform:url()
    self.platform.fault = function(request) return on_http_request(self, request) end
  else
    local broker = world.broker()
    self.platform = world.platform(broker.port)
    self.url = "mqtt://127.0.0.1:" .. broker.port
    for kind in pairs(lineup.KINDS) do
      self.platform.deliver[kind] = function(token) return list_outstanding(self, kind, token) end
    end
  end
  self.platform.judge = function(elements) judge(self, elements) end
  return self
end

--- Starts a run's agent again: now all is confirmed.
function lineup.start_again(run)
  run.is_again = true
  run.agent:start()
end

--- A new agent, not started, and its commands, which wait at the platform.
function lineup:run()
  self.count = self.count + 1
  local run = { token = "P" .. self.count, ids = {}, results = {}, confirmed = {}, all = {} }
  self.runs[run.token] = run
  local id = self.count * IDS_PER_RUN
  for kind, count in pairs(lineup.KINDS) do
    run.ids[kind] = {}
    for _ = 1, count do
      id = id + 1
      table.insert(run.ids[kind], id)
      table.insert(run.all, id)
      if self.wire == "http" then
        self.platform:command(kind, id, ('{"n":%d}'):format(id), run.token)
      end
    end
  end
  run.agent = world.agent {
    url = self.url, token = run.token,
    config = "return { poll_s = 0.1 }",
    handlers = { quick = self.effects:quick(), slow = self.effects:slow("slow", 0.01) },
  }
  run.trace = run.agent.folder .. "/trace"
  return run
end

local function has_each(run, table)
  for _, id in ipairs(run.all) do
    if not table[id] then
      return false
    end
  end
  return true
end

function lineup.has_all_results(run)
  return has_each(run, run.results)
end

function lineup.has_all_confirmed(run)
  return has_each(run, run.confirmed)
end

--- Waits until each run has reported everything, stops it in order then, and waits for its
--- end, whatever that is. One that never gets so far (each of its HTTP helpers is killed at
--- its first request) is killed in the end.
function lineup.await_first_lives(_, runs)
  local patience_ends_ms = loop.now_ms() + PATIENCE_S * 1000
  loop.await("the runs to report everything or to end", function()
    local is_over = true
    for _, run in ipairs(runs) do
      if not run.agent.process.ended then
        if not run.is_stopping and lineup.has_all_results(run) then
          run.agent.process:kill "sigterm"
          run.is_stopping = true
        elseif not run.is_stopping and loop.now_ms() > patience_ends_ms then
          run.agent.process:kill "sigkill"
        end
        is_over = false
      end
    end
    return is_over
  end, DEADLINE_S)
end

--- Waits until everything is confirmed in the second lives, ends them and judges.
---@param of_kind table grows: kind → {ids, results}
function lineup.finish(_, runs, verdict, of_kind)
  pcall(loop.await, "everything to be confirmed", function()
    for _, run in ipairs(runs) do
      if not lineup.has_all_confirmed(run) then
        return false
      end
    end
    return true
  end, DEADLINE_S) -- what is missing, the verdict tells
  for _, run in ipairs(runs) do
    local before = #verdict.breaches
    local done, message = pcall(run.agent.await_connected, run.agent, nil, 30)
    local ended = run.agent:stop()
    if not done or ended.code ~= 0 or ended.signal ~= 0 then
      verdict:breach("the second life ended with %d, signal %d, %s:\n%s", ended.code, ended.signal,
        message, run.agent:log():sub(-2000))
    end
    lineup.judge(run, verdict, of_kind)
    for at = before + 1, #verdict.breaches do
      verdict.breaches[at] = ("%s (%s): %s"):format(run.point, run.token, verdict.breaches[at])
    end
  end
end

--- Judges one run; results that differ for one command are a breach, too.
function lineup.judge(run, verdict, kinds_of_runs)
  for kind, ids in pairs(run.ids) do
    local first = {}
    for _, id in ipairs(ids) do
      first[id] = run.results[id] and run.results[id][1]
      for _, other in ipairs(run.results[id] or {}) do
        local differs = other.statusCode ~= first[id].statusCode
          or other.reasonPhrase ~= first[id].reasonPhrase
        if differs and other.reasonPhrase ~= Verdict.LOST then
          verdict:breach("%s %d: answered %s %s, later %s %s", kind, id, first[id].statusCode,
            first[id].reasonPhrase, other.statusCode, other.reasonPhrase)
        end
      end
    end
    kinds_of_runs[kind] = kinds_of_runs[kind] or { ids = {}, results = {} }
    for _, id in ipairs(ids) do
      table.insert(kinds_of_runs[kind].ids, id)
      kinds_of_runs[kind].results[id] = first[id]
    end
  end
end

return lineup
