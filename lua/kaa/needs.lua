--- What a handler needs beyond the harmless: `needs = { "write" }`, or narrowed,
--- `needs = { exec = { "/usr/bin/systemctl" } }`.
local suggest = require "kaa.suggest"
local text = require "kaa.text"
local values = require "kaa.values"

local find, format, gsub, match = string.find, string.format, string.gsub, string.match
local concat = table.concat
local ipairs, math_type, min, type = ipairs, math.type, math.min, type

local needs = {}

--- The capabilities that there are.
needs.CAPABILITIES = { "exec", "native", "net", "write" }

-- What the list of a narrowed capability holds.
local EXAMPLES = {
  exec = 'exec = { "/usr/bin/systemctl" }', native = 'native = { "periphery" }',
  net = 'net = { "example.org" }', write = 'write = { "/var/tmp" }',
}
local SHOWN = 3 -- elements of a list, in a message

local function is_capability(name)
  return type(name) == "string" and EXAMPLES[name] ~= nil
end

local function unknown(name)
  local near = suggest.nearest(name, needs.CAPABILITIES)
  return format("unknown capability %s, %s", text.show(name),
    near and "did you mean " .. text.quote(near) .. "?"
      or "known: " .. concat(needs.CAPABILITIES, ", "))
end

--- A path without its last slashes, or nil where it is not absolute and plain.
local function plain_path(path)
  if type(path) ~= "string" or not find(path, "^/") or find(path, "[\0-\31\127]")
      or find(path .. "/", "/%.%.?/") or find(path, "//") then
    return nil
  end
  return #path > 1 and gsub(path, "/$", "") or path
end

local function plain_name(name)
  return type(name) == "string" and name ~= "" and not find(name, "[\0-\32\127]") and name or nil
end

--- A server: a host as a URL has it, below "*." all names under it, with a port where that is
--- not the scheme's own.
local function plain_server(name)
  local host, port = gsub(plain_name(name) or "", "^%*%.", ""), nil
  if not find(host, "^%[[%x:.]+%]$") and not find(host, "^[%w._-]+$") then
    host, port = match(host, "^(.+):(%d+)$")
  end
  local is_host = host and (find(host, "^%[[%x:.]+%]$") or find(host, "^[%w._-]+$"))
  local is_port = not port or #port <= 5 and port + 0 >= 1 and port + 0 <= 65535
  return is_host and is_port and name or nil
end

local PLAIN = { exec = plain_path, native = plain_name, net = plain_server, write = plain_path }
local EXPECTED = {
  exec = 'an absolute path without ".." in it', native = "a name",
  net = 'a host as in "example.org", "example.org:8443" or "*.example.org"',
  write = 'an absolute path without ".." in it',
}

--- The list of a narrowed capability.
local function narrowed(name, list, add)
  if not values.is_array(list) or #list == 0 then
    local hint = format("expected true or a list, as in %s", EXAMPLES[name])
    add({ name }, format("%s, got %s", hint, text.show(list)))
    return nil
  end
  local plain = {}
  for index, element in ipairs(list) do
    plain[index] = PLAIN[name](element)
    if not plain[index] then
      add({ name, index }, format("expected %s, got %s", EXPECTED[name], text.show(element)))
    end
  end
  return plain
end

local function add_one(granted, places, key, value, add)
  local in_list = math_type(key) ~= nil
  local name = in_list and value or key
  if not is_capability(name) then
    add({ key }, unknown(name))
  elseif granted[name] ~= nil then
    add({ key }, format("names %s twice", text.quote(name)))
  else
    granted[name] = (in_list or value == true) or narrowed(name, value, add)
    places[name] = key
  end
end

--- Whether a word is the name of a capability.
---@param word any
---@return boolean
function needs.is_capability(word)
  return is_capability(word)
end

--- How a granted capability is written.
---@param name string
---@param grant true|string[]
---@return string `needs.written("exec", { "/bin/x" })` → `exec = { "/bin/x" }`; a long list is cut
function needs.written(name, grant)
  if grant == true then
    return text.quote(name)
  end
  local shown = {}
  for index = 1, min(#grant, SHOWN) do
    shown[index] = text.quote(grant[index])
  end
  return format("%s = { %s%s }", name, concat(shown, ", "), #grant > SHOWN and ", …" or "")
end

--- Judges a list of capabilities, such as a handler's `needs`.
---@param written any as it was written; nil: nothing
---@param add fun(path: (string|integer)[], message: string) called with each fault
---@param key string|nil what it was written as, "needs" where nil
---@return table<string, true|string[]> granted by capability
---@return table<string, string|integer> places where each was written: a key of `written`
---
---     needs.check({ "write", exec = { "/bin/x" } }, add)
---       → { write = true, exec = { "/bin/x" } }, { write = 1, exec = "exec" }
function needs.check(written, add, key)
  local granted, places = {}, {}
  if type(written) ~= "table" then
    if written ~= nil then
      local name = is_capability(written) and written or "write"
      add({}, format('expected a list, as in %s = { "%s" }, got %s', key or "needs", name,
        text.show(written)))
    end
    return granted, places
  end
  for _, one in ipairs(text.sorted_keys(written)) do
    add_one(granted, places, one, written[one], add)
  end
  return granted, places
end

return needs
