local testing = require "kaa.testing"

describe("the tutorial's telemetry", function()
  local function device()
    return testing.device("examples/tutorial/handlers/telemetry.lua")
  end

  it("sends a sample each three seconds and takes no commands", function()
    local simulated = device()
    assert.equal(3, simulated.contract.every_s)
    assert.is_true(simulated:tick())
    assert.equal(1, #simulated.samples)
    assert.equal(501, (simulated:command()))
  end)

  it("lowers the fuel by 0.3 each time, and fills up below 1", function()
    local simulated = device()
    for _ = 1, 400 do
      simulated:tick()
    end
    local expected = 100.0
    for index, sample in ipairs(simulated.samples) do
      assert.is_true(math.abs(sample.fuelLevel - expected) < 1e-9, ("sample %d: %s"):format(index, sample.fuelLevel))
      expected = expected - 0.3 < 1 and 100.0 or expected - 0.3
    end
    assert.is_true(simulated.samples[331].fuelLevel >= 1)
    assert.equal(100.0, simulated.samples[332].fuelLevel)
  end)

  it("has a temperature from 95 to 100", function()
    local simulated, seen = device(), {}
    for _ = 1, 200 do
      simulated:tick()
    end
    for _, sample in ipairs(simulated.samples) do
      seen[sample.temperature] = true
      assert.is_true(sample.temperature >= 95 and sample.temperature <= 100)
    end
    assert.is_true(seen[95] and seen[100])
  end)

  it("keeps a level for each endpoint", function()
    local simulated = device()
    simulated:tick "one"
    simulated:tick "two"
    simulated:tick "one"
    assert.same({ 100.0, 100.0, 99.7 }, { simulated.samples[1].fuelLevel,
      simulated.samples[2].fuelLevel, simulated.samples[3].fuelLevel })
  end)
end)
