-- What is durable before what, read in a trace of the system calls.
package.path = "tests/fault/?.lua;tests/e2e/?.lua;" .. package.path
local loop = require "support.loop"
local soak = require "support.soak"
local traced = require "support.traced"
local uv = require "luv"
local world = require "support.world"

local CALLS = "read,readv,recvfrom,recvmsg,write,writev,sendto,sendmsg,pwrite64,fdatasync"
local IN = { read = true, readv = true, recvfrom = true, recvmsg = true }
local OUT = { write = true, writev = true, sendto = true, sendmsg = true }
local ID = 424242
local MARK = "done%-424242"

local HANDLER = [[return function(c)
  return 200, "OK", { answer = "done-" .. c.id }
end]]

local function threads_of(pid)
  local found, listing = {}, assert(uv.fs_scandir(("/proc/%d/task"):format(pid)))
  for name in function() return (uv.fs_scandir_next(listing)) end do
    found[tonumber(name)] = true
  end
  return found
end

-- The first call behind `line` of those kinds, by the host or by anybody, on such a
-- descriptor, that carries the text.
local function find(calls, line, kinds, threads, descriptor, pattern)
  for _, call in ipairs(calls) do
    if call.begins > line and kinds[call.name] and (not threads or threads[call.pid])
      and call.text:find(descriptor) and call.text:find(pattern) then
      return call
    end
  end
  error(("nothing in the trace behind line %d carries %s over %s"):format(line, pattern,
    descriptor), 2)
end

local function assert_durable_between(calls, first, last, what)
  local wrote
  for _, call in ipairs(calls) do
    if call.begins > first.ends and call.text:find "journal%.db%-wal>" then
      if call.name == "pwrite64" and call.begins < last.begins then
        wrote = call
      elseif call.name == "fdatasync" and wrote and call.ends and call.ends < last.begins
        and call.text:find "= 0$" then
        return
      end
    end
  end
  error(("%s: no pwrite64 and fdatasync of journal.db-wal between\n  %s\n  %s"):format(what,
    first.text, last.text), 2)
end

for _, wire in ipairs(world.WIRES) do
  describe("the order of system calls over " .. wire, function()
    after_each(world.clear)

    local why = soak.obstacle { programs = { traced.STRACE } }
    if why then
      pending("is right: " .. why)
      return
    end

    it("makes a command durable before its handler has it, a result before it is sent", function()
      local platform, url
      if wire == "http" then
        platform = world.http_platform()
        url = platform:url()
      else
        local broker = world.broker()
        platform, url = world.platform(broker.port), "mqtt://127.0.0.1:" .. broker.port
      end
      local agent = world.agent { url = url, handlers = { echo = HANDLER },
        config = "return { poll_s = 0.1 }" }
      local path = agent.folder .. "/trace"
      traced.start(agent, { calls = CALLS, output = path })
      agent:await_connected(nil, 20)
      platform:call("echo", 1) -- from here on a worker is there
      loop.await("the first command's confirmation to be stored", function()
        return #traced.read(path) > 0 and agent:await_worker()
      end)
      local threads = threads_of(agent.process.pid)
      platform:call("echo", ID)
      agent:stop()

      local calls = traced.read(path)
      local received = find(calls, 0, IN, nil, "<TCP", tostring(ID))
      local handed = find(calls, received.ends, OUT, threads, "<UNIX", tostring(ID))
      local finished = find(calls, handed.begins, IN, threads, "<UNIX", MARK)
      local sent = find(calls, finished.ends, OUT, nil, "<TCP", MARK)
      assert_durable_between(calls, received, handed, "received → handed out")
      assert_durable_between(calls, finished, sent, "finished → reported")
    end)
  end)
end
