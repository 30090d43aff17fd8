-- handlers/park.lua: parks in a slot, unless it is taken
--
-- The payload is { "slot": 3 }, or 3, or nothing: then it is the first free slot.

local function wanted(payload)
  if type(payload) == "table" then
    payload = payload.slot
  end
  if payload == nil or payload == kaa.null then
    return nil
  end
  local slot = math.type(payload) and math.tointeger(payload)
  if not slot or slot < 1 or slot > kaa.settings.slots then
    kaa.fail(400, "slot: expected integer from 1 to " .. kaa.settings.slots)
  end
  return slot
end

local function first_free(taken)
  for slot = 1, kaa.settings.slots do
    if not taken[slot] then
      return slot
    end
  end
  kaa.fail(409, "All slots taken")
end

return {
  summary = "Park in a slot",
  settings = {
    slots = { type = "integer", min = 1, max = 1000, default = 10, summary = "how many there are" },
    taken = { type = "array", items = { type = "integer" }, default = {} },
  },
  run = function(command)
    local taken = {}
    for _, slot in ipairs(kaa.settings.taken) do
      taken[slot] = true
    end
    local slot = wanted(command.payload) or first_free(taken)
    if taken[slot] then
      return 409, "Slot taken", { slot = slot }
    end
    return 200, "OK", { slot = slot }
  end,
}
