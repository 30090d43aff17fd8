--- The agent's configuration file, checked: a Lua file that returns a table.
--- Defaults are the host's; what a flag or the environment may give is not
--- required here. A secret is never shown in a message.
local ceiling = require "kaa.ceiling"
local faults = require "kaa.faults"
local params = require "kaa.params"
local text = require "kaa.text"

local find, format, match = string.find, string.format, string.match
local concat = table.concat
local ipairs, next, tonumber, type = ipairs, next, tonumber, type
local utf8_len = utf8.len

local config = {}

local TEXT = { type = "string", length = { 1, 4096 } }
local INSTANCE = { type = "string" }

local FIELDS = {
  url = { type = "string" },
  app_version = { type = "string" },
  token = { type = "string" },
  tokens = { type = "array", items = { type = "string" }, length = { 1, 1000000 } },
  token_file = TEXT,
  tokens_file = TEXT,
  username = TEXT,
  password_file = TEXT,
  tls = { type = "table", fields = { ca_file = TEXT, cert_file = TEXT, key_file = TEXT } },
  handlers = { type = "any" },
  state = TEXT,
  control = TEXT,
  settings = { type = "table" },
  ceiling = { type = "any" },
  handler_user = { type = "string", length = { 1, 64 } },
  extensions = { type = "table", fields = { cex = INSTANCE, dcx = INSTANCE, epmx = INSTANCE } },
  durability = { type = "string", enum = { "full", "normal" } },
  metadata = { type = "boolean" },
  id_reuse = { type = "string", enum = { "allow", "never" } },
  log_level = { type = "string", enum = { "debug", "info", "warn", "error" } },
  keepalive_s = { type = "integer", min = 5, max = 65535 },
  poll_s = { type = "number", min = 0.1, max = 86400 },
  worker_idle_s = { type = "number", min = 0.1, max = 86400 },
}

local PLACES_MAX = 1000

local ELSEWHERE = {
  password = 'not written here: put it into a file of its own and name that, password_file = "…"',
}
local SECRETS = { token = true, tokens = true, password = true }
local TOKEN_KEYS = { "token", "tokens", "token_file", "tokens_file" }
local SCHEMES = { mqtt = true, mqtts = true, http = true, https = true }

-- kp/name.h: one level of a path.
local LEVEL = "expected 1 to 128 bytes of UTF-8 without / + # and control characters"

local function is_level(name)
  return #name >= 1 and #name <= 128 and utf8_len(name) and not find(name, "[/+#\0-\31\127]")
end

local function url_fault(url)
  local scheme, authority = match(url, "^([%a][%w+.-]*)://([^/?#]*)")
  local host, port = match(authority or "", "^(%[[%x:.]+%]):?(%d*)$")
  if not host then
    host, port = match(authority or "", "^([^:@%s]+):?(%d*)$")
  end
  if find(authority or "", "@", 1, true) then
    return "a user name does not go here; use username and password_file"
  elseif not scheme or not SCHEMES[scheme] or not host then
    return "expected mqtt://HOST[:PORT], or mqtts, http, https"
  elseif port ~= "" and not (tonumber(port) >= 1 and tonumber(port) <= 65535) then
    return "expected a port from 1 to 65535"
  end
  return nil
end

local function check_url(value, add)
  local fault = value.url and url_fault(value.url)
  if fault then
    add({ "url" }, fault, nil, find(value.url, "[@?#]") and true) -- may hold a secret
  end
end

local function check_levels(value, add)
  local function check(path, name)
    if type(name) == "string" and not is_level(name) then
      add(path, LEVEL)
    end
  end
  check({ "app_version" }, value.app_version)
  check({ "token" }, value.token)
  local seen = {}
  for index, token in ipairs(value.tokens or {}) do
    check({ "tokens", index }, token)
    if seen[token] then
      add({ "tokens", index }, format("is the same as tokens[%d]", seen[token]))
    end
    seen[token] = seen[token] or index
  end
  for _, name in ipairs { "cex", "dcx", "epmx" } do
    check({ "extensions", name }, value.extensions and value.extensions[name])
  end
end

local function check_contradictions(value, add)
  local given = {}
  for _, key in ipairs(TOKEN_KEYS) do
    given[#given + 1] = value[key] ~= nil and key or nil
  end
  if #given > 1 then
    add({ given[2] }, format("contradicts %s; give one of %s", given[1], concat(TOKEN_KEYS, ", ")))
  end
  local tls = value.tls or {}
  if tls.cert_file and not tls.key_file then
    add({ "tls", "cert_file" }, "needs key_file beside it")
  elseif tls.key_file and not tls.cert_file then
    add({ "tls", "key_file" }, "needs cert_file beside it")
  end
end

--- handlers: a directory or a list of them → a list.
local function check_handlers(value, add)
  if type(value.handlers) == "string" then
    value.handlers = { value.handlers }
  end
  local list = { handlers = { type = "array", items = TEXT, length = { 1, 100 } } }
  local _, misfits = params.examine(list, { handlers = value.handlers })
  for _, fault in ipairs(misfits) do
    add(fault.path, #fault.path > 1 and params.message(fault)
      or 'expected a directory, or a list as in { "/etc/kaalua/handlers" }, got '
        .. text.show(fault.got))
  end
end

local function check_settings(value, add)
  for _, key in ipairs(text.sorted_keys(value.settings or {})) do
    if not find(key, "^[%w_-]+$") or #key > 64 then
      add({ "settings", key }, "expected a command type: letters, digits, _ and -")
    end
  end
end

local function check_ceiling(value, add)
  if value.ceiling ~= nil then
    value.ceiling = ceiling.read(value.ceiling, add)
  end
end

local CHECKS = { check_url, check_levels, check_contradictions, check_handlers, check_settings,
  check_ceiling }

local function add_misfit(fault, add)
  local first = fault.path[1]
  fault.word = fault.kind == "unknown" and "key" or nil
  if fault.kind == "unknown" and #fault.path == 1 and ELSEWHERE[first] then
    add(fault.path, ELSEWHERE[first], nil, true)
  else
    add(fault.path, params.message(fault, SECRETS[first]), nil, SECRETS[fault.nearest])
  end
end

--- The values that have a name; the others are faults.
local function named(value, add)
  local plain = {}
  for _, key in ipairs(text.sorted_keys(value)) do
    if type(key) == "string" then
      plain[key] = value[key]
    else
      add({ key }, "a value without a name, expected name = value", nil, true)
    end
  end
  return plain
end

--- The lines that have a secret on them.
local function secret_lines(value, place_of)
  local lines = {}
  local function mark(path)
    lines[place_of(path) or 0] = true
  end
  for key in next, SECRETS do
    if value[key] ~= nil then
      mark { key }
    end
  end
  for index = 1, type(value.tokens) == "table" and #value.tokens or 0 do
    mark { "tokens", index }
  end
  return lines
end

--- Marks the faults whose source line has a secret on it.
local function hide_secrets(list, lines)
  for _, fault in ipairs(list) do
    fault.secret = fault.secret or lines[fault.line] or nil
  end
end

--- Where each setting is written, but for elements on the line of what holds them.
local function places_of(value, lines, place_of)
  local places, left = {}, PLACES_MAX
  local function visit(path, element, above)
    local line, column = place_of(path)
    if not line or left == 0 then
      return
    elseif line ~= above or type(path[#path]) == "string" then
      left = left - 1
      places[text.path(path)] = { line = line, column = column, secret = lines[line] }
    end
    for _, key in ipairs(type(element) == "table" and text.sorted_keys(element) or {}) do
      visit(text.below(path, key), element[key], line)
    end
  end
  for _, key in ipairs { "settings", "ceiling" } do
    if value[key] ~= nil then
      visit({ key }, value[key])
    end
  end
  return places
end

--- Judges what the configuration file returned.
---@param value any
---@param source string|nil the file's text, for the lines of faults
---@return table|nil checked what was given, with `handlers` as a list; no defaults
---@return kaa.fault[]|nil faults all of them
---@return table<string, {line: integer, column: integer, secret: boolean?}>|nil places where the
---  settings and the ceiling are written, by their path: `settings.light.pin`; what is not in it
---  is where what holds it is
---
---     config.check({ handlers = "/etc/kaalua/handlers" }).handlers → { "/etc/kaalua/handlers" }
function config.check(value, source)
  local list, add, place_of = faults.collector(source)
  if type(value) ~= "table" then
    local write = 'return { url = "mqtts://…", … }'
    add({}, format("the file returned %s; write: %s", text.show(value), write))
    return nil, list
  end
  local checked, misfits = params.examine(FIELDS, named(value, add))
  for _, misfit in ipairs(misfits) do
    add_misfit(misfit, add)
  end
  for _, check in ipairs(CHECKS) do
    check(checked, add)
  end
  local lines = secret_lines(value, place_of)
  if #list > 0 then
    hide_secrets(list, lines)
    return nil, faults.sorted(list)
  end
  return checked, nil, places_of(value, lines, place_of)
end

return config
