-- The tutorial "Sending commands to device", by clicking and typing.
package.path = "tests/browser/?.lua;tests/e2e/?.lua;" .. package.path
local loop = require "support.loop"
local scene = require "scene"
local keys = require("webdriver").keys

describe("the tutorial in the browser", function()
  setup(scene.open_browser)
  teardown(scene.close_browser)
  after_each(scene.clear)

  it("shows reboot pending, then executed once the device has reported it", function()
    local browser, platform = scene.page()
    browser:find("#retention-unit"):choose "hours"
    scene.run(browser, "reboot")
    browser:await_text("#outcome", "Pending: held for the device until ")
    scene.await_rows(browser, { "reboot Pending" })

    local commands, text = platform:poll "reboot"
    assert.are.equal(1, #commands, text)
    scene.await_rows(browser, { "reboot Pending" })
    platform:answer("reboot", '"statusCode":200,"reasonPhrase":"OK","payload":"Success"')

    scene.await_rows(browser, { "reboot Executed 200 OK" })
    local outcome = browser:await_text("#outcome", "Executed: 200 OK")
    assert.is_truthy(outcome:find('"Success"', 1, true))
    assert.are.equal(0, #platform:poll "reboot")
  end)

  it("keeps the command for the hour that was set", function()
    local browser = scene.page()
    browser:find("#retention-unit"):choose "hours"
    scene.run(browser, "reboot")
    local until_time = browser:await_text("#outcome", "until"):match "until (%d+:%d+:%d+)"
    scene.await_rows(browser, { "reboot Pending" })
    local created = browser:text ".command .cell-createdAt":match "%d+:%d+:%d+"
    local function seconds(clock)
      local h, m, s = clock:match "(%d+):(%d+):(%d+)"
      return h * 3600 + m * 60 + s
    end
    assert.are.equal(3600, (seconds(until_time) - seconds(created)) % 86400)
  end)

  it("shows the zero telemetry with which the device answers zero", function()
    local browser, platform = scene.page()
    platform:sample '[{"fuelLevel":99.7,"temperature":97}]'
    browser:await_text("[data-name=fuelLevel] .value", "99.7")
    scene.run(browser, "zero")
    browser:await_text("#outcome", "Pending")
    platform:sample '[{"fuelLevel":0,"temperature":0}]'
    platform:answer("zero", '"statusCode":200,"payload":"done"')
    loop.await("both values to be 0", function()
      return browser:text "[data-name=fuelLevel] .value" == "0"
        and browser:text "[data-name=temperature] .value" == "0"
    end)
    local at = browser:text "[data-name=fuelLevel] .hint"
    assert.is_truthy(at:match "^%d%d%d%d%-%d%d%-%d%d %d%d:%d%d:%d%d$", at)
    local plot = browser:find("[data-name=fuelLevel] svg"):label()
    assert.is_truthy(plot:find("lowest 0, highest 99.7", 1, true), plot)
    scene.await_rows(browser, { "zero Executed 200" })
  end)

  it("sends any other type with any other body", function()
    local browser, platform = scene.page()
    scene.run(browser, "park", '{"slot": "B12", "car": 9007199254740993}')
    browser:await_text("#outcome", "Pending")
    local _, text = platform:poll "park"
    assert.is_truthy(text:find("9007199254740993", 1, true), text)
    platform:answer("park", '"statusCode":409,"reasonPhrase":"Slot taken","payload":{"free":[]}')
    browser:await_text("#outcome", "Executed: 409 Slot taken")
    scene.await_rows(browser, { "park Executed 409 Slot taken" })
  end)

  it("can be followed with the keyboard alone", function()
    local browser, platform = scene.page()
    local function tab_to(id)
      loop.await("the focus on " .. id, function()
        browser:press(keys.tab)
        assert.is_true(browser:run [[
          const style = getComputedStyle(document.activeElement);
          const editor = document.activeElement.closest(".editor");
          return style.outlineStyle !== "none" ||
            (editor !== null && getComputedStyle(editor).outlineStyle !== "none");]],
          "the focus is not seen")
        return browser:run "return document.activeElement.id" == id
      end)
    end
    tab_to "type"
    browser:focused():type "reboot"
    tab_to "retention"
    tab_to "retention-unit"
    browser:focused():type "h"
    tab_to "run"
    browser:press(keys.enter)
    browser:await_text("#outcome", "Pending")
    platform:answer("reboot", '"statusCode":200,"reasonPhrase":"OK","payload":"Success"')
    scene.await_rows(browser, { "reboot Executed 200 OK" })
    -- On to the payloads of the first row, and to its action.
    loop.await("the button that unfolds", function()
      browser:press(keys.tab)
      return browser:focused():attribute "aria-expanded"
    end)
    browser:press(keys.enter)
    browser:await_text(".detail", '"Success"')
    loop.await("the action", function()
      browser:press(keys.tab)
      return browser:focused():label():find "^Run reboot %d+ again$"
    end)
    browser:press(keys.space)
    scene.await_rows(browser, { "reboot Pending", "reboot Executed 200 OK" })
  end)

  it("gives the curl lines with everything put in", function()
    local browser, platform = scene.page()
    scene.run(browser, "reboot")
    browser:await_text("#outcome", "Pending")
    browser:find(".by-hand summary"):click()
    local base = platform.url .. "kp1/demo-v1/cex/device-1/"
    browser:await_text("#curl-poll", base .. "command/reboot")
    local line = browser:await_text("#curl-result", '"id": ' .. browser:text ".command .id")
    local pipe = assert(io.popen(line:gsub("^curl", "curl --silent --show-error --fail"), "r"))
    pipe:read "a"
    assert.is_true(pipe:close())
    scene.await_rows(browser, { "reboot Executed 200 OK" })
  end)
end)
