-- The page as a whole: its widths, its colours, its names, and how it stays up to date.
package.path = "tests/browser/?.lua;tests/e2e/?.lua;" .. package.path
local loop = require "support.loop"
local scene = require "scene"

local WIDTHS = { 360, 800, 1200, 1440, 1600 }

-- A page with everything in it that can be long.
local function full_page(options)
  local browser, platform = scene.page(options)
  local long = ("long"):rep(16)
  platform:executed("park", '"statusCode":409,"reasonPhrase":"Taken","payload":{"free":["C02"]}')
  browser:await_text("#history", "Taken")
  platform:executed(long, '"statusCode":501,"reasonPhrase":"No handler for ' .. long:rep(3)
    .. '","payload":"' .. long:rep(8) .. '"')
  browser:await_text("#history", "No handler") -- of one millisecond there is no order
  platform:invoke("zero", "{}", 1)
  browser:await_text("#history", "zero")
  platform:invoke "reboot"
  platform:sample(('[{"fuelLevel":99.7,"temperature":-0.000125,"%s":1e300,"mode":"%s"}]'):format(
    long, long:rep(2)))
  platform:sample '[{"fuelLevel":0,"temperature":97}]'
  platform:metadata(('{"model":"BFG 9000","%s":"%s"}'):format(long, long:rep(4)))
  browser:await_text("#metadata", "BFG 9000")
  browser:await_text("#telemetry", "mode")
  scene.await_rows(browser, {
    "reboot Pending", "zero Expired",
    ("%s Executed 501 No handler for %s"):format(long, long:rep(3)), "park Executed 409 Taken",
  })
  for _, fold in ipairs(browser:all ".fold") do
    fold:click()
  end
  browser:find("#type"):fill(long)
  browser:find("#body"):fill('{"text": "' .. long:rep(4) .. '",}')
  browser:find(".by-hand summary"):click()
  return browser, platform
end

-- What sticks out of the page or out of its widget, and controls that are cut off.
local OVERFLOW = [[
  const wide = [...document.querySelectorAll("body *")].filter((node) => {
    const box = node.getBoundingClientRect();
    const scrolls = node.closest(".editor, .unseen, svg, datalist");
    return !scrolls && box.width > 0 && (box.right > innerWidth + 0.5 || box.left < -0.5);
  });
  const spilt = [...document.querySelectorAll(".widget, .widget table, .bar")].filter((node) =>
    node.scrollWidth > node.clientWidth + 1);
  const root = document.documentElement;
  if (root.scrollWidth > innerWidth) wide.push(root);
  return [...wide, ...spilt].map((node) => node.outerHTML.slice(0, 120));]]

-- Texts whose contrast with what is behind them is under 4.5, and edges of controls under 3.
local CONTRAST = [[
  const channels = (colour) => (colour.match(/[\d.]+/g) ?? []).map(Number);
  const light = ([r, g, b]) => {
    const [x, y, z] = [r, g, b].map((v) => v / 255)
      .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  const contrast = (a, b) => {
    const [x, y] = [light(a), light(b)].sort((m, n) => n - m);
    return (x + 0.05) / (y + 0.05);
  };
  const ground = (node) => {
    for (let at = node; at; at = at.parentElement) {
      const colour = channels(getComputedStyle(at).backgroundColor);
      if (colour.length === 3 || colour[3] === 1) return colour;
    }
    return [255, 255, 255];
  };
  const faults = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const node = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || !node.checkVisibility()) continue;
    if (node.closest(".mirror, script, noscript, option, datalist, :disabled")) continue;
    const found = contrast(channels(getComputedStyle(node).color), ground(node));
    if (found < 4.5) faults.push(`${found.toFixed(2)} ${walker.currentNode.data.trim()}`);
  }
  for (const node of document.querySelectorAll("input[type=text], input[type=search], select")) {
    if (node.disabled) continue;
    const edge = channels(getComputedStyle(node).borderTopColor);
    const found = contrast(edge, ground(node.parentElement));
    if (found < 3) faults.push(`${found.toFixed(2)} edge of #${node.id}`);
  }
  return faults;]]

describe("the page", function()
  setup(scene.open_browser)
  teardown(scene.close_browser)
  after_each(scene.clear)

  it("fits a phone, a tablet and a desk, whatever is in it", function()
    local browser = full_page()
    for _, width in ipairs(WIDTHS) do
      browser:resize(width, 900)
      assert.are.same({}, browser:run(OVERFLOW), ("at %d pixels"):format(width))
    end
  end)

  it("has the widgets side by side where there is room", function()
    local browser = scene.page()
    local function place(title)
      return browser:run([[
        const box = document.querySelector(`[aria-labelledby=${arguments[0]}-title]`)
          .getBoundingClientRect();
        return { left: box.left, right: box.right, top: box.top, bottom: box.bottom };]], title)
    end
    local execution, history = place "execution", place "history"
    assert.are.equal(execution.top, history.top)
    assert.is_true(history.left > execution.right)
    assert.is_true(place("telemetry").left > history.right)
    browser:resize(360, 900)
    assert.is_true(place("history").top > place("execution").bottom)
  end)

  it("can be read in the light and in the dark", function()
    local browser = full_page()
    browser:find("#run"):click() -- shows the faults of the form
    for _, scheme in ipairs { "light", "dark" } do
      browser:prefer(scheme)
      local dark = browser:run "return getComputedStyle(document.body).backgroundColor"
      assert.are.equal(scheme == "dark", tonumber(dark:match "%d+") < 128)
      assert.are.same({}, browser:run(CONTRAST), scheme)
    end
    browser:prefer "light"
  end)

  it("gives a screen reader a name for each control and each part", function()
    local browser = full_page()
    local names = {}
    for _, control in ipairs(browser:all "input, select, textarea, button, summary, [role=img]") do
      if control:is_shown() then
        local label = control:label()
        assert.are_not.equal("", label, control:property "outerHTML")
        names[label] = true
      end
    end
    for _, label in ipairs {
      "Endpoint", "Command type", "Command body in JSON", "Asynchronous", "Synchronous",
      "Waiting timeout", "Maximum command retention for delivery", "Run", "Search", "Group by",
    } do
      assert.is_true(names[label], label)
    end
    local regions = {}
    for _, part in ipairs(browser:all "section") do
      assert.are.equal("region", part:role())
      regions[#regions + 1] = part:label()
    end
    assert.are.same({ "Command execution", "Commands history", "Device telemetry", "Metadata",
      "Device side" }, regions)
    -- The cards of a phone are the rows and cells of a table still.
    browser:resize(360, 900)
    assert.are.equal("row", browser:find(".command"):role())
    assert.are.equal("cell", browser:find(".command .cell-status"):role())
  end)

  it("says that it is not made by Kaa, and fetches nothing from elsewhere", function()
    local browser, platform = full_page()
    assert.is_truthy(browser:text "header":find("Not made by Kaa", 1, true))
    local elsewhere = browser:run([[
      return performance.getEntriesByType("resource").map((each) => each.name)
        .filter((name) => !name.startsWith(arguments[0]));]], platform.url)
    assert.are.same({}, elsewhere)
    assert.are.same({}, browser:complaints())
  end)

  it("shows the other endpoint, and whether each is connected", function()
    local browser, platform = scene.page()
    browser:await_text("#connection", "Not connected, never seen")
    platform.token = "by-hand"
    platform:sample '[{"level":7}]'
    platform:invoke "open"
    assert.are.same({}, scene.rows(browser))
    browser:await_text("#endpoint", "by-hand (connected)")
    browser:find("#endpoint"):choose "by-hand (connected)"
    scene.await_rows(browser, { "open Pending" })
    browser:await_text("[data-name=level] .value", "7")
    browser:await_text("#device", "by-hand")
    assert.are_not.equal("Not connected, never seen", browser:text "#connection")
    assert.are.equal(platform.url .. "?endpoint=by-hand", browser:run "return location.href")
  end)

  it("holds no connection while it is hidden, and is up to date when it is seen", function()
    local browser, platform = scene.page()
    local function hide(is_hidden)
      browser:run([[
        Object.defineProperty(document, "hidden", { value: arguments[0], configurable: true });
        document.dispatchEvent(new Event("visibilitychange"));]], is_hidden)
    end
    browser:run [[
      const { close } = EventSource.prototype;
      window.closedStreams = 0;
      EventSource.prototype.close = function () { window.closedStreams++; close.call(this); };]]
    hide(true)
    assert.are.equal(1, browser:run "return window.closedStreams")
    platform:invoke "open"
    assert.are.same({}, scene.rows(browser))
    hide(false)
    scene.await_rows(browser, { "open Pending" })
    platform:invoke "shut"
    scene.await_rows(browser, { "shut Pending", "open Pending" })
  end)

  it("says when the connection is lost, and is up to date when it is back", function()
    local file = os.tmpname()
    finally(function()
      os.remove(file)
    end)
    local browser, platform = scene.page { arguments = { "--db", file } }
    platform:invoke "reboot"
    scene.await_rows(browser, { "reboot Pending" })
    platform:stop()
    browser:await_text("#live", "Connection lost")
    browser:await_text("#alarm", "kaa-local cannot be reached")
    local again = scene.platform { http_port = platform.port, arguments = { "--db", file } }
    again:answer("reboot", '"statusCode":200,"reasonPhrase":"OK"')
    scene.await_rows(browser, { "reboot Executed 200 OK" }, 20)
    browser:await_text("#live", "Live")
    assert.are.equal("", browser:text "#alarm")
  end)

  it("goes on with a kaa-local that knows nothing of what was before", function()
    local browser, platform = scene.page()
    platform:invoke "reboot"
    scene.await_rows(browser, { "reboot Pending" })
    platform:stop()
    browser:await_text("#live", "Connection lost")
    local again = scene.platform { http_port = platform.port }
    browser:await_text("#live", "Live", 20)
    again:invoke "zero"
    scene.await_rows(browser, { "zero Pending" })
  end)

  it("waits for the first endpoint", function()
    local platform = scene.platform { arguments = { "--open" }, tokens = {} }
    local browser = scene.page { platform = platform, unready = true }
    browser:await_text("#connection", "No endpoint yet")
    platform.token = "newcomer"
    platform:sample '[{"level":7}]'
    browser:await_text("[data-name=level] .value", "7")
    browser:await_text("#endpoint", "newcomer")
  end)

  it("follows many commands a second without falling behind", function()
    local browser, platform = scene.page()
    for _ = 1, 150 do
      platform:invoke "zero"
    end
    browser:await_text("#history-count", "150 in all, 150 pending")
    loop.await("one page of rows", function()
      return #scene.rows(browser) == 10
    end)
  end)
end)
