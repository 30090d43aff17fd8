-- The widget Command execution: what it refuses, and what it tells of a command.
package.path = "tests/browser/?.lua;tests/e2e/?.lua;" .. package.path
local scene = require "scene"
local keys = require("webdriver").keys

describe("Command execution", function()
  setup(scene.open_browser)
  teardown(scene.close_browser)
  after_each(scene.clear)

  -- The text before the mark, which shows where the fault is.
  local function marked(browser)
    return browser:run [[
      const mark = document.querySelector("#body-mirror mark");
      return mark && mark.previousSibling ? mark.previousSibling.data : "";]]
  end

  it("marks the first fault of the body while one types, with line and column", function()
    local browser = scene.page()
    local body = browser:find "#body"
    for _, case in ipairs {
      { '{"slot": "B12",}', "Line 1, column 15", "Nothing follows this comma", '{"slot": "B12"' },
      { '{\n"a": 1\n"b": 2}', "Line 3, column 1", "A comma or } is expected", '{\n"a": 1\n' },
      { '{"ä": "☂", b: 1}', "Line 1, column 12", "A key in double quotes", '{"ä": "☂", ' },
      { "{'a': 1}", "Line 1, column 2", "A key in double quotes", "{" },
      { "[1, 2", "Line 1, column 1", "The [ that opens here is not closed", "" },
      { '["a\\x"]', "Line 1, column 4", "No such escape", '["a' },
      { '["open', "Line 1, column 2", "The text that begins here is not closed", "[" },
      { "[007]", "Line 1, column 2", "extra 0", "[" },
      { "yes", "Line 1, column 1", "yes is not a value", "" },
      { "{} {}", "Line 1, column 4", "The value has ended before this", "{} " },
      { '{"a":1,"a":2}', "Line 1, column 8", "stands here twice", '{"a":1,' },
      { "", "Line 1, column 1", "A body is needed", "" },
    } do
      body:fill(case[1])
      local message = browser:await_text("#body-fault", case[3])
      assert.are.equal(case[2], message:match "^[^:]+")
      assert.are.equal(case[4], marked(browser))
      assert.are.equal("true", body:attribute "aria-invalid")
    end
    for _, good in ipairs { "0", "-1.5e3", '"text"', "null", "[]", '{"a": [true, {"b": ""}]}' } do
      body:fill(good)
      assert.are.equal("", browser:text "#body-fault")
      assert.are.equal("false", body:attribute "aria-invalid")
    end
  end)

  it("takes for JSON what is JSON, and nothing else", function()
    local browser = scene.page()
    -- Good texts, each with one character put in, taken out or changed at every place.
    local different = browser:run [=[
      const good = ['{"a":[1,-0.5e+3,{}],"b":"\\u00e9\\n"}', '[true,false,null,"",[[]]]', ' 10 ',
        '{"a":{"b":[0]},"c":"\\"x"}'];
      const put = ['', '"', ',', ':', '0', '1', '-', '.', 'e', '\\', '{', ']', ' ', 't', '\t'];
      const isJson = (text) => { try { JSON.parse(text); return true; } catch { return false; } };
      return import("/exact_json.js").then(({ parse, compact, Fault }) => {
        const isOurs = (text) => {
          try {
            return JSON.stringify(JSON.parse(compact(parse(text)))) ===
              JSON.stringify(JSON.parse(text));
          } catch (error) {
            if (!(error instanceof Fault) && isJson(text)) throw error;
            return false;
          }
        };
        const texts = good.flatMap((text) => [...text].flatMap((_, i) => put.flatMap((piece) =>
          [0, 1].map((gone) => text.slice(0, i) + piece + text.slice(i + gone)))));
        return texts.filter((text) => isJson(text) !== isOurs(text));
      });]=]
    assert.are.same({}, different)
  end)

  it("tells a fault to a screen reader when typing pauses", function()
    local browser = scene.page()
    browser:find("#body"):fill "[1,"
    browser:await_text("#body-spoken", "Line 1, column 4: ")
  end)

  it("runs nothing while there is a fault, and goes to it", function()
    local browser = scene.page()
    scene.run(browser, "", "{}")
    browser:await_text("#type-fault", "A command type is needed")
    assert.are.equal("type", browser:focused():attribute "id")
    scene.run(browser, "park", '{"a": }')
    assert.are.equal("body", browser:focused():attribute "id")
    assert.are.equal(6, browser:focused():property "selectionStart")
    for _, type in ipairs { "42", "status", "close door", "a/b" } do
      scene.run(browser, type, "{}")
      assert.are_not.equal("", browser:text "#type-fault")
    end
    browser:find("#type"):fill "park"
    browser:find("#retention"):fill "-1"
    browser:find("#run"):click()
    browser:await_text("#retention-fault", "A whole number")
    assert.are.same({}, scene.rows(browser))
  end)

  it("waits for the device where it is synchronous, and shows what it answered", function()
    local browser, platform = scene.page()
    assert.is_false(browser:run "return document.querySelector('#synchronous').checked")
    browser:find("#synchronous"):click()
    browser:find("#timeout"):fill "20"
    scene.run(browser, "ping", '{"n": 9007199254740993}')
    browser:await_text("#outcome", "Waiting up to 20 seconds")
    platform:answer("ping",
      '"statusCode":200,"reasonPhrase":"pong","payload":{"n":9007199254740993}')
    local shown = browser:await_text("#outcome", "Executed: 200 pong")
    assert.is_truthy(shown:find("9007199254740993", 1, true), shown)
  end)

  it("says pending where the device does not answer in the waiting timeout", function()
    local browser, platform = scene.page()
    browser:find("#synchronous"):click()
    browser:find("#timeout"):fill "1"
    scene.run(browser, "ping")
    browser:await_text("#outcome", "No answer within 1 second. Pending")
    platform:answer("ping", '"statusCode":504,"reasonPhrase":"Too slow"')
    browser:await_text("#outcome", "Executed: 504 Too slow")
  end)

  it("says expired when the retention is over", function()
    local browser = scene.page()
    browser:find("#retention-unit"):choose "seconds"
    scene.run(browser, "ping")
    browser:await_text("#outcome", "Pending")
    browser:await_text("#outcome", "Expired")
    scene.await_rows(browser, { "ping Expired" })
  end)

  it("shows why the platform refuses", function()
    local browser = scene.page()
    browser:find("#retention"):fill "9999999999"
    scene.run(browser, "ping")
    browser:await_text("#outcome", "Not run: 400")
    assert.are.same({}, scene.rows(browser))
  end)

  it("takes a waiting timeout of up to a minute", function()
    local browser = scene.page()
    browser:find("#synchronous"):click()
    browser:find("#timeout-unit"):choose "minutes"
    scene.run(browser, "ping")
    browser:await_text("#timeout-fault", "60 seconds at most")
    assert.are.equal("", browser:text "#outcome")
    browser:find("#timeout"):fill "1"
    assert.are.equal("", browser:text "#timeout-fault")
  end)

  it("runs for another endpoint while one still waits", function()
    local browser = scene.page()
    browser:find("#synchronous"):click()
    browser:find("#timeout"):fill "60"
    scene.run(browser, "ping")
    browser:await_text("#outcome", "Waiting up to 1 minute")
    browser:find("#endpoint"):choose "by-hand"
    browser:await_text("#live", "Live")
    browser:find("#asynchronous"):click()
    scene.run(browser, "ring")
    browser:await_text("#outcome", "Pending")
  end)

  it("runs with Ctrl + Enter from the body, and formats it without losing a digit", function()
    local browser, platform = scene.page()
    browser:find("#type"):type "store"
    browser:find("#body"):fill '{"n":9007199254740993,"f":3.0,"e":[],"t":"\\u00e9"}'
    browser:find("#format"):click()
    assert.are.equal(
      '{\n  "n": 9007199254740993,\n  "f": 3.0,\n  "e": [],\n  "t": "\\u00e9"\n}',
      browser:find("#body"):property "value")
    browser:find("#body"):click()
    browser:press(keys.control, keys.enter)
    browser:await_text("#outcome", "Pending")
    local _, text = platform:poll "store"
    assert.is_truthy(text:find("9007199254740993", 1, true), text)
  end)

  it("says that nothing answers when kaa-local is gone", function()
    local browser, platform = scene.page()
    platform:stop()
    browser:await_text("#live", "Connection lost")
    scene.run(browser, "reboot")
    browser:await_text("#outcome", "kaa-local cannot be reached")
    assert.are.equal("status", browser:find("#outcome"):role())
  end)
end)
