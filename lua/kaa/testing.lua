--- Runs a handler in a Busted spec as the device would, with no agent and no
--- platform: the file goes through the real contract, payloads and results through
--- the real checks and through JSON. What acts on the world is recorded.
---
---     local device = require("kaa.testing").device("handlers/park.lua", {
---       settings = { taken = { 3 } },
---     })
---     local status, reason, payload = device:command { slot = 3 }
---     assert.equal(409, status)
local binding = require "kaa.testing.binding"
local cancelling = require "kaa.testing.cancelling"
local contract = require "kaa.contract"
local environment = require "kaa.testing.environment"
local jsontext = require "kaa.testing.jsontext"
local needs = require "kaa.needs"
local programs = require "kaa.testing.programs"
local result = require "kaa.result"

local testing = {}

local Device = {}
Device.__index = Device

--- The file's text; a byte order mark and a first line that begins with # are no Lua.
local function read(path)
  local file, message = io.open(path, "rb")
  if not file then
    error(message, 0)
  end
  local source = file:read "a"
  file:close()
  return (source:gsub("^\xEF\xBB\xBF", ""):gsub("^#[^\n]*", ""))
end

local function make_globals(device, directory)
  local kaa, fields = binding.create(device)
  device.kaa = fields
  return environment.create {
    directory = directory,
    kaa = kaa,
    root = device.options.root or "",
    needs = function()
      return device:needs()
    end,
    print = kaa.log.info,
    execute = programs.execute(device),
    popen = programs.popen(device),
  }
end

--- All faults of a file in one text.
local function fault_text(chunk, faults)
  local lines = {}
  for index, fault in ipairs(faults) do
    lines[index] = ("%s%s: %s"):format(chunk, fault.line and ":" .. fault.line or "", fault.message)
  end
  return table.concat(lines, "\n")
end

--- What the contract grants the handler; nil while the file loads.
function Device:needs()
  return self.contract and self.contract.needs
end

--- The value that JSON makes of a value.
local function through_json(value)
  if value == nil then
    return nil
  end
  local json, message = jsontext.encode(value, "payload")
  if not json then
    return nil, message
  elseif #json > jsontext.MAX_BYTES then
    return nil, nil, #json
  end
  return jsontext.decode(json)
end

local function judged(place, outcome)
  if not outcome[1] then
    local status, reason, payload = result.failure(outcome[2])
    if status then
      return status, reason, payload
    end
    return 500, result.reason(500, tostring(outcome[2]))
  end
  local status, reason, payload =
    result.normalise(outcome.n - 1, table.unpack(outcome, 2, outcome.n))
  if not status then
    return 500, result.reason(500, place .. ": " .. reason)
  end
  return status, reason, payload
end

--- Whether what a function gave leaves a command waiting that called kaa.resume_after.
local function is_normal(outcome)
  return outcome[1] and (outcome[2] or type(outcome[3]) ~= "string")
end

--- Calls run or resume. Returns nothing where the command waits for a restart.
local function answer(device, place, called, ...)
  device.kaa.endpoint, device.running = device.command_given.endpoint, true
  cancelling.begin(device)
  local outcome = table.pack(pcall(called, ...))
  device.kaa.endpoint, device.running = nil, nil
  local is_cancelled = cancelling.is_cancelled(device)
  if device.waiting and is_normal(outcome) and not is_cancelled then
    return nil
  end
  device.waiting = nil
  local status, reason, payload = judged(place, outcome)
  local sent, fault, size_bytes = through_json(payload)
  if fault then
    status, reason = 500, result.reason(500, place .. ": " .. fault)
  elseif size_bytes then
    status = 500
    reason = ("Result too large: %d bytes, limit %d"):format(size_bytes, jsontext.MAX_BYTES)
  end
  if is_cancelled then
    return 499, "Cancelled", sent
  end
  return status, reason, sent
end

--- Cancels the command at work, from within a function that the spec gave, or the next one.
---@param after_s number|nil how long it has run by then, as kaa.sleep counts; 0: at once
function Device:cancel(after_s)
  if self.running then
    self.cancelled_at = self.now + (after_s or 0)
  else
    self.cancel_after = after_s or 0
  end
end

--- Sends the handler a command and gives its result as the platform would get it.
---@param payload any|nil nil: none; kaa.null: null
---@param fields {id: integer?, endpoint: string?, received_at: number?, age_s: number?}|nil of the
---  command; `age_s`: how long ago the device got it, for max_age_s
---@return integer|nil status nil: it waits for a restart (`device.waiting`), see Device:resume
---@return string reason
---@return any payload nil: none
function Device:command(payload, fields)
  fields = fields or {}
  local received, message = through_json(payload)
  if message then
    error(message, 2)
  end
  if not self.contract.run then
    return 501, ("No handler for %s: %s.lua only ticks"):format(self.type, self.type), nil
  end
  local max_age_s, age_s = self.contract.max_age_s, fields.age_s or 0
  if max_age_s and age_s > max_age_s then
    return 410, ("Expired: %.14g s old"):format(age_s), nil
  end
  local given, refusal = contract.params_of(self.contract, received)
  if refusal then
    return 400, refusal, nil
  end
  self.last_id = fields.id or self.last_id + 1
  self.command_given = {
    id = self.last_id,
    type = self.type,
    endpoint = fields.endpoint or self.endpoint,
    payload = given,
    received_at = fields.received_at or self.now,
  }
  self.waiting, self.saved = nil, nil
  return answer(self, self.contract.place, self.contract.run, self.command_given)
end

--- Goes on with the last command after a restart: calls resume with what it saved last, as
--- after kaa.resume_after, or as if the agent had been killed in the middle of it.
---@param away_s number|nil seconds that it was away; nil: not known
---@return integer|nil status as of Device:command
---@return string reason
---@return any payload
function Device:resume(away_s)
  if not self.contract.resume or not self.command_given then
    error(self.type .. ".lua has no resume, or no command yet; write: device:command()", 2)
  end
  self.waiting = nil
  return answer(self, self.contract.resume_place, self.contract.resume, self.command_given,
    self.saved, { s = away_s })
end

--- Calls the handler's tick, for the device's endpoint or, with `per = "agent"`, for none.
---@param endpoint string|nil another endpoint
---@return boolean done
---@return string|nil reason why not, as the device logs it
function Device:tick(endpoint)
  if not self.contract.tick then
    error(self.type .. ".lua has no tick", 2)
  end
  if self.contract.per ~= "agent" then
    self.kaa.endpoint = endpoint or self.endpoint
  end
  local outcome = table.pack(pcall(self.contract.tick, self.kaa.endpoint))
  self.kaa.endpoint = nil
  if not outcome[1] then
    local status, reason = judged(self.contract.place, outcome)
    return status >= 200 and status <= 299, reason
  elseif not outcome[2] and type(outcome[3]) == "string" then
    return false, result.reason(500, outcome[3])
  end
  return true
end

--- The option `ceiling`, written as a limit of the configuration's `ceiling` is.
local function check_ceiling(limit)
  if limit ~= nil and limit ~= true then
    needs.check(limit, function(path, message)
      local place = #path > 0 and table.concat(path, ".") .. ": " or ""
      error(("ceiling: %s%s"):format(place, message), 4)
    end, "ceiling")
  end
  return limit
end

--- Loads a handler file. Raises with all its faults where it has any.
---@param path string of the handler file; its name is the command type
---@param options {settings: table?, store: table?, shared: table?, endpoint: string?,
---  ceiling: table|true|nil, now: number?, root: string?,
---  exec: table<string, table>|fun(argv: string[], options: table): table,
---  http: table<string, table>|fun(request: table): table}|nil
---  `settings` as in the configuration; `ceiling` what the handler may need, as of one handler in
---  the configuration: { "write", exec = { "/bin/x" } }; `root` a directory that stands in for /
---  where the handler opens, removes and renames files; `exec` what executed programs give: by
---  command line, or a function; each { code = 0, signal = nil, stdout = "", stderr = "" };
---  `http` what servers answer: by "GET https://…", or a function; each
---  { status = 200, headers = {}, body = "" } or { failure = "Could not resolve host: …" }
---@return table device with `samples` (sent by kaa.telemetry), `metadata` (all keys given to
---  kaa.metadata), `executed` (argv of kaa.exec), `requested` (what kaa.http was given, with its
---  method), `logged` ({ level, message }), `progress` ({ percent, text } of the last command),
---  `now` (what
---  kaa.now() gives; kaa.sleep adds to it), `store` and `shared` (what kaa.store and kaa.shared
---  hold, by key; the options' to begin with), `waiting` ("reboot" or "restart", where a command
---  waits), `saved` (what its resume is given), `contract`
function testing.device(path, options)
  options = options or {}
  local directory, name = tostring(path):match("^(.-)/?([^/]+)%.lua$")
  if not name or not name:find "^[%w_-]+$" then
    error(('"%s" is no handler file; write: testing.device("handlers/park.lua")')
      :format(tostring(path)), 2)
  end
  local chunk, source = name .. ".lua", read(path)
  local device = setmetatable({
    type = name, options = options, samples = {}, metadata = {}, executed = {}, logged = {},
    requested = {}, progress = {},
    store = options.store or {}, shared = options.shared or {},
    last_id = 0,
    now = options.now or 1767225600.0, endpoint = options.endpoint or "test-endpoint",
  }, Device)
  local globals = make_globals(device, directory == "" and "." or directory)
  device.globals = globals
  local load_handler, syntax_fault = load(source, "@" .. chunk, "t", globals)
  if not load_handler then
    error(syntax_fault, 0)
  end
  local checked, faults = contract.check(load_handler(), {
    chunk = chunk, source = source, type = name, settings = options.settings,
    ceiling = check_ceiling(options.ceiling),
  })
  if not checked then
    error(fault_text(chunk, faults), 0)
  end
  device.contract = checked
  device.kaa.settings = checked.settings
  return device
end

return testing
