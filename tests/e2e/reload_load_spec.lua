-- A handler that is rewritten under load: no command fails, is lost or runs twice, and each
-- answer is by a version that was current when its command began. How quick it is, the bench
-- tells (tests/bench/reload).
package.path = "tests/e2e/?.lua;" .. package.path
local rewriting = require "support.rewriting"
local world = require "support.world"

local REWRITES, PER_S = 200, world.Agent.is_sanitized() and 100 or 500

describe("a handler under load", function()
  after_each(world.clear)

  it("is rewritten two hundred times, every fifth with a fault, and harms no command", function()
    local agent, platform = world.connected { handlers = {} }
    agent:save("light", rewriting.first(agent.folder))
    agent:await_log "light%s+in service"
    local run = rewriting.run(agent, platform, { rewrites = REWRITES, per_s = PER_S })
    assert.are.same({}, run.wrong)
    assert.are.equal(run.sent, run.answers)
    assert.are.equal(REWRITES - REWRITES // 5, #run.latencies)
    print(("# measured: %d commands, saved to answered p50 %.0f ms, p99 %.0f ms"):format(run.sent,
      rewriting.percentile(run.latencies, 50), rewriting.percentile(run.latencies, 99)))
  end)
end)
