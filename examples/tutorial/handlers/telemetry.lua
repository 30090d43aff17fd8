-- telemetry.lua: a sample each three seconds, as the tutorial's client sends them
local tenths = {} -- of the fuel level, by endpoint

return {
  summary = "Simulated fuel level and temperature",
  every_s = 3,
  tick = function(endpoint)
    local level = tenths[endpoint] or 1000
    kaa.telemetry { fuelLevel = level / 10, temperature = math.random(95, 100) }
    tenths[endpoint] = level - 3 < 10 and 1000 or level - 3
  end,
}
