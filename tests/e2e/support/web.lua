-- A web server for the tests of kaa.http: support/http_platform.lua's, with the answers that a
-- test gives it, by path. Whatever has no answer is 404.
--
--   local web = Web.start()
--   web.routes["/file"] = function(request) request:reply(200, "text") end
--   web:url "/file"
local http_platform = require "support.http_platform"

local web = {}
web.__index = web

local function on_request(self, request)
  self.requests[#self.requests + 1] = request
  local route = self.routes[request.path:match "^[^?]*"]
  if route then
    route(request)
  else
    request:reply(404, "nothing at " .. request.path)
  end
  return true
end

--- Listens on a free port. `requests` are all that came: method, path, headers, body.
function web.start()
  local self = setmetatable({ routes = {}, requests = {} }, web)
  self.server = http_platform.start()
  self.server.fault = function(request)
    return on_request(self, request)
  end
  return self
end

function web:url(path, host)
  return ("http://%s:%d%s"):format(host or "127.0.0.1", self.server.port, path)
end

--- The connections that are open.
function web:open_connections()
  local count = 0
  for _, client in ipairs(self.server.clients) do
    count = count + (client.socket:is_closing() and 0 or 1)
  end
  return count
end

function web:stop()
  self.server:stop()
end

return web
