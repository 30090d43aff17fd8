local testing = require "kaa.testing"
local null = require("kaa.values").null

local LED = "/sys/devices/leds/led0/brightness"

describe("switch-light", function()
  local root

  local function put(path, text)
    assert(os.execute(("mkdir -p '%s%s'"):format(root, path:match "^(.*)/")))
    local file = assert(io.open(root .. path, "w"))
    file:write(text)
    file:close()
  end

  local function content(path)
    local file = io.open(root .. path)
    local text = file and file:read "a"
    return text, file and file:close()
  end

  local function light(settings)
    return testing.device("handlers/switch-light.lua", { settings = settings, root = root })
  end

  before_each(function()
    root = os.tmpname()
    os.remove(root)
    put(LED, "0")
    put("/sys/class/gpio/export", "")
    put("/sys/class/gpio/gpio17/direction", "in")
  end)

  after_each(function()
    os.execute(("rm -r '%s'"):format(root))
  end)

  it("switches a pin, and reports the state as metadata", function()
    local device = light { pin = 17 }
    assert.same({ 200, "OK", { light = "on" } }, { device:command { on = true } })
    assert.equal("high", (content "/sys/class/gpio/gpio17/direction"))
    assert.same({ light = "on" }, device.metadata)
    assert.same({ 200, "OK", { light = "off" } }, { device:command(false) })
    assert.equal("low", (content "/sys/class/gpio/gpio17/direction"))
    assert.same({ light = "off" }, device.metadata)
    assert.equal("", (content "/sys/class/gpio/export"))
  end)

  it("exports a pin that is not there", function()
    local status, reason = light({ pin = 5 }):command(true)
    assert.equal("5", (content "/sys/class/gpio/export"))
    assert.equal(500, status) -- no kernel here that makes its folder
    assert.matches("/sys/class/gpio/gpio5/direction: No such file or directory", reason, 1, true)
  end)

  it("knows a relay that is on when its pin is low", function()
    light({ pin = 17, inverted = true }):command(true)
    assert.equal("low", (content "/sys/class/gpio/gpio17/direction"))
  end)

  it("writes to the file of an LED", function()
    assert(os.execute(("mkdir -p '%s/sys/class/leds' && ln -s ../../devices/leds/led0 '%s/sys/class/leds'")
      :format(root, root)))
    local device = light { file = "/sys/class/leds/led0/brightness", on = "255" }
    assert.equal(200, (device:command { on = true }))
    assert.equal("255", (content(LED)))
    assert.equal(200, (device:command { on = false }))
    assert.equal("0", (content(LED)))
  end)

  it("reports no state where it could not switch", function()
    put("/sys/kernel/x", "")
    local device = light { file = "/sys/kernel/x" }
    local status, reason = device:command(true)
    assert.same({ 500, "/sys/kernel/x: outside the directories of needs.write" }, { status, reason })
    assert.same({}, device.metadata)
  end)

  it("answers 400 to what is no state, and writes nothing", function()
    for _, payload in ipairs { 1, "on", null, {}, { on = 1 }, { state = true } } do
      local status, reason = light({ pin = 17 }):command(payload)
      assert.same({ 400, 'on: expected true or false, as in { "on": true }' }, { status, reason })
    end
    assert.equal(400, (light({ pin = 17 }):command()))
    assert.equal("in", (content "/sys/class/gpio/gpio17/direction"))
  end)

  it("says what the configuration lacks", function()
    assert.same({ 503, "No light: set settings.switch-light.pin in the configuration" },
      { light({}):command(true) })
  end)
end)
