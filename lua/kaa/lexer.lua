--- Cuts Lua source text into tokens, as far as finding a table's keys needs it:
--- strings, comments and long brackets are known, numbers and names are whole.
local find, gsub, match, sub = string.find, string.gsub, string.match, string.sub
local load, tonumber = load, tonumber

local lexer = {}

-- Longer ones first: "==" must not be taken for two "=".
local SYMBOLS = { "...", "..", "==", "~=", "<=", ">=", "<<", ">>", "//", "::" }

--- The end of a long bracket that opens at `at` ("[[", "[==["), or nil.
local function long_end(source, at)
  local level = match(source, "^%[(=*)%[", at)
  if not level then
    return nil
  end
  local _, last = find(source, "]" .. level .. "]", at, true)
  return last or #source
end

local function comment_end(source, at)
  return long_end(source, at + 2) or (find(source, "\n", at, true) or #source + 1) - 1
end

local function string_end(source, at)
  local quote = sub(source, at, at)
  local from = at + 1
  while true do
    local stop = find(source, "[\\" .. quote .. "]", from)
    if not stop then
      return #source
    elseif sub(source, stop, stop) == quote then
      return stop
    end
    from = stop + 2
  end
end

local function symbol_end(source, at)
  for index = 1, #SYMBOLS do
    local symbol = SYMBOLS[index]
    if sub(source, at, at + #symbol - 1) == symbol then
      return at + #symbol - 1
    end
  end
  return at
end

--- The value that a string's or number's text stands for.
---@param token table one of lexer.tokens
---@return string|number|nil value nil for other tokens, and for text that is no Lua
function lexer.value(token)
  if token.kind == "number" then
    return tonumber(token.words)
  elseif token.kind ~= "string" then
    return nil
  end
  local chunk = load("return " .. token.words, "=string", "t", {})
  return chunk and chunk()
end

--- The kind and the last byte of what begins at `at`; white space is stepped over.
local function token_at(source, at)
  local char = sub(source, at, at)
  if find(char, "[%a_]") then
    return "name", select(2, find(source, "^[%w_]+", at))
  elseif find(source, "^%.?%d", at) then
    local last = select(2, find(source, "^[%w_.]+", at))
    if find(source, "^[eEpP][+-]%d+", last) then
      last = select(2, find(source, "^[eEpP][+-]%w+", last))
    end
    return "number", last
  elseif char == '"' or char == "'" then
    return "string", string_end(source, at)
  elseif sub(source, at, at + 1) == "--" then
    return "comment", comment_end(source, at)
  elseif long_end(source, at) then
    return "string", long_end(source, at)
  end
  return "symbol", symbol_end(source, at)
end

--- Cuts a source text into tokens without its comments. Text that is no Lua gives
--- tokens that make no sense, and no error.
---@param source string
---@return {kind: string, words: string, line: integer, column: integer}[] tokens `kind` is
---  "name", "number", "string" or "symbol"; `words` as written; `column` in bytes, from 1
function lexer.tokens(source)
  source = gsub(source, "^\xEF\xBB\xBF", "") -- a byte order mark
  source = gsub(source, "^#[^\n]*", "")
  local tokens = {}
  local at, line, line_start = 1, 1, 1
  local function count_lines(from, to)
    local stop = find(source, "\n", from, true)
    while stop and stop <= to do
      line, line_start = line + 1, stop + 1
      stop = find(source, "\n", stop + 1, true)
    end
  end
  while true do
    local start = find(source, "%S", at)
    if not start then
      return tokens
    end
    count_lines(at, start - 1)
    local kind, last = token_at(source, start)
    local words = sub(source, start, last)
    if kind ~= "comment" then
      tokens[#tokens + 1] = { kind = kind, words = words, line = line,
        column = start - line_start + 1 }
    end
    count_lines(start, last)
    at = last + 1
  end
end

return lexer
