--- Collects the faults of a file, each with the line where it was written.
local locate = require "kaa.locate"
local text = require "kaa.text"

local huge, ipairs, sort = math.huge, ipairs, table.sort

local faults = {}

---@class kaa.fault
---@field line integer|nil from 1; nil where it is not known
---@field message string "path: what is wrong and what would be right"
---@field secret boolean|nil the source line may hold a secret: it is not to be shown

--- Starts a list of faults.
---@param source string|nil the file's text
---@return kaa.fault[] list
---@return function add add(path, message, written, secret) adds one; `written` is the path to
---  look for in the source where it is not `path`
---@return fun(path: (string|integer)[]): integer|nil line_of where a path is written
function faults.collector(source)
  local list, outline = {}, nil
  local function line_of(path)
    outline = outline or source and locate.outline(source)
    return locate.nearest(outline, path)
  end
  local function add(path, message, written, secret)
    local place = text.path(path)
    list[#list + 1] = {
      line = line_of(written or path),
      message = (place ~= "" and place .. ": " or "") .. message,
      secret = secret,
    }
  end
  return list, add, line_of
end

--- Sorts by line, those without one last; faults of one line keep their order.
---@param list kaa.fault[]
---@return kaa.fault[] list the same
function faults.sorted(list)
  local order = {}
  for index, fault in ipairs(list) do
    order[fault] = index
  end
  sort(list, function(a, b)
    local line_a, line_b = a.line or huge, b.line or huge
    return line_a < line_b or line_a == line_b and order[a] < order[b]
  end)
  return list
end

return faults
