-- handlers/switch-light.lua: switches a light, and reports its state as metadata
--
-- The payload is { "on": true }, or true. The configuration says where the light is,
-- a GPIO pin (by its number in sysfs, 529 for GPIO 17 of a Raspberry Pi with a recent
-- kernel), or the file of an LED or a relay:
--
--   settings = { ["switch-light"] = { pin = 529 } }
--   settings = { ["switch-light"] = { file = "/sys/class/leds/led0/brightness" } }
--
-- The agent's user must be allowed to write there: on Debian, the group gpio.

local GPIO = "/sys/class/gpio/"

local function wanted(payload)
  if type(payload) == "table" then
    payload = payload.on
  end
  if type(payload) ~= "boolean" then
    kaa.fail(400, 'on: expected true or false, as in { "on": true }')
  end
  return payload
end

local function write(path, text)
  local file = assert(io.open(path, "w"))
  assert(file:write(text))
  assert(file:close()) -- what the driver refuses shows here
end

local function exists(path)
  local file = io.open(path)
  return file and file:close()
end

--- Writing the level to `direction` makes the pin an output without a flicker.
local function set_pin(pin, level)
  local direction = GPIO .. "gpio" .. pin .. "/direction"
  if not exists(direction) then
    write(GPIO .. "export", pin)
    for _ = 1, 20 do -- udev gives the new pin to the group gpio a little later
      local file = io.open(direction, "r+")
      if file then
        file:close()
        break
      end
      kaa.sleep(0.05)
    end
  end
  write(direction, level and "high" or "low")
end

return {
  summary = "Switch a light",
  needs = { write = { "/sys/class/gpio", "/sys/devices" } }, -- where the links in /sys/class lead
  settings = {
    pin = { type = "integer", min = 0, summary = "number of the GPIO in /sys/class/gpio" },
    file = { type = "string", pattern = "^/sys/", summary = "in place of a pin" },
    on = { type = "string", default = "1", summary = "what is written to the file" },
    off = { type = "string", default = "0" },
    inverted = { type = "boolean", default = false, summary = "the pin is low when the light is on" },
  },
  timeout_s = 5,
  run = function(command)
    local settings, on = kaa.settings, wanted(command.payload)
    if settings.file then
      write(settings.file, on and settings.on or settings.off)
    elseif settings.pin then
      set_pin(settings.pin, on ~= settings.inverted)
    else
      return 503, "No light: set settings.switch-light.pin in the configuration"
    end
    local state = { light = on and "on" or "off" }
    kaa.metadata(state)
    return 200, "OK", state
  end,
}
