local config = require "kaa.config"

--- Checks a configuration's source text; returns the table, and its faults as "line: message".
local function check(source)
  local checked, faults = config.check(assert(load(source, "@kaalua.lua", "t", {}))(), source)
  local lines = {}
  for index, fault in ipairs(faults or {}) do
    lines[index] = (fault.line or "-") .. ": " .. fault.message
  end
  return checked, lines, faults
end

describe("kaa.config", function()
  it("takes what the design shows, and adds no defaults", function()
    local checked, faults = check [[
return {
  url = "mqtts://mqtt.cloud.kaaiot.com:8883",
  app_version = "bspu542ikfmmfgrk47s0-v1",
  token_file = "/etc/kaalua/token",
  username = "u", password_file = "/etc/kaalua/password",
  tls = { ca_file = "a", cert_file = "b", key_file = "c" },
  handlers = { "/usr/share/kaalua/handlers", "/etc/kaalua/handlers" },
  state = "/var/lib/kaalua",
  settings = { ["switch-light"] = { pin = 17 }, reboot = { allow = true } },
  extensions = { cex = "cex2" }, metadata = false, id_reuse = "never", log_level = "debug", keepalive_s = 60.0,
  durability = "normal",
}]]
    assert.same({}, faults)
    assert.same({
      url = "mqtts://mqtt.cloud.kaaiot.com:8883", app_version = "bspu542ikfmmfgrk47s0-v1",
      token_file = "/etc/kaalua/token", username = "u", password_file = "/etc/kaalua/password",
      tls = { ca_file = "a", cert_file = "b", key_file = "c" },
      handlers = { "/usr/share/kaalua/handlers", "/etc/kaalua/handlers" }, state = "/var/lib/kaalua",
      settings = { ["switch-light"] = { pin = 17 }, reboot = { allow = true } },
      extensions = { cex = "cex2" }, metadata = false, id_reuse = "never", log_level = "debug", keepalive_s = 60,
      durability = "normal",
    }, checked)
    assert.same({}, (check "return {}"))
  end)

  it("makes a list of one directory", function()
    assert.same({ "/etc/kaalua/handlers" }, check('return { handlers = "/etc/kaalua/handlers" }').handlers)
  end)

  it("names each fault with its line and what would be right", function()
    local level = "expected 1 to 128 bytes of UTF-8 without / + # and control characters"
    local cases = {
      { 'tokenfile = "x"', 'tokenfile: unknown key, did you mean "token_file"?' },
      { "colour = 1", "colour: unknown key" },
      { "handler_user = 0", "handler_user: expected string of 1 to 64 characters, got 0" },
      { "url = 3", "url: expected string, got 3" },
      { 'url = "ftp://x"', "url: expected mqtt://HOST[:PORT], or mqtts, http, https" },
      { 'url = "localhost:1883"', "url: expected mqtt://HOST[:PORT], or mqtts, http, https" },
      { 'url = "mqtt://"', "url: expected mqtt://HOST[:PORT], or mqtts, http, https" },
      { 'url = "mqtt://a b"', "url: expected mqtt://HOST[:PORT], or mqtts, http, https" },
      { 'url = "mqtt://h:x"', "url: expected mqtt://HOST[:PORT], or mqtts, http, https" },
      { 'url = "mqtt://h:0"', "url: expected a port from 1 to 65535" },
      { 'url = "mqtt://h:65536"', "url: expected a port from 1 to 65535" },
      { 'url = "mqtt://u:p@h"', "url: a user name does not go here; use username and password_file" },
      { 'app_version = "a/b"', "app_version: " .. level },
      { 'token = ""', "token: " .. level },
      { 'token = ("x"):rep(129)', "token: " .. level },
      { 'token = "a+b"', "token: " .. level },
      { 'token = "a\\0b"', "token: " .. level },
      { 'token = "\\xff"', "token: " .. level },
      { "tokens = {}", "tokens: expected array of 1 to 1000000 elements" },
      { 'tokens = "x"', "tokens: expected array of 1 to 1000000 elements" },
      { 'tokens = { "a", "b#" }', "tokens[2]: " .. level },
      { 'tokens = { "a", "b", "a" }', "tokens[3]: is the same as tokens[1]" },
      { 'token = "a", token_file = "b"',
        "token_file: contradicts token; give one of token, tokens, token_file, tokens_file" },
      { 'tokens = { "a" }, tokens_file = "b"',
        "tokens_file: contradicts tokens; give one of token, tokens, token_file, tokens_file" },
      { 'password = "a", password_file = "b"', "password: not written here: put it into a file of "
        .. 'its own and name that, password_file = "…"' },
      { 'token_file = ""', 'token_file: expected string of 1 to 4096 characters, got ""' },
      { 'tls = { cert_file = "a" }', "tls.cert_file: needs key_file beside it" },
      { 'tls = { key_file = "a" }', "tls.key_file: needs cert_file beside it" },
      { 'tls = { cafile = "a" }', 'tls.cafile: unknown key, did you mean "ca_file"?' },
      { "tls = true", "tls: expected table, got true" },
      { "handlers = 3", 'handlers: expected a directory, or a list as in { "/etc/kaalua/handlers" }, got 3' },
      { "handlers = {}",
        'handlers: expected a directory, or a list as in { "/etc/kaalua/handlers" }, got an empty table' },
      { 'handlers = { "a", 3 }', "handlers[2]: expected string of 1 to 4096 characters, got 3" },
      { "settings = 3", "settings: expected table, got 3" },
      { 'settings = { ["a b"] = {} }', 'settings["a b"]: expected a command type: letters, digits, _ and -' },
      { 'ceiling = { all = { "wirte" } }',
        'ceiling.all[1]: unknown capability "wirte", did you mean "write"?' },
      { 'celing = {}', 'celing: unknown key, did you mean "ceiling"?' },
      { 'extensions = { cxe = "a" }', 'extensions.cxe: unknown key, did you mean "cex"?' },
      { 'extensions = { cex = "a/b" }', "extensions.cex: " .. level },
      { 'durability = "none"', 'durability: expected one of "full", "normal", got "none"' },
      { 'metadata = "no"', 'metadata: expected boolean, got "no"' },
      { 'id_reuse = "maybe"', 'id_reuse: expected one of "allow", "never", got "maybe"' },
      { 'log_level = "verbose"', 'log_level: expected one of "debug", "info", "warn", "error", got "verbose"' },
      { "keepalive_s = 4", "keepalive_s: expected integer from 5 to 65535, got 4" },
      { "keepalive_s = 60.5", "keepalive_s: expected integer from 5 to 65535, got 60.5" },
      { '"x"', "[1]: a value without a name, expected name = value" },
    }
    for _, case in ipairs(cases) do
      local checked, faults = check("return {\n  " .. case[1] .. ",\n}")
      assert.is_nil(checked)
      assert.same({ "2: " .. case[2] }, faults)
    end
  end)

  it("takes a ceiling", function()
    assert.same({ all = { write = true }, handlers = { reboot = { exec = { "/bin/x" } } } },
      (check 'return { ceiling = { all = { "write" }, handlers = { reboot = { exec = { "/bin/x" } } } } }')
        .ceiling)
  end)

  it("knows where settings and ceiling are written, and which lines hold a secret", function()
    local source = [[
return { token = "s3cret", ceiling = { all = {} },
  settings = { light = { pin = 1,
      taken = { 1,
        2, 3 } }, ["a-b"] = {},
    ["1x"] = 3 } }]]
    local _, _, places = config.check(load(source)(), source)
    assert.same({
      ceiling = { line = 1, column = 28, secret = true },
      ["ceiling.all"] = { line = 1, column = 40, secret = true },
      settings = { line = 2, column = 3 },
      ["settings.light"] = { line = 2, column = 16 },
      ["settings.light.pin"] = { line = 2, column = 26 },
      ["settings.light.taken"] = { line = 3, column = 7 },
      ["settings.light.taken[1]"] = nil,
      ["settings.light.taken[2]"] = { line = 4, column = 9 },
      ["settings.light.taken[3]"] = { line = 4, column = 12 },
      ["settings.a-b"] = { line = 4, column = 19 },
      ['settings["1x"]'] = { line = 5, column = 5 },
    }, places)
  end)

  it("keeps no more places than it can carry", function()
    local lines = {}
    for index = 1, 5000 do
      lines[index] = ("k%d = %d,"):format(index, index)
    end
    local source = "return { settings = { light = {\n" .. table.concat(lines, "\n") .. " } } }"
    local _, _, places = config.check(load(source)(), source)
    local count = 0
    for _ in pairs(places) do
      count = count + 1
    end
    assert.equal(1000, count)
  end)

  it("accepts urls of each scheme", function()
    for _, url in ipairs { "mqtt://h", "mqtts://h:8883", "mqtt://127.0.0.1:1883", "mqtt://[::1]:1883",
      "https://h/base/path", "http://h:8080", "mqtt://under_score.example" } do
      assert.same({ url = url }, (config.check { url = url }))
    end
  end)

  it("reports all faults together, by line", function()
    local _, faults = check "return {\n log_level = 3,\n url = 'x',\n tokn = 'y',\n password = 1 }"
    local lines = {}
    for index, fault in ipairs(faults) do
      lines[index] = fault:match "^%d+: %a+"
    end
    assert.same({ "2: log", "3: url", "4: tokn", "5: password" }, lines)
  end)

  it("shows no secret, and marks the lines that hold one", function()
    local sources = {
      'return {\n  token = "s3cret/" }', 'return {\n  tokens = { "ok",\n    "s3cret/" } }',
      'return {\n  tokn = "s3cret" }', 'return {\n  password = { "s3cret" } }', 'return {\n  token = { "s3cret" } }',
      'return {\n  tokens = "s3cret" }', 'return {\n  "s3cret" }', 'return {\n  url = "mqtt://u:s3cret@h" }',
      'return {\n  token = "s3cret", keepalive_s = 1 }', 'return {\n  password = "s3cret", password_file = "x" }',
      'return {\n  tokens = { "s3cret",\n    "s3cret" } }', 'return {\n  token = "s3cret", token_file = "x" }',
    }
    for _, source in ipairs(sources) do
      local _, lines, faults = check(source)
      assert.equal(1, #lines, source)
      assert.is_nil(lines[1]:find("s3cret", 1, true), lines[1])
      assert.is_true(faults[1].secret, source)
    end
    local _, _, faults = check 'return {\n  keepalive_s = 1 }'
    assert.is_nil(faults[1].secret)
  end)

  it("wants a table", function()
    for _, case in ipairs { { "return nil", "nothing" }, { "return 3", "3" }, { "return 'x'", '"x"' } } do
      local _, faults = check(case[1])
      assert.same({ "1: the file returned " .. case[2] .. '; write: return { url = "mqtts://…", … }' }, faults)
    end
  end)

  it("has keys that examples/operate/README.md names, and no others, and its example", function()
    local function read(path)
      local file <close> = assert(io.open(path))
      return file:read "a"
    end
    local page, documented, known = read "examples/operate/README.md", {}, {}
    for row in page:gmatch "\n| (`[^|]*) |" do
      for key in row:gmatch "`([%a_]+)`" do
        documented[#documented + 1] = key
      end
    end
    local fields = read("lua/kaa/config.lua"):match "\nlocal FIELDS = {\n(.-)\n}"
    for key in fields:gmatch "\n?  ([%a_]+) = [^\n]*" do
      known[#known + 1] = key
    end
    table.sort(documented)
    table.sort(known)
    assert.is_true(#known >= 20)
    assert.same(known, documented)
    local _, faults = check(page:match "\n```lua\n(.-)\n```\n")
    assert.same({}, faults)
  end)

  it("judges a long list on one line in little time", function()
    local tokens = {}
    for index = 1, 10000 do
      tokens[index] = ('"t%d"'):format(index % 5000)
    end
    local source = "return { url = 'x',\n handlers = '/h', tokens = { " .. table.concat(tokens, ", ")
      .. " } }"
    local start = os.clock()
    local checked, faults = config.check(load(source)(), source)
    assert.is_nil(checked)
    assert.equal(5001, #faults)
    assert.same({ 2, true }, { faults[5001].line, faults[5001].secret })
    assert.is_true(os.clock() - start < 2)
  end)
end)
