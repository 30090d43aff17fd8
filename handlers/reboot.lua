-- handlers/reboot.lua: reboots the device, and answers once it is back
--
-- The command waits for the kernel to be another one's start. Where the reboot does
-- not come within 15 minutes, the answer is 504. BusyBox: command = { "/sbin/reboot" };
-- systemd-less images with sysvinit: command = { "/sbin/shutdown", "-r", "now" }.
--
-- Where the agent does not run as root, its user must be allowed to reboot: by a polkit
-- rule for org.freedesktop.login1.reboot; or, without polkit, by a NOPASSWD line of
-- sudoers, "/usr/bin/sudo" in needs.exec, command = { "/usr/bin/sudo", "-n", "/sbin/reboot" }.
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
      default = { "/usr/bin/systemctl", "reboot" },
    },
    within_s = { type = "integer", min = 10, max = 86400, default = 900 },
  },
  run = function()
    if not kaa.settings.allow then
      return 403, "Rebooting is off: set settings.reboot.allow in the configuration"
    end
    assert(kaa.resume_after("reboot", nil, { within_s = kaa.settings.within_s }))
    assert(kaa.exec(kaa.settings.command))
  end,
  resume = function(_, _, away)
    return 200, "OK", { away_s = away.s }
  end,
}
