-- A browser, driven as a person does: Debian's chromium through its driver (W3C WebDriver).
--
--   local browser = webdriver.start(folder)   -- an empty folder for all it writes
--   browser:open "http://127.0.0.1:8080/"
--   browser:find("#type"):type "reboot"
--   browser:find("#run"):click()
--   browser:await_text("#outcome", "Pending")
--   browser:stop()
local cjson = require "cjson"
local http = require "http"
local loop = require "support.loop"
local process = require "support.process"

local webdriver = {}
webdriver.__index = webdriver

local element = {}
element.__index = element

local ELEMENT_KEY = "element-6066-11e4-a52e-4f735466cecf"
local START_DEADLINE_S = 60

--- Keys that are no characters, for type().
webdriver.keys = {
  tab = "\u{E004}",
  all_up = "\u{E000}", -- no key is held any more
  enter = "\u{E007}",
  shift = "\u{E008}",
  control = "\u{E009}",
  space = " ",
  home = "\u{E011}",
  left = "\u{E012}",
  up = "\u{E013}",
  right = "\u{E014}",
  down = "\u{E015}",
  delete = "\u{E017}",
}

local function browser_arguments(folder, options)
  return {
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-dev-shm-usage", "--no-proxy-server", "--hide-scrollbars",
    "--user-data-dir=" .. folder .. "/profile",
    ("--window-size=%d,%d"):format(options.width or 1440, options.height or 1000),
  }
end

-- One request to the driver; raises with what the driver says.
local function call(self, method, path, body)
  local text = body and cjson.encode(body) or method == "POST" and "{}" or nil
  local _, answer = http.request(self.port, method, path, text, START_DEADLINE_S)
  local value = cjson.decode(answer).value
  if type(value) == "table" and value.error then
    error(("%s %s: %s: %s"):format(method, path, value.error, value.message), 0)
  end
  return value
end

local function session_call(self, method, path, body)
  return call(self, method, "/session/" .. self.session .. path, body)
end

--- Starts a driver and a browser. All that they write goes to `folder`.
---@param folder string
---@param options {width: integer?, height: integer?}?
function webdriver.start(folder, options)
  local self = setmetatable({}, webdriver)
  -- The driver starts the browser, which leaves its own settings in HOME.
  self.process = process.start("/usr/bin/chromedriver", { "--port=0" }, {
    env = { HOME = folder, TMPDIR = folder, XDG_CONFIG_HOME = folder, XDG_CACHE_HOME = folder },
  })
  local done, message = pcall(function()
    self.port = tonumber(loop.await("the driver's port", function()
      return self.process.stdout:match "started successfully on port (%d+)"
    end, START_DEADLINE_S))
    local value = call(self, "POST", "/session", {
      capabilities = {
        alwaysMatch = {
          ["goog:chromeOptions"] = { args = browser_arguments(folder, options or {}) },
          ["goog:loggingPrefs"] = { browser = "ALL" },
        },
      },
    })
    self.session = value.sessionId
  end)
  if not done then
    self:stop()
    error(message .. "\n" .. self.process.stdout .. self.process.stderr, 2)
  end
  return self
end

--- Ends the browser and its driver.
function webdriver:stop()
  if self.session then
    pcall(session_call, self, "DELETE", "")
    self.session = nil
  end
  self.process:stop()
end

function webdriver:open(url)
  session_call(self, "POST", "/url", { url = url })
end

--- Runs the body of a function in the page and returns what it returns.
function webdriver:run(script, ...)
  local arguments = setmetatable({ ... }, cjson.empty_array_mt)
  if #arguments == 0 then
    -- This cjson has no empty array: the driver takes one null as well.
    arguments = { cjson.null }
  end
  local value = session_call(self, "POST", "/execute/sync", { script = script, args = arguments })
  if value == cjson.null then
    return nil
  end
  return value
end

--- Sets the size of what the page is drawn on.
function webdriver:resize(width, height)
  session_call(self, "POST", "/goog/cdp/execute", {
    cmd = "Emulation.setDeviceMetricsOverride",
    params = { width = width, height = height, deviceScaleFactor = 1, mobile = false },
  })
end

--- Light or dark, as the person's system asks for it.
function webdriver:prefer(scheme)
  session_call(self, "POST", "/goog/cdp/execute", {
    cmd = "Emulation.setEmulatedMedia",
    params = { features = { { name = "prefers-color-scheme", value = scheme } } },
  })
end

--- The whole page as a PNG, as it is at this width.
function webdriver:screenshot(path, only_seen)
  local value = session_call(self, "POST", "/goog/cdp/execute", {
    cmd = "Page.captureScreenshot",
    params = { format = "png", captureBeyondViewport = not only_seen },
  })
  local pipe = assert(io.popen(("base64 -d >'%s'"):format(path), "w"))
  pipe:write(value.data)
  assert(pipe:close())
end

--- What the page wrote to the console and what the browser complained of.
function webdriver:complaints()
  local found = {}
  for _, entry in ipairs(session_call(self, "POST", "/se/log", { type = "browser" })) do
    if entry.level == "SEVERE" or entry.level == "WARNING" then
      found[#found + 1] = entry.message
    end
  end
  return found
end

local function wrap(self, value)
  return setmetatable({ browser = self, id = value[ELEMENT_KEY] }, element)
end

--- The first element of a CSS selector; waits until there is one.
---@param selector string
---@param deadline_s number?
function webdriver:find(selector, deadline_s)
  return loop.await(selector, function()
    local found = self:all(selector)
    return found[1]
  end, deadline_s)
end

--- All elements of a CSS selector, perhaps none.
function webdriver:all(selector)
  local found = session_call(self, "POST", "/elements",
    { using = "css selector", value = selector })
  for i, value in ipairs(found) do
    found[i] = wrap(self, value)
  end
  return found
end

--- The element that has the focus.
function webdriver:focused()
  return wrap(self, session_call(self, "GET", "/element/active"))
end

--- Presses keys wherever the focus is.
function webdriver:press(...)
  local actions = {}
  local held = {}
  for _, key in ipairs { ... } do
    actions[#actions + 1] = { type = "keyDown", value = key }
    if key == webdriver.keys.shift or key == webdriver.keys.control then
      held[#held + 1] = key
    else
      actions[#actions + 1] = { type = "keyUp", value = key }
    end
  end
  for _, key in ipairs(held) do
    actions[#actions + 1] = { type = "keyUp", value = key }
  end
  session_call(self, "POST", "/actions",
    { actions = { { type = "key", id = "keyboard", actions = actions } } })
end

--- What is shown of an element, "" where there is none.
function webdriver:text(selector)
  return self:run([[const node = document.querySelector(arguments[0]);
    return node ? node.innerText : "";]], selector)
end

--- Waits until an element shows a text (plain, not a pattern); returns all that it shows.
function webdriver:await_text(selector, text, deadline_s)
  local shown
  local done = pcall(loop.await, text, function()
    shown = self:text(selector)
    return shown:find(text, 1, true)
  end, deadline_s)
  if not done then
    error(("%s does not come to show %q but:\n%s"):format(selector, text, shown), 2)
  end
  return shown
end

-- Elements.

local function element_call(self, method, path, body)
  return session_call(self.browser, method, "/element/" .. self.id .. path, body)
end

function element:click()
  element_call(self, "POST", "/click")
  return self
end

--- Types a text where the element is.
function element:type(text)
  element_call(self, "POST", "/value", { text = text })
  return self
end

--- Types a text in place of what there was.
function element:fill(text)
  local keys = webdriver.keys
  return self:type(keys.control .. "a" .. keys.all_up .. (text == "" and keys.delete or text))
end

--- Chooses the option of a select that shows this text.
function element:choose(text)
  for _, value in ipairs(element_call(self, "POST", "/elements",
    { using = "css selector", value = "option" })) do
    local option = wrap(self.browser, value)
    if option:property "text" == text then
      option:click()
      return self
    end
  end
  error(("no option %q in:\n%s"):format(text, self:text()), 2)
end

function element:text()
  return element_call(self, "GET", "/text")
end

function element:is_shown()
  return element_call(self, "GET", "/displayed")
end

function element:attribute(name)
  local value = element_call(self, "GET", "/attribute/" .. name)
  return value ~= cjson.null and value or nil
end

function element:property(name)
  local value = element_call(self, "GET", "/property/" .. name)
  return value ~= cjson.null and value or nil
end

--- The name that a screen reader says.
function element:label()
  return element_call(self, "GET", "/computedlabel")
end

function element:role()
  return element_call(self, "GET", "/computedrole")
end

return webdriver
