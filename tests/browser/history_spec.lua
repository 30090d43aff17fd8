-- The widget Commands history.
package.path = "tests/browser/?.lua;tests/e2e/?.lua;" .. package.path
local loop = require "support.loop"
local scene = require "scene"
local uv = require "luv"

local OK = '"statusCode":200,"reasonPhrase":"OK"'

-- The page sorts by milliseconds; what falls into one has an order of its own.
local function next_millisecond()
  local function now()
    local seconds, micros = uv.gettimeofday()
    return seconds * 1000 + micros // 1000
  end
  local start = now()
  loop.await("the next millisecond", function()
    return now() > start
  end)
end

-- Three commands that differ in every column; the ids are those of one second or near it.
local function page_with_three()
  local browser, platform = scene.page()
  platform:executed("park", '"statusCode":409,"reasonPhrase":"Taken","payload":{"free":["C02"]}',
    '{"slot":"B12"}')
  next_millisecond()
  platform:executed("zero", OK)
  next_millisecond()
  platform:invoke("reboot", '{"time":"now"}')
  scene.await_rows(browser, { "reboot Pending", "zero Executed 200 OK", "park Executed 409 Taken" })
  return browser, platform
end

local function head(browser, title)
  for _, found in ipairs(browser:all "#history-head button") do
    if found:text() == title then
      return found
    end
  end
  error("no column " .. title)
end

describe("Commands history", function()
  setup(scene.open_browser)
  teardown(scene.close_browser)
  after_each(scene.clear)

  it("shows what was there before the page was opened", function()
    local platform = scene.platform()
    platform:executed("zero", OK)
    platform:invoke "reboot"
    local browser = scene.page { platform = platform }
    scene.await_rows(browser, { "reboot Pending", "zero Executed 200 OK" })
    assert.is_truthy(browser:text ".cell-createdAt":match "^%d%d%d%d%-%d%d%-%d%d%s%d%d:%d%d:%d%d$")
    assert.are.equal("2 in all, 1 pending", browser:text "#history-count")
  end)

  it("sorts by each column, either way, and says which", function()
    local browser = page_with_three()
    local orders = { -- as after one click, and after two
      { "Command type", "park reboot zero", "zero reboot park" },
      { "Status", "reboot zero park", "zero park reboot" },
      { "Status code", "reboot zero park", "park zero reboot" },
      { "Reason phrase", "reboot zero park", "park zero reboot" },
      { "Created", "reboot zero park", "park zero reboot" }, -- newest first
    }
    local function types()
      return (table.concat(scene.rows(browser), "\n"):gsub("(%S+)[^\n]*", "%1"):gsub("\n", " "))
    end
    for _, order in ipairs(orders) do
      for way = 2, 3 do
        head(browser, order[1]):click()
        loop.await(("%s, %d: %s, not %s"):format(order[1], way, order[way], types()), function()
          return types() == order[way]
        end)
      end
    end
    local sorted = browser:run [[
      return [...document.querySelectorAll("[aria-sort]")].map((head) =>
        head.innerText + " " + head.getAttribute("aria-sort"))
        .filter((text) => !text.endsWith("none"));]]
    assert.are.same({ "Created ascending" }, sorted)
  end)

  it("groups by type or status, with the number of each", function()
    local browser, platform = page_with_three()
    platform:executed("zero", OK)
    local function groups()
      return table.concat(browser:run [[
        return [...document.querySelectorAll("#history .group")].map((line) => line.innerText);]],
        " ")
    end
    local function await_groups(wanted)
      loop.await("the groups " .. wanted, function()
        return groups() == wanted
      end)
    end
    browser:find("#group"):choose "Command type"
    await_groups "park1 reboot1 zero2"
    browser:find("#group"):choose "Status"
    await_groups "Pending1 Executed3"
    platform:answer("reboot", OK)
    await_groups "Executed4"
    browser:find("#group"):choose "None"
    await_groups ""
  end)

  it("finds by type, status, reason, and what the payloads hold", function()
    local browser = page_with_three()
    for _, case in ipairs {
      { "zero", "zero Executed 200 OK" },
      { "PENDING", "reboot Pending" },
      { "taken", "park Executed 409 Taken" },
      { "C02", "park Executed 409 Taken" },
      { "exec 200", "zero Executed 200 OK" },
      { '"time"', "reboot Pending" },
    } do
      browser:find("#search"):fill(case[1])
      scene.await_rows(browser, { case[2] })
      assert.are.equal("1 of 3 found, 1 pending", browser:text "#history-count")
    end
    browser:find("#search"):fill "nowhere"
    browser:await_text("#history-empty", "No command matches")
  end)

  it("unfolds payloads exactly as they are", function()
    local browser, platform = scene.page()
    platform:executed("store",
      OK .. ',"payload":{"big":9007199254740993,"zero":0,"none":null,"list":[],"ratio":3.0}',
      '{"imei":356938035643809,"no":false,"text":"<b>&amp;</b> ☂","empty":{}}')
    browser:find(".command .fold"):click()
    local shown = browser:await_text(".detail", "Response payload")
    for _, text in ipairs {
      '"big": 9007199254740993', '"zero": 0', '"none": null', '"list": []', '"ratio": 3.0',
      '"imei": 356938035643809', '"no": false', '"text": "<b>&amp;</b> ☂"', '"empty": {}',
    } do
      assert.is_truthy(shown:find(text, 1, true), text .. " is not in\n" .. shown)
    end
    assert.are.equal("true", browser:find(".command .fold"):attribute "aria-expanded")
    browser:find(".command .fold"):click()
    loop.await("the payloads to fold", function()
      return #browser:all ".detail" == 0
    end)
  end)

  it("keeps what is unfolded and what has the focus when something changes", function()
    local browser, platform = page_with_three()
    local fold = browser:find(".command .fold") -- of reboot, on top
    fold:click()
    browser:await_text(".detail", "not there yet")
    platform:invoke "park"
    platform:answer("reboot", OK .. ',"payload":"back"')
    browser:await_text(".detail", '"back"')
    assert.is_truthy(browser:focused():label():find "^JSON payloads of reboot")
    assert.are.equal(4, #scene.rows(browser))
  end)

  it("runs a command again, with its body and the retention that is set", function()
    local browser, platform = scene.page()
    platform:executed("store", OK, '{"n":9007199254740993}')
    scene.await_rows(browser, { "store Executed 200 OK" })
    browser:find(".command .cell-action button"):click()
    scene.await_rows(browser, { "store Pending", "store Executed 200 OK" })
    browser:await_text("#outcome", "Pending")
    local _, text = platform:poll "store"
    assert.is_truthy(text:find("9007199254740993", 1, true), text)
    platform:answer("store", OK)
    scene.await_rows(browser, { "store Executed 200 OK", "store Executed 200 OK" })
  end)

  it("runs a command without a body again without one", function()
    local browser, platform = scene.page()
    platform:invoke("ping", "")
    scene.await_rows(browser, { "ping Pending" })
    browser:find(".command .cell-action button"):click()
    scene.await_rows(browser, { "ping Pending", "ping Pending" })
    local commands, text = platform:poll "ping"
    assert.is_nil(commands[2].payload, text)
  end)

  it("turns pages", function()
    local browser, platform = scene.page()
    for _ = 1, 12 do
      platform:executed("zero", OK)
    end
    browser:await_text("#pager-range", "1–10 of 12")
    browser:find("#pager-on"):click()
    browser:await_text("#pager-range", "11–12 of 12")
    assert.are.equal(2, #scene.rows(browser))
    browser:find("#pager-size"):choose "25"
    browser:await_text("#pager-range", "1–12 of 12")
    assert.are.equal(12, #scene.rows(browser))
  end)

  it("drops what was deleted", function()
    local browser, platform = page_with_three()
    local id = browser:text ".command .id"
    local status = require("http").request(platform.port, "DELETE",
      ("/cex/api/v1/endpoints/%s/commands/reboot/%s"):format(platform:endpoint_id(), id))
    assert.are.equal(204, status)
    scene.await_rows(browser, { "zero Executed 200 OK", "park Executed 409 Taken" })
  end)
end)
