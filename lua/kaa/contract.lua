--- What a handler file returned, checked: its keys, what it needs, its settings.
--- All faults are found at once, each with the line where it was written.
---
--- A contract has
---   summary     string or nil
---   timeout_s   number, limit of one command's running time
---   memory_mib  integer, limit of the Lua state
---   needs       { exec = true | { paths }, write = …, net = …, native = … }
---   needs_line  the line that it is written on, or nil
---   settings    the configuration's values with the handler's defaults
---   params      schema of the payload, or nil
---   max_age_s   number or nil, seconds after its receipt from which a command is not begun
---   on_interrupt  "report", "retry" or "resume": what becomes of a command that had begun
---               when the agent was killed
---   resume      the function that goes on with such a command, or nil
---   workers     integer or nil, how many commands run at the same time; nil: one
---   ordered     true or nil: those of one endpoint one after the other
---   exclusive   name or nil, handlers with the same one never run at the same time
---   poll_s      number or nil, the pace at which commands are polled over HTTP
---   run         the function that commands are given to; nil where the file only ticks
---   tick        the function that is called each every_s seconds, or nil
---   every_s     number, and
---   per         "endpoint" or "agent": only with tick
---   place       "park.lua:7", where run begins, or else tick
---   resume_place  the same of resume, or nil
local ceiling = require "kaa.ceiling"
local faults = require "kaa.faults"
local needs = require "kaa.needs"
local params = require "kaa.params"
local suggest = require "kaa.suggest"
local text = require "kaa.text"
local values = require "kaa.values"

local format = string.format
local concat, unpack = table.concat, table.unpack
local getinfo = debug.getinfo
local ipairs, next, type = ipairs, next, type

local contract = {}

local REASON_BYTES = 256
local WRITE_RUN = 'run = function(command) return 200, "OK" end'
local WRITE_RESUME = 'resume = function(command, saved, away) return 200, "OK" end'
local WRITE_TICK = "tick = function(endpoint) kaa.telemetry { temperature = 21.5 } end"

-- The keys with a plain value; the others have checks of their own.
local PLAIN = {
  summary = { type = "string", length = 200, pattern = "^[^\0-\31\127]+$" },
  timeout_s = { type = "number", min = 0.1, max = 86400, default = 30 },
  memory_mib = { type = "integer", min = 1, max = 1024, default = 32 },
  max_age_s = { type = "number", min = 0.1, max = 30 * 86400 },
  workers = { type = "integer", min = 1, max = 64 },
  ordered = { type = "boolean" },
  exclusive = { type = "string", length = 64, pattern = "^[%w_.-]+$" },
  on_interrupt = { type = "string", enum = { "report", "retry", "resume" } },
  poll_s = { type = "number", min = 1, max = 86400 },
  every_s = { type = "number", min = 0.1, max = 86400 },
  per = { type = "string", enum = { "endpoint", "agent" } },
}

local KEYS = { "summary", "needs", "settings", "params", "timeout_s", "memory_mib", "max_age_s",
  "workers", "ordered", "exclusive", "on_interrupt", "poll_s", "every_s", "per", "tick", "run",
  "resume" }

local function add_unknown(key, value, add)
  if type(key) ~= "string" then
    local hint = type(value) == "function" and "; write: " .. WRITE_RUN or ""
    return add({ key }, format("a %s without a key%s", type(value), hint))
  end
  local near = suggest.nearest(key, KEYS)
  add({ key }, near and format("unknown key, did you mean %s?", text.quote(near))
    or "unknown key, known: " .. concat(KEYS, ", "))
end

local function check_keys(handler, add)
  local known = {}
  for _, key in ipairs(KEYS) do
    known[key] = true
  end
  for _, key in ipairs(text.sorted_keys(handler)) do
    if not known[key] then
      add_unknown(key, handler[key], add)
    end
  end
end

--- The plain values, with defaults.
local function check_plain(handler, add)
  local given = {}
  for key in next, PLAIN do
    given[key] = handler[key]
  end
  local checked, misfits = params.examine(PLAIN, given)
  for _, fault in ipairs(misfits) do
    if fault.path[1] == "summary" then
      fault.expected = "one line of at most 200 characters"
    elseif fault.path[1] == "exclusive" then
      fault.expected = 'a name of letters, digits, "_", "-" and ".", at most 64, as in "valves"'
    end
    add(fault.path, params.message(fault))
  end
  return checked
end

--- Returns whether the schema has no fault.
local function check_schema(schema, where, add)
  local list = params.check(schema, where)
  for _, fault in ipairs(list) do
    add(fault.path, fault.message)
  end
  return #list == 0
end

--- The configuration's values for this handler with the defaults of its schema;
--- a handler without a schema gets them as they are.
local function check_settings(schema, context, add)
  local given = context.settings
  if schema == nil then
    return (given == nil or given == values.null) and {} or given
  elseif not check_schema(schema, "settings", add) then
    return nil
  end
  local filled, misfits = params.examine(schema, given)
  for _, misfit in ipairs(misfits) do
    local place = { "settings", context.type, unpack(misfit.path) }
    local where = context.is_placed and "" or " (in the configuration)"
    local fault = add(place, params.message(misfit) .. where,
      text.below({ "settings" }, misfit.path[1]))
    fault.setting = text.path(place)
  end
  return filled
end

--- What it needs, within what the configuration allows.
local function check_needs(written, limit, add)
  local function add_need(path, message)
    add({ "needs", unpack(path) }, message)
  end
  local granted, places = needs.check(written, add_need)
  ceiling.judge(granted, places, limit, add_need)
  return granted
end

local function check_function(handler, key, write, add)
  local value = handler[key]
  if value ~= nil and type(value) ~= "function" then
    add({ key }, format("expected a function, got %s; write: %s", text.show(value), write))
  end
end

local function refuse_keys(handler, keys, message, add)
  for _, key in ipairs(keys) do
    if handler[key] ~= nil then
      add({ key }, message)
    end
  end
end

local function check_resume(handler, add)
  check_function(handler, "resume", WRITE_RESUME, add)
  if handler.on_interrupt == "resume" and handler.resume == nil then
    add({ "on_interrupt" }, '"resume" without a resume function; write: ' .. WRITE_RESUME)
  end
end

--- A file runs commands, or ticks, or both.
local function check_functions(handler, add)
  check_function(handler, "run", WRITE_RUN, add)
  check_function(handler, "tick", WRITE_TICK, add)
  if handler.run ~= nil then
    check_resume(handler, add)
  end
  if handler.tick ~= nil and handler.every_s == nil then
    add({ "tick" }, "without its interval; write: every_s = 60")
  elseif handler.tick == nil then
    refuse_keys(handler, { "every_s", "per" }, "without a tick; write: " .. WRITE_TICK, add)
  end
  if handler.run == nil and handler.tick == nil and handler.every_s == nil then
    add({ "run" }, "missing; write: " .. WRITE_RUN)
  elseif handler.run == nil then
    refuse_keys(handler, { "params", "poll_s", "max_age_s", "workers", "ordered", "on_interrupt",
      "resume" }, "without a run; write: " .. WRITE_RUN, add)
  end
end

local function place_of(called)
  local info = getinfo(called, "S")
  return info.what == "C" and "C function" or format("%s:%d", info.short_src, info.linedefined)
end

--- A table with the handler's keys, without metamethods; nil where it is no handler.
local function handler_of(value, add)
  if type(value) == "function" then
    return { run = value }
  elseif type(value) ~= "table" then
    add({}, format('the file returned %s; write: return function(command) return 200, "OK" end',
      text.show(value)))
    return nil
  end
  local handler = {}
  for key, element in next, value do
    handler[key] = element
  end
  return handler
end

--- Judges what a handler file returned.
---@param value any a function, or a table with at least `run` or `tick`
---@param context {chunk: string, source: string?, type: string, settings: any,
---  ceiling: table|true|nil, is_placed: boolean?}
---  `chunk` and `source` are the file's name and text, `type` the command type, `settings` the
---  configuration's value for this handler, `ceiling` what it may need at most (kaa.ceiling),
---  `is_placed` whether whoever asks finds a fault's `setting` in the configuration
---@return table|nil contract
---@return kaa.fault[]|nil faults
---
---     contract.check(function() end, { chunk = "park.lua", type = "park" }).timeout_s → 30
function contract.check(value, context)
  local list, add, line_of = faults.collector(context.source)
  local handler = handler_of(value, add)
  if not handler then
    return nil, list
  end
  check_keys(handler, add)
  local checked = check_plain(handler, add)
  checked.needs = check_needs(handler.needs, context.ceiling, add)
  checked.needs_line = handler.needs ~= nil and line_of { "needs" } or nil
  checked.settings = check_settings(handler.settings, context, add)
  if handler.params ~= nil and check_schema(handler.params, "params", add) then
    checked.params = handler.params
  end
  check_functions(handler, add)
  if #list > 0 then
    return nil, faults.sorted(list)
  end
  checked.run, checked.tick, checked.resume = handler.run, handler.tick, handler.resume
  checked.on_interrupt = checked.on_interrupt or (checked.resume and "resume" or "report")
  checked.per = checked.tick and (checked.per or "endpoint")
  checked.place = place_of(checked.run or checked.tick)
  checked.resume_place = checked.resume and place_of(checked.resume)
  return checked
end

--- What the host is told of a contract, as plain values for JSON.
---@param checked table a contract
---@return {summary: string?, timeout_s: number, memory_mib: integer, needs: table,
---  needs_line: integer?, run: boolean, workers: integer?, ordered: boolean?, exclusive: string?,
---  every_s: number?, per: string?, poll_s: number?, on_interrupt: string, resume: boolean}
function contract.describe(checked)
  return {
    summary = checked.summary,
    timeout_s = checked.timeout_s,
    memory_mib = checked.memory_mib,
    needs = checked.needs,
    needs_line = checked.needs_line,
    run = checked.run ~= nil,
    workers = checked.workers,
    ordered = checked.ordered,
    exclusive = checked.exclusive,
    every_s = checked.every_s,
    per = checked.per,
    poll_s = checked.poll_s,
    on_interrupt = checked.on_interrupt,
    resume = checked.resume ~= nil,
  }
end

--- The payload that a handler is given. With `params` it is a table with their
--- defaults, also where the command has no payload; without, it is left as it is.
---@param checked table a contract
---@param payload any nil: none; kaa.null: null
---@return any payload
---@return string|nil reason of a 400, where it does not fit: `slot: expected integer, got "x"`
function contract.params_of(checked, payload)
  if checked.params == nil then
    return payload, nil
  end
  local filled, messages = params.apply(checked.params, payload, "payload")
  if filled then
    return filled, nil
  end
  return nil, text.one_line(concat(messages, "; "), REASON_BYTES)
end

return contract
