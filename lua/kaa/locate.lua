--- Finds the line of a key in the source text of the table that a file returns,
--- so that a fault can be shown where it was written:
---
---     return {                               local handler = {}
---       timeout_s = "5",            or       handler.timeout_s = "5"
---     }                                      return handler
local lexer = require "kaa.lexer"

local ipairs, type = ipairs, type

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
    return lexer.value(tokens[at + 1]), at + 4
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

--- Reads the constructor whose `{` is at `open`; of equal keys the last one counts.
local function read_entries(tokens, open)
  local entries = {}
  local at, position = open + 1, 0
  while tokens[at] and word(tokens[at]) ~= "}" do
    local key, value = entry_key(tokens, at)
    if value == at and word(tokens[at]) ~= "[" then
      position = position + 1
      key = position
    end
    if key ~= nil then
      entries[key] = { line = tokens[at].line, column = tokens[at].column, place = value }
    end
    at = after_entry(tokens, value)
    if word(tokens[at]) == "," or word(tokens[at]) == ";" then
      at = at + 1
    elseif word(tokens[at]) ~= "}" then
      break
    end
  end
  return entries
end

--- The entry of a key in the constructor at `open`; each constructor is read once.
local function find_entry(outline, open, wanted)
  local entries = outline.entries[open] or read_entries(outline.tokens, open)
  outline.entries[open] = entries
  return entries[wanted]
end

--- The place behind `name`, `name <const>` or `name <close>`.
local function after_name(tokens, at)
  local has_attribute = word(tokens[at + 1]) == "<" and word(tokens[at + 3]) == ">"
  return has_attribute and at + 4 or at + 1
end

--- The key in `name.key = …`, `name["key"] = …` or `function name.key(`,
--- where `at` is the name's, and the place of the value.
local function assigned_key(tokens, at)
  local key = tokens[at + 2]
  if word(tokens[at + 1]) == "." and key then
    local is_key = word(tokens[at + 3]) == "=" or word(tokens[at - 1]) == "function"
    return is_key and key.words or nil, at + 4
  elseif word(tokens[at + 1]) == "[" and word(tokens[at + 3]) == "]"
      and word(tokens[at + 4]) == "=" then
    return lexer.value(key), at + 5
  end
  return nil, at
end

--- Notes what is written outside of all functions: `name = {`, and keys that are
--- assigned one by one.
local function read_assignments(tokens)
  local constructors, assigned = {}, {}
  at_top_level(tokens, function(index)
    local at = word(tokens[index]) == "function" and index + 1 or index
    local name = tokens[at]
    if not name or name.kind ~= "name" or word(tokens[at - 1]) == "." then
      return
    end
    local key, place = assigned_key(tokens, at)
    local equals = after_name(tokens, at)
    if key ~= nil then
      assigned[name.words] = assigned[name.words] or {}
      assigned[name.words][key] = { line = tokens[at + 2].line, column = tokens[at + 2].column,
        place = place }
    elseif word(tokens[equals]) == "=" and word(tokens[equals + 1]) == "{" then
      constructors[name.words] = equals + 1
    end
  end)
  return constructors, assigned
end

--- Finds the first key of a path: below the returned constructor, or the name.
local function find_first(outline, wanted)
  local tokens, at = outline.tokens, outline.returned + 1
  while word(tokens[at]) == "(" do
    at = at + 1
  end
  if word(tokens[at]) == "{" then
    return find_entry(outline, at, wanted)
  elseif not tokens[at] or tokens[at].kind ~= "name" then
    return nil
  end
  local name = tokens[at].words
  local entry = (outline.assigned[name] or {})[wanted]
  local open = outline.constructors[name]
  return entry or open and find_entry(outline, open, wanted) or nil
end

--- Where the deepest part of the path is written: its line, its depth and its column.
local function find_path(source, path)
  local outline = type(source) == "string" and locate.outline(source) or source
  if not outline.returned then
    return nil, -1
  end
  local start = outline.tokens[outline.returned]
  local line, column, place = start.line, start.column, nil
  for depth, key in ipairs(path) do
    local entry
    if depth == 1 then
      entry = find_first(outline, key)
    elseif word(outline.tokens[place]) == "{" then
      entry = find_entry(outline, place, key)
    end
    if not entry then
      return line, depth - 1, column
    end
    line, column, place = entry.line, entry.column, entry.place
  end
  return line, #path, column
end

--- Reads a source text once, for many questions.
---@param source string Lua source text
---@return table outline to be given to locate.key and locate.nearest
function locate.outline(source)
  local tokens = lexer.tokens(source)
  local constructors, assigned = read_assignments(tokens)
  return { tokens = tokens, returned = find_return(tokens), constructors = constructors,
    assigned = assigned, entries = {} }
end

--- Finds where a key of the returned table is written.
---@param source string|table Lua source text, or its outline
---@param path (string|integer)[] keys from the outside in; an empty one is the `return`
---@return integer|nil line from 1; nil where it is not written as a key there
---
---     locate.key("return {\n  settings = {\n    pin = 3 } }", { "settings", "pin" }) → 3
function locate.key(source, path)
  local line, depth = find_path(source, path)
  return depth == #path and line or nil
end

--- Like locate.key, and where the key is not written, the place of what holds it.
---@param source string|table|nil Lua source text, or its outline
---@param path (string|integer)[]
---@return integer|nil line nil where nothing of the path can be found
---@return integer|nil column in bytes, from 1
function locate.nearest(source, path)
  if not source then
    return nil
  end
  local line, _, column = find_path(source, path)
  return line, column
end

return locate
