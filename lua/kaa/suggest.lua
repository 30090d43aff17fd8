--- The known name that a misspelt one most likely means.
local byte, lower, sub = string.byte, string.lower, string.sub
local ipairs, min = ipairs, math.min

local suggest = {}

local LONGEST_WORD_BYTES = 64
local SHORTEST_BEGINNING_BYTES = 3

--- The number of letters to insert, leave out, replace or swap with their
--- neighbour, to make `b` of `a` (optimal string alignment).
local function distance(a, b)
  local before, above = nil, {}
  for j = 0, #b do
    above[j] = j
  end
  for i = 1, #a do
    local row = { [0] = i }
    for j = 1, #b do
      local same = byte(a, i) == byte(b, j)
      row[j] = min(above[j] + 1, row[j - 1] + 1, above[j - 1] + (same and 0 or 1))
      if before and byte(a, i) == byte(b, j - 1) and byte(a, i - 1) == byte(b, j) then
        row[j] = min(row[j], before[j - 2] + 1)
      end
    end
    before, above = above, row
  end
  return above[#b]
end

--- Whether one of the two is the beginning of the other, and not a very short one.
local function begins_alike(a, b)
  local shorter = min(#a, #b)
  return shorter >= SHORTEST_BEGINNING_BYTES and sub(a, 1, shorter) == sub(b, 1, shorter)
end

--- Finds the name that is at most two slips away (one for words of up to three
--- letters), or that begins as the word does. Case does not count.
---@param word any what was written; anything but a text has no neighbour
---@param names string[] what is known
---@return string|nil name `suggest.nearest("timeout", { "timeout_s" })` → `"timeout_s"`
function suggest.nearest(word, names)
  if type(word) ~= "string" or #word > LONGEST_WORD_BYTES then
    return nil
  end
  local written = lower(word)
  local best, fewest = nil, #word <= 3 and 1 or 2
  local related
  for _, name in ipairs(names) do
    local known = lower(name)
    local slips = distance(written, known)
    if slips <= fewest and (not best or slips < fewest) then
      best, fewest = name, slips
    end
    if not related and begins_alike(written, known) then
      related = name
    end
  end
  return best or related
end

return suggest
