local testing = require "kaa.testing"

local DEVICE = "/sys/devices/platform/soc/gpiochip0/gpio/gpio17"

describe("close-door", function()
  local root

  local function shell(command, ...)
    assert(os.execute(command:format(...)))
  end

  local function content(path)
    local file <close> = assert(io.open(root .. path))
    return file:read "a"
  end

  local function direction()
    return content "/sys/class/gpio/gpio17/direction"
  end

  --- A device whose /sys is a folder of the test's, laid out as the kernel does.
  local function door(settings)
    return testing.device("handlers/close-door.lua", { root = root, settings = settings })
  end

  --- A command whose agent is killed while the motor runs.
  local function killed(device)
    device.kaa.sleep = coroutine.yield
    coroutine.wrap(device.command)(device)
  end

  before_each(function()
    root = os.tmpname()
    assert(os.remove(root))
    shell("mkdir -p '%s%s' '%s/sys/class/gpio'", root, DEVICE, root)
    shell("ln -s ../../..%s '%s/sys/class/gpio/gpio17'", DEVICE, root)
    shell("printf in >'%s%s/direction'; : >'%s/sys/class/gpio/export'", root, DEVICE, root)
  end)

  after_each(function()
    shell("rm -r '%s'", root)
  end)

  it("runs the motor for its time and stops it", function()
    local device, seen = door(), {}
    device.kaa.sleep = function(seconds)
      seen[#seen + 1] = { seconds, direction() }
    end
    assert.same({ 200, "Closed" }, { device:command() })
    assert.same({ { 3, "high" } }, seen)
    assert.equal("low", direction())
    assert.equal("", content "/sys/class/gpio/export")
  end)

  it("stops the motor where an error ends the command", function()
    local device = door()
    device.kaa.sleep = function()
      assert.equal("high", direction())
      error "out of memory"
    end
    assert.equal(500, (device:command()))
    assert.equal("low", direction())
  end)

  it("stops the motor of a command whose agent was killed", function()
    local device = door()
    killed(device)
    assert.equal("high", direction())
    assert.same({ 500, "Interrupted: the door may stand half closed" }, { device:resume() })
    assert.equal("low", direction())
  end)

  it("stops the motor that ran, also where the settings name another since", function()
    local device = door()
    killed(device)
    device.kaa.settings = { pin = 4, seconds = 3 }
    assert.equal(500, (device:resume()))
    assert.equal("low", direction())
  end)

  it("does not move for a command that the device has had for too long", function()
    assert.same({ 410, "Expired: 10.5 s old" }, { door():command(nil, { age_s = 10.5 }) })
    assert.equal("in", direction())
    assert.equal(200, (door():command(nil, { age_s = 10 })))
  end)

  it("exports a pin that is not there", function()
    local status, reason = door({ pin = 4 }):command()
    assert.equal("4", content "/sys/class/gpio/export")
    assert.equal(500, status) -- no kernel here that makes its folder
    assert.matches("/sys/class/gpio/gpio4/direction: No such file or directory", reason, 1, true)
  end)

  it("takes no time that comes near its limit", function()
    assert.has_error(function()
      door { seconds = 9 }
    end)
  end)
end)
