-- Attacks by way of files and paths, tried one by one in the real agent.
package.path = "tests/e2e/?.lua;" .. package.path
local uv = require "luv"
local cjson = require "cjson"
local escape = require "support.escape"
local world = require "support.world"
local rows = require "escapes.files"

describe("a handler does not reach", escape.tries(rows))

describe("a handlers directory that is named by a link", function()
  after_each(world.clear)

  local WRITER = [[
return { needs = { "write" }, run = function(command)
  local written = {}
  for _, path in ipairs(command.payload) do
    written[#written + 1] = io.open(path .. "/new.lua", "w") and path
  end
  written[#written + 1] = os.rename(command.payload[1], command.payload[1] .. "-moved") and "moved"
  return 200, "OK", kaa.array(written)
end }]]

  it("is not written, nor the link, wherever that is led", function()
    local broker = world.broker()
    local platform = world.platform(broker.port)
    local agent = world.agent { url = "mqtt://127.0.0.1:" .. broker.port, handlers = { writer = WRITER } }
    local served, first, second = agent.handlers, agent.folder .. "/first", agent.folder .. "/second"
    assert(os.rename(served, first))
    assert(os.execute(("cp -r %s %s"):format(first, second)))
    assert(uv.fs_symlink(first, served))
    agent:start():await_connected()
    local paths = cjson.encode { served, first, second }
    assert.are.same({ second }, platform:call("writer", 1, paths).payload)
    assert(os.remove(second .. "/new.lua"))
    assert(uv.fs_symlink(second, served .. ".next"))
    assert(os.rename(served .. ".next", served))
    for _, path in ipairs(platform:call("writer", 2, paths).payload) do
      assert.are.equal(first, path)
    end
    assert.is_nil(world.folder.read(second .. "/new.lua"))
  end)
end)
