-- What a handler does not reach through the real agent: the agent's own process, its
-- files by way of a name or a folder, and memory past its limit.
package.path = "tests/e2e/?.lua;" .. package.path
local cjson = require "cjson"
local world = require "support.world"

--- What `kaalua call` prints for one handler; its payload is the folder that the
--- directory of handlers lies in.
local function call(source)
  local above = world.folder_for "sandbox"
  local path = world.folder.make(above .. "/handlers")
  world.folder.write(path .. "/probe.lua", source)
  local arguments = { "call", "--handlers", path, "probe", cjson.encode(above) }
  local _, out, err = world.process.run(world.Agent.program, arguments, nil, 20)
  return out, err, above
end

describe("a handler", function()
  after_each(world.clear)

  it("reads nothing of the agent's process", function()
    local out = call [[
return { needs = { "write" }, run = function()
  local function parent(id)
    return io.open("/proc/" .. id .. "/stat"):read("a"):match "%) %a (%d+)"
  end
  local leader = parent "self"
  local said = {}
  for _, name in ipairs { "environ", "cmdline", "mem", "maps", "fd/3", "root/proc/1/environ" } do
    for _, mode in ipairs { "r", "r+" } do
      local file, _, errno = io.open(("/proc/%s/%s"):format(leader, name), mode)
      said[#said + 1] = (file or errno ~= 13) and name or nil
    end
  end
  return 200, "OK", { #said, pcall(parent, leader) }
end }]]
    assert.matches("^200 OK\n%[0,false,", out)
  end)

  it("leaves what it wrote, and the folder of the handlers where it is", function()
    local out, err, above = call [[
return { needs = { "write" }, run = function(command)
  local at = command.payload
  io.open(at .. "/data", "w"):write "all of it"
  local _, message = os.rename(at, at .. ".moved")
  return 200, (message:gsub("^.*: ", ""))
end }]]
    assert.are.equal("200 never written by handlers\n", out, err)
    assert.are.equal("all of it", world.folder.read(above .. "/data"))
  end)

  it("has no more memory for JSON than for all else", function()
    local out = call [[
return function()
  return 200, "OK", #kaa.json.decode("[" .. ("{},"):rep(2500000) .. "1]")
end]]
    assert.are.equal("500 Out of memory (limit 32 MiB) at probe.lua:2\n", out)
  end)
end)
