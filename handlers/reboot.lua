-- handlers/reboot.lua: answers, then the device reboots
--
-- The command must leave the answer time to get out. The default has systemd reboot
-- in a minute, and says why it cannot. BusyBox: command = { "/sbin/reboot", "-d", "5" },
-- detach = true. sysvinit: detach = true. systemd 254 and later can be quicker:
-- command = { "/usr/bin/systemctl", "reboot", "--when=+5s" }.
return {
  summary = "Reboot the device",
  needs = {
    exec = { "/usr/sbin/shutdown", "/sbin/shutdown", "/usr/sbin/reboot", "/sbin/reboot",
      "/usr/bin/systemctl" },
  },
  settings = {
    allow = { type = "boolean", default = false },
    command = {
      type = "array",
      items = { type = "string" },
      length = { 1, 8 },
      default = { "/usr/sbin/shutdown", "-r", "+1" },
    },
    detach = { type = "boolean", default = false, summary = "the command waits by itself" },
  },
  run = function()
    if not kaa.settings.allow then
      return 403, "Rebooting is off: set settings.reboot.allow in the configuration"
    end
    local started, message = kaa.exec(kaa.settings.command, { detach = kaa.settings.detach })
    if not started then
      return nil, message
    end
    return 200, "OK", "Rebooting"
  end,
}
