--- kaa.http for specs: nobody is asked; the spec says what servers answer, and the device keeps
--- what was asked for. A `file` is written in earnest.
local environment = require "kaa.testing.environment"
local suggest = require "kaa.suggest"
local text = require "kaa.text"

local transfers = {}

local OPTIONS = { "method", "url", "headers", "body", "file", "sha256", "timeout_s", "max_bytes",
  "ca" }
local TYPES = { method = "string", url = "string", headers = "table", body = "string",
  file = "string", sha256 = "string", timeout_s = "number", max_bytes = "number", ca = "string" }
local OURS = { host = true, ["content-length"] = true, ["transfer-encoding"] = true,
  connection = true, expect = true, te = true, trailer = true, upgrade = true,
  ["keep-alive"] = true }

local MEMORY_BYTES, FILE_BYTES = 1024 * 1024, 256 * 1024 * 1024
local LARGEST_BODY, LARGEST_FILE = 4 * 1024 * 1024, 1 << 40
local COMPLAINT_BYTES = 64 * 1024
local RIGHT_CALL = 'kaa.http { url = "https://example.org/file" }'

--- Raised again at the handler's line by kaa.http.
local function misused(format, ...)
  error({ misuse = "kaa.http" .. format:format(...) }, 0)
end

local function check_options(request)
  if type(request) ~= "table" then
    misused(" takes a table, got a %s; write: %s", type(request), RIGHT_CALL)
  end
  for _, name in ipairs(text.sorted_keys(request)) do
    local near = suggest.nearest(tostring(name), OPTIONS)
    if near ~= name then
      misused(' has no option "%s"%s', tostring(name),
        near and ', did you mean "' .. near .. '"?' or "")
    elseif type(request[name]) ~= TYPES[name] then
      misused(": %s: expected a %s, got a %s", name, TYPES[name], type(request[name]))
    end
  end
end

local function check_method(request)
  local method = request.method
  if not method:find "^%u+$" or #method > 16 or method == "CONNECT" or method == "TRACE" then
    misused(': method: expected a method in capital letters, as in "POST", got "%s"', method)
  elseif request.body and (method == "GET" or method == "HEAD") then
    misused(': a %s has no body; write: method = "POST"', method)
  elseif request.file and method == "HEAD" then
    misused ": a HEAD gets no body for a file"
  end
end

--- The server of a URL, as an entry of needs.net names it.
local function server_of(url)
  local scheme, authority = (url or ""):match "^(%a+)://([^/?#]*)"
  local own_port = ({ http = "80", https = "443" })[scheme and scheme:lower()]
  if not url then
    misused(": url: there is none; write: %s", RIGHT_CALL)
  elseif url:find '[^!-~]' or url:find '["<>\\]' then
    misused ": url: a space or another character that has to be percent-encoded"
  elseif not own_port then
    misused ": url: expected https://… or http://…"
  elseif authority:find "@" then
    misused ": url: no name and password in it; write: headers = { Authorization = … }"
  end
  local host, port = authority:match "^(.-):?(%d*)$"
  if authority:find "^%[" then
    host, port = authority:match "^(%[[%x:.]+%]):?(%d*)$"
  end
  if not host or host == "" then
    misused ": url: it names no host; write: https://example.org/file"
  end
  return host:lower(), port ~= "" and port or own_port, own_port
end

local function is_named(host, port, own_port, entry)
  entry = entry:lower()
  local name, named_port = entry:match "^(.-):(%d+)$"
  if not name or entry:find "%]$" then
    name, named_port = entry, own_port
  end
  if named_port ~= port then
    return false
  elseif name:find "^%*%." then
    return #host > #name - 1 and host:sub(1 - #name) == name:sub(2)
  end
  return host == name
end

local function check_granted(device, request)
  local host, port, own_port = server_of(request.url)
  local granted = device:needs().net
  for _, entry in ipairs(granted == true and {} or granted) do
    if is_named(host, port, own_port, entry) then
      return
    end
  end
  if granted ~= true then
    local entry = port == own_port and host or host .. ":" .. port
    misused(': "%s" is not in needs.net; add it: needs = { net = { "%s" } }', entry, entry)
  end
end

local function check_headers(headers)
  for _, name in ipairs(text.sorted_keys(headers)) do
    local value = headers[name]
    local fault
    if type(name) ~= "string" or type(value) ~= "string" then
      misused ': headers: expected names and texts; write: headers = { Accept = "text/plain" }'
    elseif not name:find "^[%w!#$%%&'*+.^_`|~-]+$" then
      fault = "no name of a header"
    elseif OURS[name:lower()] or name:lower():find "^proxy%-" then
      fault = "is set by the agent itself"
    elseif value:find "[\0-\8\10-\31\127]" then
      fault = "its value has a control character"
    end
    if fault then
      misused(': headers: "%s": %s', name, fault)
    end
  end
end

local function check_limits(request)
  local largest = request.file and LARGEST_FILE or LARGEST_BODY
  local bytes = request.max_bytes and math.tointeger(request.max_bytes)
  if request.max_bytes and (not bytes or bytes < 0 or bytes > largest) then
    misused(": max_bytes: expected bytes from 0 to %d%s", largest,
      request.file and "" or '; for more, write: file = "/var/tmp/…"')
  elseif request.timeout_s and not (request.timeout_s > 0 and request.timeout_s <= 86400) then
    misused ": timeout_s: expected more than 0 and up to 86400"
  elseif request.sha256 and not request.sha256:find("^" .. ("%x"):rep(64) .. "$") then
    misused ": sha256: expected 64 hexadecimal digits"
  elseif request.body and #request.body > LARGEST_BODY then
    misused(": body: %d bytes, limit %d", #request.body, LARGEST_BODY)
  elseif request.ca and not request.ca:find("-----BEGIN CERTIFICATE-----", 1, true) then
    misused(': ca: expected certificates in PEM, the text itself; write: '
      .. 'ca = io.open("/etc/my-ca.pem"):read "a"')
  end
end

--- What the handler asks for, with its defaults.
local function checked(device, given)
  check_options(given)
  local request = {}
  for name, value in pairs(given) do
    request[name] = value
  end
  request.method = request.method or request.body and "POST" or "GET"
  check_method(request)
  check_granted(device, request)
  check_headers(request.headers or {})
  check_limits(request)
  return request
end

--- What the spec says of a request.
local function outcome_of(device, request)
  local http = device.options.http
  local line = request.method .. " " .. request.url
  local outcome
  if type(http) == "function" then
    outcome = http(request)
  else
    outcome = (http or {})[line]
  end
  if type(outcome) ~= "table" then
    local write = ("device(…, { http = { [%q] = { status = 200, body = \"\" } } })"):format(line)
    error(("the spec does not say what %q gives; write: %s"):format(line, write), 0)
  end
  return outcome
end

local function sha256_of(bytes)
  local path = os.tmpname()
  local file = assert(io.open(path, "wb"))
  file:write(bytes)
  file:close()
  local pipe = io.popen(("sha256sum '%s'"):format(path))
  local digest = pipe:read "a":match "^%x+"
  pipe:close()
  os.remove(path)
  return digest
end

local function body_fault(request, body)
  local most = request.max_bytes or (request.file and FILE_BYTES or MEMORY_BYTES)
  if #body > most then
    return ("its body is larger than %d bytes (max_bytes)"):format(most)
  end
  local digest = request.sha256 and sha256_of(body)
  if digest and digest ~= request.sha256:lower() then
    return ("its sha256 is %s, expected %s"):format(digest, request.sha256:lower())
  end
  return nil
end

--- Returns nil, message where the file cannot be written.
local function write_file(device, path, body)
  local file, message = device.globals.io.open(path, "wb")
  if not file then
    return nil, message
  end
  file:write(body)
  file:close()
  return true
end

local function low_headers(headers)
  local low = {}
  for name, value in pairs(headers or {}) do
    low[name:lower()] = value
  end
  return low
end

local function answered(device, request)
  device.requested[#device.requested + 1] = request
  local outcome = outcome_of(device, request)
  local place = request.method .. " " .. request.url:match "^[^?#]*"
  local status, body = outcome.status or 200, outcome.body or ""
  local response = { status = status, headers = low_headers(outcome.headers), body = body }
  if outcome.failure then
    return nil, place .. ": " .. outcome.failure
  elseif status < 200 or status > 299 then
    response.body = body:sub(1, COMPLAINT_BYTES)
    local phrase = outcome.phrase and " " .. outcome.phrase or ""
    return nil, ("%s answered %d%s"):format(place, status, phrase), response
  end
  local fault = body_fault(request, body)
  if fault then
    return nil, place .. ": " .. fault
  elseif request.file then
    local written, message = write_file(device, request.file, body)
    if not written then
      return nil, message
    end
    response.body, response.size = nil, #body
  end
  return response
end

--- kaa.http of a device.
---@param device table
---@return fun(request: table): table|nil, string|nil, table|nil
function transfers.http(device)
  local function run(given)
    environment.demand(device:needs(), "net", "kaa.http", 3)
    local done, request = pcall(checked, device, given)
    if not done then
      error(type(request) == "table" and request.misuse or request, 3)
    end
    if request.file then
      environment.demand(device:needs(), "write", "kaa.http with file", 3)
    end
    return answered(device, request)
  end
  return function(given)
    local response, message, refused = run(given)
    return response, message, refused
  end
end

return transfers
