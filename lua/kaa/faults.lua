--- Collects the faults of a file, each with the line where it was written.
local locate = require "kaa.locate"
local text = require "kaa.text"

local huge, ipairs, sort = math.huge, ipairs, table.sort

local faults = {}

---@class kaa.fault
---@field line integer|nil from 1; nil where it is not known
---@field column integer|nil in bytes, from 1
---@field message string "path: what is wrong and what would be right"
---@field secret boolean|nil the source line may hold a secret: it is not to be shown
---@field setting string|nil the path of the setting that does not fit: it was written in the
---  configuration, and not in this file

--- Starts a list of faults.
---@param source string|nil the file's text
---@return kaa.fault[] list
---@return function add add(path, message, written, secret) adds one and returns it; `written` is
---  the path to look for in the source where it is not `path`
---@return fun(path: (string|integer)[]): integer|nil, integer|nil place_of the line and the
---  column where a path is written
function faults.collector(source)
  local list, outline = {}, nil
  local function place_of(path)
    outline = outline or source and locate.outline(source)
    return locate.nearest(outline, path)
  end
  local function add(path, message, written, secret)
    local name = text.path(path)
    local line, column = place_of(written or path)
    local fault = {
      line = line,
      column = column,
      message = (name ~= "" and name .. ": " or "") .. message,
      secret = secret,
    }
    list[#list + 1] = fault
    return fault
  end
  return list, add, place_of
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
