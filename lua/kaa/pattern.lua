--- Finds what is wrong with a Lua pattern, which string.find only notices where
--- its matching gets that far.
local byte, find, match, sub = string.byte, string.find, string.match, string.sub

local pattern = {}

local CLOSING_BRACKET = byte("]")

--- Steps over a set; its first character may be "]".
local function after_set(text, at)
  local from = match(text, "^%[%^?()", at)
  repeat
    from = from + (sub(text, from, from) == "%" and 2 or 1)
    if from > #text then
      return nil, "a [ is not closed"
    end
  until byte(text, from) == CLOSING_BRACKET
  return from + 1
end

--- Steps over what begins with %.
local function after_escape(text, at)
  local class = sub(text, at + 1, at + 1)
  if class == "" then
    return nil, "it ends with %"
  elseif class == "b" then
    if #text < at + 3 then
      return nil, "%b needs two characters"
    end
    return at + 4
  elseif class == "f" and sub(text, at + 2, at + 2) ~= "[" then
    return nil, "%f needs a set: %f[…]"
  elseif find(class, "%d") then
    return nil, "a pattern of a field has no use for %" .. class
  end
  return at + 2
end

--- Says what is wrong with a pattern.
---@param text string
---@return string|nil fault `pattern.fault "[a-z"` → `a [ is not closed`; nil: nothing
function pattern.fault(text)
  local at, open = 1, 0
  while at and at <= #text do
    local fault
    local char = sub(text, at, at)
    if char == "%" then
      at, fault = after_escape(text, at)
    elseif char == "[" then
      at, fault = after_set(text, at)
    else
      open = open + (char == "(" and 1 or char == ")" and -1 or 0)
      at, fault = at + 1, open < 0 and "a ) without its (" or nil
    end
    if fault then
      return fault
    end
  end
  return open > 0 and "a ( is not closed" or nil
end

return pattern
