local needs = require "kaa.needs"
local text = require "kaa.text"

local function check(written, key)
  local faults = {}
  local granted, places = needs.check(written, function(path, message)
    faults[#faults + 1] = text.path(path) .. ": " .. message
  end, key)
  return granted, faults, places
end

describe("kaa.needs", function()
  it("grants what is listed, or narrowed", function()
    local cases = {
      { nil, {} },
      { {}, {} },
      { { "write" }, { write = true } },
      { { "exec", "write", "net", "native" }, { exec = true, write = true, net = true, native = true } },
      { { exec = true }, { exec = true } },
      { { exec = { "/usr/bin/systemctl" } }, { exec = { "/usr/bin/systemctl" } } },
      { { "write", exec = { "/bin/x" }, net = { "example.org" }, native = { "periphery" } },
        { write = true, exec = { "/bin/x" }, net = { "example.org" }, native = { "periphery" } } },
      { { net = { "example.org:8443", "*.example.org:1", "[::1]:80", "[::1]", "127.0.0.1" } },
        { net = { "example.org:8443", "*.example.org:1", "[::1]:80", "[::1]", "127.0.0.1" } } },
      { { write = { "/var/tmp/", "/", "/a/..b/c." } }, { write = { "/var/tmp", "/", "/a/..b/c." } } },
    }
    for index, case in ipairs(cases) do
      local granted, faults = check(case[1])
      assert.same({}, faults, "case " .. index)
      assert.same(case[2], granted, "case " .. index)
    end
  end)

  it("says what would be right", function()
    local path = 'expected an absolute path without ".." in it, got '
    local exec = 'needs_exec: expected true or a list, as in exec = { "/usr/bin/systemctl" }, got '
    local server =
      'expected a host as in "example.org", "example.org:8443" or "*.example.org", got '
    local cases = {
      { "exec", ': expected a list, as in needs = { "exec" }, got "exec"' },
      { "x", ': expected a list, as in needs = { "write" }, got "x"' },
      { true, ': expected a list, as in needs = { "write" }, got true' },
      { { "wirte" }, '[1]: unknown capability "wirte", did you mean "write"?' },
      { { "root" }, '[1]: unknown capability "root", known: exec, native, net, write' },
      { { 3 }, "[1]: unknown capability 3, known: exec, native, net, write" },
      { { exce = true }, 'exce: unknown capability "exce", did you mean "exec"?' },
      { { exec = "/bin/x" }, exec:gsub("needs_", "") .. '"/bin/x"' },
      { { exec = false }, exec:gsub("needs_", "") .. "false" },
      { { exec = {} }, exec:gsub("needs_", "") .. "an empty table" },
      { { exec = { a = "/bin/x" } }, exec:gsub("needs_", "") .. "a table" },
      { { exec = { "x" } }, "exec[1]: " .. path .. '"x"' },
      { { exec = { "/bin/x", "/bin/../x" } }, "exec[2]: " .. path .. '"/bin/../x"' },
      { { write = { "/a/./b" } }, "write[1]: " .. path .. '"/a/./b"' },
      { { write = { "/a//b" } }, "write[1]: " .. path .. '"/a//b"' },
      { { write = { "/.." } }, "write[1]: " .. path .. '"/.."' },
      { { write = { "/a\0b" } }, "write[1]: " .. path .. '"/a b"' },
      { { write = { "" } }, "write[1]: " .. path .. '""' },
      { { write = { 3 } }, "write[1]: " .. path .. "3" },
      { { net = { "" } }, "net[1]: " .. server .. '""' },
      { { net = { "a.b", "https://a.b" } }, "net[2]: " .. server .. '"https://a.b"' },
      { { net = { "a.b/c" } }, "net[1]: " .. server .. '"a.b/c"' },
      { { net = { "a.b:0" } }, "net[1]: " .. server .. '"a.b:0"' },
      { { net = { "a.b:65536" } }, "net[1]: " .. server .. '"a.b:65536"' },
      { { net = { "a.*" } }, "net[1]: " .. server .. '"a.*"' },
      { { net = { "*" } }, "net[1]: " .. server .. '"*"' },
      { { net = { "me@a.b" } }, "net[1]: " .. server .. '"me@a.b"' },
      { { "exec", "exec" }, '[2]: names "exec" twice' },
      { { "exec", exec = { "/bin/x" } }, 'exec: names "exec" twice' },
    }
    for _, case in ipairs(cases) do
      local _, faults = check(case[1])
      assert.same({ case[2] }, faults)
    end
  end)

  it("knows where each is written, and by what name", function()
    assert.same({ write = 1, exec = "exec" }, (select(3, check { "write", exec = { "/bin/x" } })))
    assert.same({ ': expected a list, as in all = { "exec" }, got "exec"' },
      (select(2, check("exec", "all"))))
  end)

  it("writes a capability as it would be written", function()
    assert.equal('"exec"', needs.written("exec", true))
    assert.equal('write = { "/a", "/b" }', needs.written("write", { "/a", "/b" }))
    assert.equal('write = { "/a", "/b", "/c", … }', needs.written("write", { "/a", "/b", "/c", "/d" }))
  end)
end)
