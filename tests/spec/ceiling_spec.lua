local ceiling = require "kaa.ceiling"
local needs = require "kaa.needs"
local text = require "kaa.text"

--- The faults of needs that a limit does not allow, as "path: message".
local function judge(written, limit)
  local faults = {}
  local function add(path, message)
    faults[#faults + 1] = text.path(path) .. ": " .. message
  end
  local granted, places = needs.check(written, add)
  assert.same({}, faults)
  ceiling.judge(granted, places, limit, add)
  return faults
end

local function read(written)
  local faults = {}
  local limits = ceiling.read(written, function(path, message)
    faults[#faults + 1] = text.path(path) .. ": " .. message
  end)
  return limits, faults
end

describe("kaa.ceiling.judge", function()
  it("lets pass what lies within", function()
    local cases = {
      { { "write", exec = { "/bin/x" } } }, { { "write" }, true }, { {}, {} }, { nil, {} },
      { { "write" }, { "write", "exec" } },
      { { "write" }, { write = true } },
      { { exec = { "/bin/x" } }, { "exec" } },
      { { exec = { "/bin/x" } }, { exec = { "/bin/y", "/bin/x" } } },
      { { write = { "/var/tmp" } }, { write = { "/var/tmp" } } },
      { { write = { "/var/tmp/x/y", "/srv" } }, { write = { "/srv/", "/var/tmp" } } },
      { { write = { "/a" } }, { write = { "/" } } },
      { { net = { "a.b.org", "*.c.b.org", "x.d.org:1" } }, { net = { "*.b.org", "*.d.org:1" } } },
      { { native = { "periphery" }, net = { "a.org" } }, { native = { "periphery" }, net = { "a.org" } } },
    }
    for index, case in ipairs(cases) do
      assert.same({}, judge(case[1], case[2]), "case " .. index)
    end
  end)

  it("says what is more, and what to write", function()
    local allows = " is more than the configuration allows"
    local cases = {
      { { "net" }, {}, '[1]: "net"' .. allows .. " (nothing)" },
      { { exec = { "/bin/x" } }, { "write", native = { "a" } },
        'exec: "exec"' .. allows .. ' (native = { "a" }, write)' },
      { { "exec" }, { exec = { "/bin/x", "/bin/y" } },
        '[1]: "exec"' .. allows .. '; write: exec = { "/bin/x", "/bin/y" }' },
      { { exec = true }, { exec = { "/bin/x" } },
        'exec: "exec"' .. allows .. '; write: exec = { "/bin/x" }' },
      { { exec = { "/bin/x", "/bin/sh" } }, { exec = { "/bin/x" } },
        'exec[2]: "/bin/sh"' .. allows .. ' (exec = { "/bin/x" })' },
      { { exec = { "/bin/x/y" } }, { exec = { "/bin/x" } }, -- only directories hold what is beneath
        'exec[1]: "/bin/x/y"' .. allows .. ' (exec = { "/bin/x" })' },
      { { write = { "/var" } }, { write = { "/var/tmp" } },
        'write[1]: "/var"' .. allows .. ' (write = { "/var/tmp" })' },
      { { write = { "/var/tmpfile" } }, { write = { "/var/tmp" } },
        'write[1]: "/var/tmpfile"' .. allows .. ' (write = { "/var/tmp" })' },
      { { write = { "/" } }, { write = { "/var/tmp" } },
        'write[1]: "/"' .. allows .. ' (write = { "/var/tmp" })' },
      { { net = { "b.org" } }, { net = { "a.org" } },
        'net[1]: "b.org"' .. allows .. ' (net = { "a.org" })' },
      { { net = { "b.org" } }, { net = { "*.b.org" } },
        'net[1]: "b.org"' .. allows .. ' (net = { "*.b.org" })' },
      { { net = { "*.org" } }, { net = { "*.b.org" } },
        'net[1]: "*.org"' .. allows .. ' (net = { "*.b.org" })' },
      { { net = { "xb.org" } }, { net = { "*.b.org" } },
        'net[1]: "xb.org"' .. allows .. ' (net = { "*.b.org" })' },
      { { net = { "x.b.org:8443" } }, { net = { "*.b.org" } },
        'net[1]: "x.b.org:8443"' .. allows .. ' (net = { "*.b.org" })' },
    }
    for _, case in ipairs(cases) do
      assert.same({ case[3] }, judge(case[1], case[2]))
    end
  end)

  it("finds all that is more at once", function()
    assert.equal(3, #judge({ "net", exec = { "/a", "/b" } }, { exec = { "/c" } }))
  end)
end)

describe("kaa.ceiling.read", function()
  it("takes a limit for all, and for some", function()
    local limits, faults = read {
      all = { "write", exec = { "/bin/x/" } },
      handlers = { reboot = { exec = { "/bin/y" } }, ["switch-light"] = {}, flash = true },
    }
    assert.same({}, faults)
    assert.same({
      all = { write = true, exec = { "/bin/x" } },
      handlers = { reboot = { exec = { "/bin/y" } }, ["switch-light"] = {}, flash = true },
    }, limits)
    assert.same({ handlers = {} }, (read {}))
    assert.same({ all = true, handlers = {} }, (read { all = true }))
  end)

  it("says what is wrong, and what would be right", function()
    local one = "ceiling.handlers.reboot"
    local whole = "a ceiling is for all handlers or for some; write: ceiling = { all = { "
    local cases = {
      { 3, "ceiling: expected a table, as in ceiling = "
        .. '{ all = { "write" }, handlers = { reboot = { "exec" } } }, got 3' },
      { { "write" }, "ceiling[1]: " .. whole .. '"write" } }' },
      { { exec = { "/bin/x" } }, "ceiling.exec: " .. whole .. "exec = … } }" },
      { { handler = {} }, 'ceiling.handler: unknown key, did you mean "handlers"?' },
      { { reboot = { "exec" } }, "ceiling.reboot: unknown key, known: all, handlers; "
        .. "of one handler: handlers = { reboot = … }" },
      { { all = { "wirte" } }, 'ceiling.all[1]: unknown capability "wirte", did you mean "write"?' },
      { { all = "write" }, 'ceiling.all: expected a list, as in all = { "write" }, got "write"' },
      { { all = { exec = { "x" } } },
        'ceiling.all.exec[1]: expected an absolute path without ".." in it, got "x"' },
      { { all = { "exec", exec = { "/x" } } }, 'ceiling.all.exec: names "exec" twice' },
      { { handlers = 3 }, 'ceiling.handlers: expected what each may need, as in handlers = '
        .. '{ reboot = { "exec" } }, got 3' },
      { { handlers = { reboot = { exec = false } } },
        one .. '.exec: expected true or a list, as in exec = { "/usr/bin/systemctl" }, got false' },
      { { handlers = { reboot = "exec" } },
        one .. ': expected a list, as in reboot = { "exec" }, got "exec"' },
      { { handlers = { ["a b"] = {} } },
        'ceiling.handlers["a b"]: expected a command type: letters, digits, _ and -' },
      { { handlers = { "reboot" } },
        "ceiling.handlers[1]: expected a command type: letters, digits, _ and -" },
    }
    for _, case in ipairs(cases) do
      assert.same({ case[2] }, (select(2, read(case[1]))))
    end
  end)
end)
