-- handlers/download.lua: fetches a file, and keeps it only where it is the right one
--
-- The payload names it: { "url": "https://…", "sha256": "…", "name": "model.bin" }. What lay
-- under that name before stays until the new file is complete.

return {
  summary = "Download a file",
  needs = { net = true, write = { "/var/tmp" } },
  timeout_s = 900,
  settings = {
    folder = { type = "string", default = "/var/tmp", summary = "where files go, below /var/tmp" },
  },
  params = {
    url = { type = "string", required = true, summary = "https:// or http://" },
    sha256 = { type = "string", pattern = "^%x+$", length = { 64, 64 }, required = true },
    name = { type = "string", pattern = "^%w[%w._-]*$", length = 100, required = true },
  },
  run = function(command)
    local wanted = command.payload
    local path = kaa.settings.folder .. "/" .. wanted.name
    local response, message = kaa.http { url = wanted.url, sha256 = wanted.sha256, file = path }
    if not response then
      return 502, message
    end
    return 200, "OK", { path = path, size = response.size }
  end,
}
