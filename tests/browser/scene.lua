-- kaa-local, a device that speaks HTTP as curl does, and a browser that shows the page.
--
--   describe("…", function()
--     setup(scene.open_browser)
--     teardown(scene.close_browser)
--     after_each(scene.clear)
--     it("…", function()
--       local browser, platform = scene.page()
--       scene.run(browser, "reboot")
--       local command = platform:poll "reboot"[1]
local busted = require "busted"
local cjson = require "cjson"
local folder = require "support.folder"
local http = require "http"
local loop = require "support.loop"
local process = require "support.process"
local webdriver = require "webdriver"

local scene = {}

local BUILD = os.getenv "KAALUA_BUILD" or "build-test"
local APP_VERSION = "demo-v1"

local browser, home -- one for all tests of a file: it takes a second to start
local platforms = {}

local platform = {}
platform.__index = platform

--- A kaa-local with the endpoints device-1 and by-hand, or with those of `tokens`.
--- `arguments` are added to its own; `http_port` is for one that comes back.
---@param options {arguments: string[]?, http_port: integer?, tokens: string[]?}?
function scene.platform(options)
  options = options or {}
  local arguments = {
    "--http", ("127.0.0.1:%d"):format(options.http_port or 0), "--mqtt-port", "0",
    "--app-version", APP_VERSION,
  }
  for _, token in ipairs(options.tokens or { "device-1", "by-hand" }) do
    arguments[#arguments + 1] = "--token"
    arguments[#arguments + 1] = token
  end
  for _, argument in ipairs(options.arguments or {}) do
    arguments[#arguments + 1] = argument
  end
  local self = setmetatable({ token = "device-1" }, platform)
  self.process = process.start(BUILD .. "/kaa-local", arguments)
  platforms[#platforms + 1] = self
  local ready = pcall(loop.await, "kaa-local to be ready", function()
    return self.process.ended or self.process.stdout:find "\nready"
  end)
  if not ready or self.process.ended then
    error("kaa-local does not start:\n" .. self.process.stdout .. self.process.stderr, 2)
  end
  self.port = tonumber(self.process.stdout:match "page%s+http://[%d.]+:(%d+)/")
  self.url = ("http://127.0.0.1:%d/"):format(self.port)
  return self
end

function platform:stop()
  return self.process:stop()
end

-- One request of the device; raises where it is refused.
local function device(self, path, body)
  local status, answer = http.request(self.port, "POST",
    ("/kp1/%s/%s"):format(APP_VERSION, path:gsub("TOKEN", self.token)), body)
  assert(status >= 200 and status < 300, ("%s: %d %s"):format(path, status, answer))
  return answer
end

--- What the device fetches of a type: the text, and the list of commands.
function platform:poll(type)
  local text = device(self, "cex/TOKEN/command/" .. type, "{}")
  return cjson.decode(text), text
end

--- The device reports the result of the oldest command of a type. `result` is the
--- remaining members as JSON, as in '"statusCode":200'.
function platform:answer(type, result)
  local command = loop.await("a command " .. type, function()
    return self:poll(type)[1]
  end)
  -- As text: cjson would write an id of ten digits in another way.
  device(self, "cex/TOKEN/result/" .. type, ('[{"id":%d,%s}]'):format(command.id, result))
  return command
end

function platform:sample(json)
  device(self, "dcx/TOKEN/json", json)
end

function platform:metadata(json)
  device(self, "epmx/TOKEN/update/keys", json)
end

--- The id of the endpoint with a token.
function platform:endpoint_id(token)
  local _, text = http.request(self.port, "GET", "/api/endpoints")
  for _, endpoint in ipairs(cjson.decode(text)) do
    if endpoint.token == (token or self.token) then
      return endpoint.endpointId
    end
  end
end

--- Invokes a command as an operator's program does; returns its id.
function platform:invoke(type, body, retention_ms)
  local status, text, headers = http.request(self.port, "POST",
    ("/cex/api/v1/endpoints/%s/commands/%s?awaitTimeout=0&commandTtl=%d"):format(
      self:endpoint_id(), type, retention_ms or 3600000), body or "{}")
  assert(status == 202, text)
  return headers.location:match "%d+$"
end

--- Invokes and answers.
function platform:executed(type, result, body)
  local id = self:invoke(type, body)
  self:answer(type, result)
  return id
end

-- The browser.

function scene.open_browser()
  home = folder.create()
  browser = webdriver.start(home)
end

function scene.close_browser()
  browser:stop()
  loop.settle()
  folder.remove(home)
  browser = nil
end

--- The page of a kaa-local, drawn with this width, as soon as it is up to date (`unready`:
--- at once). `platform` is one that runs; else one is started with `arguments`.
---@param options {width: integer?, height: integer?, arguments: string[]?, platform: table?,
---  unready: boolean?}?
---@return table browser
---@return table platform
function scene.page(options)
  options = options or {}
  local this_platform = options.platform or scene.platform(options)
  browser:resize(options.width or 1440, options.height or 1000)
  browser:open(this_platform.url .. "?endpoint=device-1")
  if not options.unready then
    browser:await_text("#live", "Live")
  end
  return browser, this_platform
end

--- Fills the form and presses Run. `body` stays {} where it is nil.
function scene.run(this_browser, type, body)
  this_browser:find("#type"):fill(type)
  if body then
    this_browser:find("#body"):fill(body)
  end
  this_browser:find("#run"):click()
end

--- The rows of the history as they are shown: { {type, status, code, reason}, … }.
function scene.rows(this_browser)
  return this_browser:run [[
    const text = (row, name) => row.querySelector(name).innerText;
    return [...document.querySelectorAll("#history .command")].map((row) => [
      text(row, ".type"), text(row, ".pill"), text(row, ".cell-statusCode"),
      text(row, ".cell-reason")].join(" ").trim());]]
end

--- Waits until the history shows these rows, each as "reboot Executed 200 OK".
function scene.await_rows(this_browser, rows, deadline_s)
  local wanted, shown = table.concat(rows, "\n"), nil
  if not pcall(loop.await, "the history", function()
    shown = table.concat(scene.rows(this_browser), "\n")
    return shown == wanted
  end, deadline_s) then
    error(("the history is not\n%s\nbut\n%s"):format(wanted, shown), 2)
  end
end

-- A failed test leaves a picture where KAALUA_SCREENSHOTS says, and what the browser said.
busted.subscribe({ "test", "end" }, function(context, _, status)
  if (status == "failure" or status == "error") and browser then
    local where = os.getenv "KAALUA_SCREENSHOTS"
    if where then
      pcall(browser.screenshot, browser, ("%s/%s.png"):format(where, context.name:gsub("%W+", "_")))
    end
    local _, complaints = pcall(browser.complaints, browser)
    for _, text in ipairs(type(complaints) == "table" and complaints or {}) do
      io.stdout:write("# the browser: ", text, "\n")
    end
    for _, each in ipairs(platforms) do
      io.stdout:write((each.process.stderr:sub(-2000):gsub("([^\n]+)", "# kaa-local: %1")))
    end
  end
  return nil, true
end)

--- Ends every kaa-local of the test; to be called by after_each.
function scene.clear()
  if browser then
    browser:open "about:blank"
  end
  local stuck = 0
  for _, each in ipairs(platforms) do
    each:stop()
    stuck = stuck + (each.process.was_stuck and 1 or 0)
  end
  platforms = {}
  loop.settle()
  assert(stuck == 0, "kaa-local did not end when it was asked to")
end

return scene
