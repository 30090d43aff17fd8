-- zero.lua: reports zeros as telemetry, as in the tutorial
return function()
  kaa.telemetry { fuelLevel = 0, temperature = 0 }
  return 200, "OK"
end
