-- reboot.lua: simulated, as in the tutorial: it answers and reboots nothing
return function()
  return 200, "OK", "Success"
end
