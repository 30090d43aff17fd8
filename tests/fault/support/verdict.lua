-- What must hold when all is settled, whoever was killed meanwhile. Takes what the
-- platform knows and what the effects tell; gathers every breach, in words.
--
--   local verdict = Verdict.create(effects)
--   verdict:judge("quick", commands, { [id] = { statusCode, reasonPhrase, payload } })
--   verdict:assert_good { kills = 15, workers = 4 }
local busted = require "busted"

local Effects = require "support.effects"

local verdict = {}
verdict.__index = verdict

verdict.LOST = "Journal lost: the outcome is unknown"
verdict.INTERRUPTED = "Interrupted: the outcome is unknown"

local BREACHES_SHOWN = 20

function verdict.create(effects)
  return setmetatable({
    effects = effects, breaches = {}, commands = 0, done = 0, answered = 0, interrupted = 0,
    crashed = 0, refused = 0, forgotten = 0, twice = 0, lost = 0, unanswered = 0,
  }, verdict)
end

function verdict:breach(text, ...)
  self.breaches[#self.breaches + 1] = text:format(...)
end

local function class_of(result)
  local reason = result.reasonPhrase or ""
  if result.statusCode == 200 then
    return "answered"
  elseif result.statusCode == 500 and reason:sub(1, #verdict.INTERRUPTED) == verdict.INTERRUPTED then
    return "interrupted" -- of retry: "…, after 3 attempts"
  elseif result.statusCode == 500 and reason == verdict.LOST then
    return "forgotten"
  elseif result.statusCode == 500 and reason:find "^Handler crashed: SIGKILL" then
    return "crashed"
  elseif result.statusCode == 503 and (reason:find "^Quarantined"
    or reason:find "SIGKILL while the file was loaded$") then
    return "refused" -- not run
  end
  return nil
end

-- How often `count` effects are right: at least, at most.
local function bounds(class, is_retry)
  local most = is_retry and Effects.MAX_ATTEMPTS or 1
  if class == "answered" then
    return 1, most
  elseif class == "refused" then
    return 0, 0
  end
  return 0, most
end

local function judge_steps(self, kind, id, class, result, more)
  local resumed, mid = more.resume[id] or 0, more.mid[id] or 0
  local by = type(result.payload) == "table" and result.payload.by
  if mid > 1 then
    self.twice = self.twice + 1
    self:breach("%s %d: %d effects behind its checkpoint", kind, id, mid)
  end
  if class == "answered" and by == "run" and (mid ~= 1 or resumed > 0) then
    self:breach("%s %d: answered by run, with %d effects behind its checkpoint, resumed %d times",
      kind, id, mid, resumed)
  elseif class == "answered" and by == "resume"
    and (resumed < 1 or resumed > Effects.MAX_ATTEMPTS) then
    self:breach("%s %d: answered by resume, which ran %d times", kind, id, resumed)
  end
end

--- One type: `ids` are all that were invoked, `results` what the platform has of each.
function verdict:judge(kind, ids, results)
  local counts, total = self.effects:count(kind)
  local more = { mid = self.effects:count(kind .. "-mid"),
    resume = self.effects:count(kind .. "-resume") }
  local known = {}
  self.done = self.done + total
  for _, id in ipairs(ids) do
    known[id] = true
    self.commands = self.commands + 1
    local result, count = results[id], counts[id] or 0
    local class = result and class_of(result)
    if not result then
      self.unanswered = self.unanswered + 1
      self:breach("%s %d: not answered, %d effects", kind, id, count)
    elseif not class then
      self:breach("%s %d: answered %s %s", kind, id, result.statusCode, result.reasonPhrase)
    else
      self[class] = self[class] + 1
      local least, most = bounds(class, kind == "again")
      if count > most then
        self.twice = self.twice + 1
      elseif count < least then
        self.lost = self.lost + 1
      end
      if count < least or count > most then
        self:breach("%s %d: %s (%s), %d effects", kind, id, class, result.reasonPhrase, count)
      end
      if kind == "steps" then
        judge_steps(self, kind, id, class, result, more)
      end
    end
  end
  for id in pairs(counts) do
    if not known[id] then
      self:breach("%s %d: effects of a command that nobody invoked", kind, id)
    end
  end
end

--- Fails the test where anything was breached; prints the counts in any case.
---@param of {what: string, kills: integer, workers: integer}
function verdict:assert_good(of)
  local most = of.kills * of.workers
  if self.interrupted > most then
    self:breach("%d Interrupted after %d kills with %d workers", self.interrupted, of.kills, of.workers)
  end
  io.stdout:write(("# measured: %s: kills %d, commands %d, effects %d, answered %d, interrupted %d, "
    .. "crashed %d, quarantined %d, journal lost %d, twice %d, lost %d, unanswered %d\n"):format(of.what, of.kills,
    self.commands, self.done, self.answered, self.interrupted, self.crashed, self.refused, self.forgotten,
    self.twice, self.lost, self.unanswered))
  busted.assert.are.equal(0, #self.breaches, ("%d breaches:\n%s"):format(#self.breaches,
    table.concat(self.breaches, "\n", 1, math.min(BREACHES_SHOWN, #self.breaches))))
end

return verdict
