-- handlers/close-door.lua: closes a door, unless the command is too old to be meant
--
-- max_age_s counts from when the device got the command for the first time: no door
-- moves late because the agent was down or busy. How long it waits on the platform
-- before that only the platform knows: give the command a short retention there.
--
-- The motor stops where the command ends, with an error too. Where the agent is killed
-- in between, resume stops it, as soon as the agent runs again; the wiring has to bear
-- a motor that runs until then. pin is the number in sysfs, see switch-light.lua.

local GPIO = "/sys/class/gpio/"

local function write(path, text)
  local file = assert(io.open(path, "w"))
  assert(file:write(text))
  assert(file:close()) -- what the driver refuses shows here
end

local function direction_of(pin)
  return GPIO .. "gpio" .. pin .. "/direction"
end

local function opens(path, mode)
  local file = io.open(path, mode)
  return file and file:close()
end

local function export(pin)
  if opens(direction_of(pin), "r") then
    return
  end
  write(GPIO .. "export", pin)
  for _ = 1, 20 do -- udev gives the new pin to the group gpio a little later
    if opens(direction_of(pin), "r+") then
      return
    end
    kaa.sleep(0.05)
  end
end

--- Writing the level to `direction` makes the pin an output, too.
local function set_motor(pin, is_on)
  write(direction_of(pin), is_on and "high" or "low")
end

return {
  summary = "Close the door",
  max_age_s = 10,
  timeout_s = 60, -- far above `seconds`: at a time limit nothing stops the motor
  needs = { write = { "/sys/class/gpio", "/sys/devices" } }, -- where the links in /sys/class lead
  settings = {
    pin = { type = "integer", min = 0, default = 17, summary = "of the motor" },
    seconds = { type = "number", min = 0.1, max = 8, default = 3, summary = "how long it runs" },
  },
  run = function()
    local pin = kaa.settings.pin
    export(pin)
    assert(kaa.checkpoint { pin = pin }) -- from here on resume knows what to stop
    local motor <close> = setmetatable({}, {
      __close = function()
        set_motor(pin, false)
      end,
    })
    set_motor(pin, true)
    kaa.sleep(kaa.settings.seconds)
    return 200, "Closed"
  end,
  resume = function(_, saved)
    export(saved.pin) -- not there after a restart of the device
    set_motor(saved.pin, false)
    return 500, "Interrupted: the door may stand half closed"
  end,
}
