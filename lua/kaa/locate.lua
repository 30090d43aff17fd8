--- Finds the line of a key in the source text of the table that a file returns,
--- so that a fault can be shown where it was written:
---
---     return {                               local handler = {}
---       timeout_s = "5",            or       handler.timeout_s = "5"
---     }                                      return handler
local lexer = require "kaa.lexer"

local ipairs = ipairs
local math_type, tointeger = math.type, math.tointeger

local locate = {}

local OPENS = { ["{"] = true, ["("] = true, ["["] = true, ["function"] = true, ["do"] = true,
  ["if"] = true, ["repeat"] = true }
local CLOSES = { ["}"] = true, [")"] = true, ["]"] = true, ["end"] = true, ["until"] = true }

--- The word of a token that structures the text, or nil for constants.
local function word(token)
  return token and (token.kind == "symbol" or token.kind == "name") and token.words or nil
end

local function change_of_depth(token)
  local written = word(token)
  return OPENS[written] and 1 or CLOSES[written] and -1 or 0
end

--- Calls visit(index) for each token outside of brackets and blocks.
local function at_top_level(tokens, visit)
  local depth = 0
  for index, token in ipairs(tokens) do
    local change = change_of_depth(token)
    if depth == 0 then
      visit(index)
    end
    depth = depth + change
  end
end

--- The place of the last `return` outside of all functions, or nil.
local function find_return(tokens)
  local place
  at_top_level(tokens, function(index)
    if word(tokens[index]) == "return" then
      place = index
    end
  end)
  return place
end

--- The key that an entry begins with, and the place of its value.
local function entry_key(tokens, at)
  local token = tokens[at]
  if token.kind == "name" and word(tokens[at + 1]) == "=" then
    return token.words, at + 2
  elseif word(token) == "[" and word(tokens[at + 2]) == "]" and word(tokens[at + 3]) == "=" then
    return tokens[at + 1].value, at + 4
  end
  return nil, at
end

--- The place after the entry that begins at `at`: of its separator or the closing brace.
local function after_entry(tokens, at)
  local depth = 0
  while tokens[at] do
    local written, change = word(tokens[at]), change_of_depth(tokens[at])
    if depth == 0 and (change < 0 or written == "," or written == ";") then
      return at
    end
    depth, at = depth + change, at + 1
  end
  return at
end

local function same_key(a, b)
  return a == b or math_type(a) ~= nil and tointeger(a) == b
end

--- Finds a key in the constructor whose `{` is at `open`; the last one counts.
--- Returns its line and the place of its value.
local function find_entry(tokens, open, wanted)
  local line, place
  local at, position = open + 1, 0
  while tokens[at] and word(tokens[at]) ~= "}" do
    local key, value = entry_key(tokens, at)
    if value == at and word(tokens[at]) ~= "[" then
      position = position + 1
      key = position
    end
    if same_key(key, wanted) then
      line, place = tokens[at].line, value
    end
    at = after_entry(tokens, value)
    if word(tokens[at]) == "," or word(tokens[at]) == ";" then
      at = at + 1
    elseif word(tokens[at]) ~= "}" then
      break
    end
  end
  return line, place
end

--- Finds `name.key = value` or `function name.key(` outside of all functions.
local function find_assignment(tokens, name, wanted)
  local line, place
  at_top_level(tokens, function(index)
    local here = word(tokens[index]) == "function" and index + 1 or index
    if word(tokens[here]) ~= name or word(tokens[here + 1]) ~= "." then
      return
    end
    local key = tokens[here + 2]
    if key and key.words == wanted and (here > index or word(tokens[here + 3]) == "=") then
      line, place = key.line, here + 4
    end
  end)
  return line, place
end

--- Where `name = {` is written outside of all functions: the place of the brace.
local function find_constructor(tokens, name)
  local place
  at_top_level(tokens, function(index)
    if word(tokens[index]) == name and word(tokens[index + 1]) == "="
        and word(tokens[index + 2]) == "{" and word(tokens[index - 1]) ~= "." then
      place = index + 2
    end
  end)
  return place
end

--- Finds the first key of a path: below the returned constructor, or the name.
local function find_first(tokens, returned, wanted)
  local value = tokens[returned + 1]
  if word(value) == "{" then
    return find_entry(tokens, returned + 1, wanted)
  elseif not value or value.kind ~= "name" then
    return nil
  end
  local line, place = find_assignment(tokens, value.words, wanted)
  if line then
    return line, place
  end
  local open = find_constructor(tokens, value.words)
  if open then
    return find_entry(tokens, open, wanted)
  end
end

--- The line of the deepest part of the path that is written, and its depth.
local function find_path(source, path)
  local tokens = lexer.tokens(source)
  local returned = find_return(tokens)
  if not returned then
    return nil, -1
  end
  local line, place = tokens[returned].line, nil
  for depth, key in ipairs(path) do
    local found, value
    if depth == 1 then
      found, value = find_first(tokens, returned, key)
    elseif word(tokens[place]) == "{" then
      found, value = find_entry(tokens, place, key)
    end
    if not found then
      return line, depth - 1
    end
    line, place = found, value
  end
  return line, #path
end

--- Finds where a key of the returned table is written.
---@param source string Lua source text
---@param path (string|integer)[] keys from the outside in; an empty one is the `return`
---@return integer|nil line from 1; nil where it is not written as a key there
---
---     locate.key("return {\n  settings = {\n    pin = 3 } }", { "settings", "pin" }) → 3
function locate.key(source, path)
  local line, depth = find_path(source, path)
  return depth == #path and line or nil
end

--- Like locate.key, and where the key is not written, the line of what holds it.
---@param source string|nil Lua source text
---@param path (string|integer)[]
---@return integer|nil line nil where nothing of the path can be found
function locate.nearest(source, path)
  if not source then
    return nil
  end
  return (find_path(source, path))
end

return locate
