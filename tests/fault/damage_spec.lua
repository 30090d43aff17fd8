-- Files of the state that were damaged between two lives of the agent: a bit flipped, a page
-- or an end gone, at random. Whatever it can read or not: it starts, says what it noticed, answers
-- everything, and runs nothing twice. The platform has confirmed nothing and lists all again.
package.path = "tests/fault/?.lua;tests/e2e/?.lua;" .. package.path
local Effects = require "support.effects"
local Lineup = require "support.lineup"
local loop = require "support.loop"
local soak = require "support.soak"
local uv = require "luv"
local Verdict = require "support.verdict"
local world = require "support.world"

local DAMAGES = soak.choose(10, 200)
local AT_ONCE = 5
local FILES = { "journal.db", "journal.db", "journal.db-wal", "journal.db-wal", "journal.mark",
  "journal.db-shm" }

local damage = {}

function damage.flip(path, size)
  local at = math.random(0, size - 1)
  local file = assert(io.open(path, "r+b"))
  file:seek("set", at)
  local byte = file:read(1):byte()
  file:seek("set", at)
  assert(file:write(string.char(byte ~ (1 << math.random(0, 7)))))
  file:close()
  return ("bit flipped at %d of %d"):format(at, size)
end

function damage.page(path, size)
  local at = math.random(0, math.max(0, size // 4096 - 1)) * 4096
  local file = assert(io.open(path, "r+b"))
  file:seek("set", at)
  assert(file:write(("\0"):rep(math.min(4096, size - at))))
  file:close()
  return ("page zeroed at %d of %d"):format(at, size)
end

function damage.cut(path, size)
  local left = math.random() < 0.3 and 0 or math.random(0, size - 1)
  local file = assert(uv.fs_open(path, "r+", 0))
  assert(uv.fs_ftruncate(file, left))
  uv.fs_close(file)
  return ("cut from %d to %d"):format(size, left)
end

function damage.remove(path, size)
  assert(os.remove(path))
  return ("removed, %d bytes"):format(size)
end

local KINDS = { "flip", "flip", "page", "cut", "cut", "remove" }

-- Damages one file of the run's state; tells what it did.
local function spoil(run)
  local name = FILES[math.random(#FILES)]
  if run.token == "P1" then -- in each run of this test
    local path = run.agent.state .. "/journal.db"
    return "journal.db: " .. damage.remove(path, assert(uv.fs_stat(path)).size)
  end
  local path = run.agent.state .. "/" .. name
  local stat = uv.fs_stat(path)
  if not stat or stat.size == 0 then
    return ("%s is not there"):format(name)
  end
  return name .. ": " .. damage[KINDS[math.random(#KINDS)]](path, stat.size)
end

-- Kills each run once it has reported a random number of its commands.
local function kill_somewhere(runs)
  loop.await("each run to report a part", function()
    local is_over = true
    for _, run in ipairs(runs) do
      local count = 0
      for _ in pairs(run.results) do
        count = count + 1
      end
      if not run.is_killed and count >= run.part then
        run.agent.process:kill "sigkill"
        run.is_killed = true
      end
      is_over = is_over and run.is_killed
    end
    return is_over
  end, 60)
  for _, run in ipairs(runs) do
    run.agent.process:await_end()
  end
end

for _, wire in ipairs(world.WIRES) do
  describe("a damaged journal over " .. wire, function()
    after_each(world.clear)

    it(("runs nothing twice and is survived, %d times"):format(DAMAGES), function()
      local effects = Effects.create(world.folder_for "effects")
      local lineup, verdict, of_kind = Lineup.create(wire, effects), Verdict.create(effects), {}
      local said, lost = 0, 0
      for first = 1, DAMAGES, AT_ONCE do
        local runs = {}
        for _ = first, math.min(first + AT_ONCE - 1, DAMAGES) do
          local run = lineup:run()
          run.confirms_nothing, run.part = true, math.random(1, 10)
          run.agent:start()
          runs[#runs + 1] = run
        end
        kill_somewhere(runs)
        for _, run in ipairs(runs) do
          run.point = spoil(run)
          Lineup.start_again(run)
        end
        lineup:finish(runs, verdict, of_kind)
        for _, run in ipairs(runs) do
          local aside = false
          for name in uv.fs_scandir_next, assert(uv.fs_scandir(run.agent.state)) do
            aside = aside or name:find "^journal%.db%.damaged%-" ~= nil
          end
          local is_said = run.agent:log():find "%f[%l]error%s+journal" ~= nil
            or run.agent:log():find "%f[%l]warn%s+journal" ~= nil
          said, lost = said + (is_said and 1 or 0), lost + (aside and 1 or 0)
          if aside and not is_said then
            verdict:breach("%s (%s): set aside, and nothing said of it", run.point, run.token)
          end
          if run.point:find "^journal%.db: removed"
            and not run.agent:log():find "error%s+journal%s+the journal is missing" then
            verdict:breach("%s (%s): gone, and nothing said of it", run.point, run.token)
          end
        end
      end
      for kind, all in pairs(of_kind) do
        verdict:judge(kind, all.ids, all.results)
      end
      verdict:assert_good { what = ("damaged journals over %s, seed %d: %d damages, %d said, %d set "
        .. "aside"):format(wire, soak.seed, DAMAGES, said, lost), kills = DAMAGES, workers = 2 }
    end)
  end)
end
