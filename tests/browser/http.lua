-- HTTP/1.1 over luv, one connection a request: what the browser's driver and kaa-local speak.
local loop = require "support.loop"
local uv = require "luv"

local http = {}

local function head_of(received)
  local last = select(2, received:find("\r\n\r\n", 1, true))
  if not last then
    return nil
  end
  local head = { status = tonumber(received:match "^HTTP/1%.%d (%d+)"), headers = {}, last = last }
  for name, value in received:sub(1, last):gmatch "\r\n([^:\r\n]+):%s*([^\r\n]*)" do
    head.headers[name:lower()] = value
  end
  return head
end

-- The body of a whole answer, or nil while some of it is missing.
local function body_of(received, head, ended)
  local length = tonumber(head.headers["content-length"])
  if length then
    local body = received:sub(head.last + 1, head.last + length)
    return #body == length and body or nil
  end
  if head.status == 204 then
    return ""
  end
  return ended and received:sub(head.last + 1) or nil
end

--- Sends one request to a port of this machine and waits for the whole answer.
--- Returns status, body, headers (names in lower case); raises where nothing answers.
---@param port integer
---@param method string
---@param path string
---@param body string?
---@param deadline_s number? default 10
function http.request(port, method, path, body, deadline_s)
  local socket = uv.new_tcp()
  local received, ended, failure = "", false, nil
  local request = table.concat({
    ("%s %s HTTP/1.1"):format(method, path),
    ("Host: 127.0.0.1:%d"):format(port),
    "Connection: close",
    "Content-Type: application/json",
    ("Content-Length: %d"):format(#(body or "")),
    "",
    body or "",
  }, "\r\n")
  socket:connect("127.0.0.1", port, function(refused)
    if refused then
      failure = refused
      return
    end
    socket:read_start(function(fault, data)
      received = received .. (data or "")
      ended = ended or data == nil
      failure = failure or fault
    end)
    socket:write(request)
  end)
  local head, whole
  local done, message = pcall(loop.await, ("%s %s"):format(method, path), function()
    head = head_of(received)
    whole = head and body_of(received, head, ended)
    return whole or failure or ended
  end, deadline_s)
  socket:close()
  if not done or not whole then
    error(("%s %s on port %d: %s"):format(method, path, port,
      not done and message or failure or "no whole answer"), 2)
  end
  return head.status, whole, head.headers
end

return http
