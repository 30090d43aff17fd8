local testing = require "kaa.testing"

local URL = "https://example.org/model.bin"
local SHA256 = "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03" -- of "hello\n"
local WANTED = { url = URL, sha256 = SHA256, name = "model.bin" }

describe("download", function()
  local root

  before_each(function()
    root = os.tmpname()
    os.remove(root)
    assert(os.execute(("mkdir -p '%s/var/tmp'"):format(root)))
  end)

  after_each(function()
    os.execute(("rm -r '%s'"):format(root))
  end)

  local function device_that_gets(answer)
    return testing.device("handlers/download.lua",
      { root = root, http = { ["GET " .. URL] = answer } })
  end

  local function kept()
    local file = io.open(root .. "/var/tmp/model.bin")
    return file and file:read "a", file and file:close()
  end

  it("keeps the file that was meant", function()
    local device = device_that_gets { body = "hello\n" }
    assert.same({ 200, "OK", { path = "/var/tmp/model.bin", size = 6 } },
      { device:command(WANTED) })
    assert.equal("hello\n", (kept()))
    assert.equal(SHA256, device.requested[1].sha256)
  end)

  it("keeps no other", function()
    local status, reason = device_that_gets({ body = "hullo\n" }):command(WANTED)
    assert.equal(502, status)
    assert.matches("^GET https://example.org/model.bin: its sha256 is %x+, expected 5891", reason)
    assert.is_nil((kept()))
  end)

  it("says what the server said", function()
    local device = device_that_gets { status = 404, phrase = "Not Found", body = "no such file" }
    assert.same({ 502, "GET https://example.org/model.bin answered 404 Not Found" },
      { device:command(WANTED) })
    assert.is_nil((kept()))
  end)

  it("writes nowhere but below its folder", function()
    local device = device_that_gets { body = "" }
    for _, name in ipairs { "../x", "a/b", ".x", "" } do
      local status, reason = device:command { url = URL, sha256 = SHA256, name = name }
      assert.equal(400, status, name)
      assert.matches("^name: ", reason)
    end
    assert.same({}, device.requested)
  end)
end)
