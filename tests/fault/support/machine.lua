-- A machine for the agent, made of a mount namespace that outlives the agent: with a
-- boot id of its own, and, where wanted, a small file system for the state. All of it is
-- gone when the process that holds the namespace ends. Needs root.
--
--   local machine = Machine.create(agent, { state = "tmpfs" })
--   machine:start(agent)
--   agent.process:kill "sigkill"; machine:reboot(); machine:start(agent)
local folder = require "support.folder"
local loop = require "support.loop"
local process = require "support.process"
local uv = require "luv"
local world = require "support.world"

local machine = {}
machine.__index = machine

machine.PROGRAMS = { "/usr/bin/unshare", "/usr/bin/nsenter", "/usr/bin/mount" }

local HOLD = [[
mount --bind "$1" /proc/sys/kernel/random/boot_id || exit
case $3 in
tmpfs) mount -t tmpfs -o size="$4",mode=700 none "$2" ;;
ext4) truncate -s "$4" "$5" && /usr/sbin/mkfs.ext4 -q -F "$5" && mount -o loop "$5" "$2" && chmod 700 "$2" ;;
esac || exit
echo ready
exec sleep 86400
]]

local function new_boot_id()
  return ("%08x-0000-4000-8000-%012x\n"):format(math.random(0, 0x7fffffff), math.random(0, 0x7fffffff))
end

--- Makes it for an agent's state.
---@param agent table
---@param options {state: "tmpfs"|"ext4"|nil, size: string?}?
function machine.create(agent, options)
  options = options or {}
  local self = setmetatable({ boot_id = agent.folder .. "/boot_id" }, machine)
  folder.write(self.boot_id, new_boot_id())
  folder.make(agent.state)
  assert(uv.fs_chmod(agent.state, tonumber("700", 8)))
  self.state = agent.state
  self.holder = world.run("/usr/bin/unshare", { "-m", "/bin/sh", "-c", HOLD, "sh", self.boot_id,
    agent.state, options.state or "none", options.size or "3m", agent.folder .. "/disk" })
  loop.await("the machine to be ready", function()
    if self.holder.ended then
      error("no machine: " .. self.holder.stderr, 0)
    end
    return self.holder.stdout:find "ready"
  end)
  return self
end

--- Starts the agent in it, like agent:start().
function machine:start(agent)
  local arguments = { "-t", tostring(self.holder.pid), "-m", agent.program }
  for _, each in ipairs(agent.arguments) do
    arguments[#arguments + 1] = each
  end
  agent.process = process.start("/usr/bin/nsenter", arguments, { env = agent.options.env })
  agent.expects_failure = false
  return agent
end

--- From now on the kernel has another boot id.
function machine:reboot()
  folder.write(self.boot_id, new_boot_id())
end

--- The path, from outside, of a file in the state.
function machine:path(name)
  return ("/proc/%d/root%s/%s"):format(self.holder.pid, self.state, name)
end

--- Mounts the state's file system anew: "ro", "rw"; "abort": ext4 gives up, as it does
--- after an error of the disk, whoever writes at the moment. "ro" waits for who does.
function machine:remount(how)
  loop.await(("the state to be mounted %s"):format(how), function()
    return process.run("/usr/bin/nsenter", { "-t", tostring(self.holder.pid), "-m",
      "/usr/bin/mount", "-o", "remount," .. how, self.state }) == 0
  end)
end

--- Gives a folder of the state a small file system of its own.
function machine:mount(name, size)
  assert(process.run("/usr/bin/nsenter", { "-t", tostring(self.holder.pid), "-m", "/usr/bin/mount",
    "-t", "tmpfs", "-o", "mode=700,size=" .. size, "none", self.state .. "/" .. name }) == 0)
end

--- Fills the state's file system, or that of a folder in it, to the last byte.
---@param name string? of the folder
function machine:fill(name)
  local file, size = assert(io.open(self:path((name or ".") .. "/fill"), "ab")), 65536
  file:setvbuf "no"
  while size >= 1 do
    if not file:write(("x"):rep(size)) then
      size = size // 2
    end
  end
  file:close()
end

function machine:free(name)
  assert(os.remove(self:path((name or ".") .. "/fill")))
end

return machine
