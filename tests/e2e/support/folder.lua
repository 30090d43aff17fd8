-- Temporary folders and the files in them.
local uv = require "luv"

local folder = {}

--- A new empty folder; the world removes it.
function folder.create()
  return assert(uv.fs_mkdtemp((os.getenv "TMPDIR" or "/tmp") .. "/kaalua-e2e.XXXXXX"))
end

function folder.write(path, text)
  local file = assert(io.open(path, "wb"))
  assert(file:write(text))
  assert(file:close())
  return path
end

--- The file's text, or nil.
function folder.read(path)
  local file = io.open(path, "rb")
  if not file then
    return nil
  end
  local text = file:read "a"
  file:close()
  return text
end

function folder.make(path)
  local done, message, name = uv.fs_mkdir(path, tonumber("755", 8))
  assert(done or name == "EEXIST", message)
  return path
end

--- Removes a folder with all that is in it; links are not followed.
function folder.remove(path)
  local listing = uv.fs_scandir(path)
  while listing do
    local name, kind = uv.fs_scandir_next(listing)
    if not name then
      break
    end
    if kind == "directory" then
      folder.remove(path .. "/" .. name)
    else
      uv.fs_unlink(path .. "/" .. name)
    end
  end
  uv.fs_rmdir(path)
end

return folder
