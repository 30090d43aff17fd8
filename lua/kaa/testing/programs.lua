--- kaa.exec, os.execute and io.popen for specs: nothing is executed; the spec says
--- what programs give, and the device keeps what was asked for.
local cancelling = require "kaa.testing.cancelling"
local environment = require "kaa.testing.environment"
local suggest = require "kaa.suggest"
local text = require "kaa.text"

local programs = {}

local OPTIONS = { "stdin", "timeout_s", "cwd", "env", "max_output", "detach" }

-- error() levels: a check is called by programs.exec or run_shell, that by a
-- function of the handler's globals, and that by the handler.
local AT_HANDLER = 4

local MAX_LIST = 4096 -- arguments, or variables

local RIGHT_CALL = 'kaa.exec { "/usr/bin/systemctl", "reboot" }'

local function check_argv(argv)
  if type(argv) == "string" then
    error('kaa.exec takes a list, no shell command; write: kaa.exec { "/bin/sh", "-c", command }',
      AT_HANDLER)
  elseif type(argv) ~= "table" or #argv == 0 then
    error("kaa.exec takes a list of texts; write: " .. RIGHT_CALL, AT_HANDLER)
  end
  if #argv > MAX_LIST then
    error(("kaa.exec: %d arguments, limit %d"):format(#argv, MAX_LIST), AT_HANDLER)
  end
  for index, argument in ipairs(argv) do
    if type(argument) ~= "string" then
      error(("kaa.exec: argument %d is a %s; all are texts: tostring(…)")
        :format(index, type(argument)), AT_HANDLER)
    end
  end
  if not argv[1]:find "^/" then
    error(('kaa.exec: "%s" is no absolute path; write: %s'):format(argv[1], RIGHT_CALL), AT_HANDLER)
  end
end

-- As src/base/code_variable.c: one that ends with * stands for all that begin so.
local CODE_VARIABLES = { "LD_*", "GLIBC_TUNABLES", "GCONV_PATH", "LOCPATH", "NLSPATH", "PATH",
  "ENV", "BASH_ENV", "BASH_FUNC_*", "SHELLOPTS", "PS4", "PERL5*", "PERLLIB", "PYTHON*", "RUBY*",
  "NODE_*", "LUA_*", "JAVA_TOOL_OPTIONS", "_JAVA_OPTIONS", "OPENSSL_*", "GIT_*", "PAGER", "EDITOR",
  "VISUAL", "BROWSER", "SYSTEMD_PAGER", "SYSTEMD_EDITOR" }

local function loads_code(name)
  for _, known in ipairs(CODE_VARIABLES) do
    local start = known:match "^(.*)%*$"
    if known == name or start and name:sub(1, #start) == start then
      return true
    end
  end
  return false
end

--- As the device: nobody feeds a detached program or waits for it, and a list in
--- needs.exec is for the programs as they are.
local function check_together(device, options)
  if options.detach then
    for _, name in ipairs { "stdin", "timeout_s" } do
      if options[name] ~= nil then
        error(("kaa.exec: %s does not go together with detach"):format(name), AT_HANDLER)
      end
    end
  end
  local names = text.sorted_keys(options.env or {})
  if #names > MAX_LIST then
    error(("kaa.exec: env: %d variables, limit %d"):format(#names, MAX_LIST), AT_HANDLER)
  end
  for _, name in ipairs(names) do
    if device:needs().exec ~= true and loads_code(tostring(name)) then
      error(("kaa.exec: env: %s has a program run other code than its own: "
        .. "not with a list in needs.exec"):format(name), AT_HANDLER)
    end
  end
end

local function check_options(options)
  for _, name in ipairs(text.sorted_keys(options)) do
    local near = suggest.nearest(name, OPTIONS)
    if near ~= name then
      error(('kaa.exec has no option "%s"%s'):format(name,
        near and ', did you mean "' .. near .. '"?' or ""), AT_HANDLER)
    end
  end
end

local function check_granted(device, program, call)
  local granted = device:needs().exec
  if granted == true then
    return
  end
  for _, path in ipairs(granted) do
    if path == program then
      return
    end
  end
  error(('%s: "%s" is not in needs.exec; add it: needs = { exec = { "%s" } }'):format(call, program,
    program), AT_HANDLER)
end

--- What the spec says of an execution.
local function outcome_of(device, argv, options)
  local exec = device.options.exec
  local command = table.concat(argv, " ")
  local outcome
  if type(exec) == "function" then
    outcome = exec(argv, options)
  else
    outcome = (exec or {})[command]
  end
  if type(outcome) ~= "table" then
    local write = ("device(…, { exec = { [%q] = { code = 0 } } })"):format(command)
    error(("the spec does not say what %q gives; write: %s"):format(command, write), 0)
  end
  return outcome
end

local function message_of(program, outcome, timeout_s)
  local name = program:match "[^/]*$"
  if outcome.timed_out and timeout_s then
    return ("%s took longer than %.14g s"):format(name, timeout_s)
  elseif outcome.signal then
    return ("%s was ended by %s"):format(name, outcome.signal)
  end
  local complaint = (outcome.stderr or ""):match "^[^\n]*"
  return ("%s exited with %d%s"):format(name, outcome.code,
    complaint ~= "" and ": " .. complaint or "")
end

local function executed(device, argv, options)
  if cancelling.hear(device) then
    return nil, "cancelled"
  end
  device.executed[#device.executed + 1] = { table.unpack(argv) }
  local outcome = outcome_of(device, argv, options)
  if cancelling.hear(device) then
    return nil, "cancelled"
  end
  local code = not outcome.signal and (outcome.code or 0) or nil
  local ending = { code = code, signal = outcome.signal, stdout = outcome.stdout or "",
    stderr = outcome.stderr or "" }
  if outcome.failure then
    return nil, outcome.failure
  elseif code == 0 and not outcome.timed_out then
    return ending
  end
  local told = { code = code, signal = outcome.signal, stderr = outcome.stderr,
    timed_out = outcome.timed_out }
  return nil, message_of(argv[1], told, options.timeout_s), ending
end

--- kaa.exec of a device.
---@param device table
---@return fun(argv: string[], options: table?): table|nil, string|nil, table|nil
function programs.exec(device)
  local function run(argv, options)
    environment.demand(device:needs(), "exec", "kaa.exec", 3)
    check_options(options or {})
    check_argv(argv)
    check_granted(device, argv[1], "kaa.exec")
    check_together(device, options or {})
    return executed(device, argv, options or {})
  end
  return function(argv, options)
    local result, message, ending = run(argv, options)
    return result, message, ending
  end
end

--- Runs /bin/sh -c; returns how it ended.
local function run_shell(device, command, call)
  environment.demand(device:needs(), "exec", call, 3)
  check_granted(device, "/bin/sh", call)
  local result, _, ending = executed(device, { "/bin/sh", "-c", command }, {})
  return result or ending or { code = 127, stdout = "", stderr = "" }
end

--- os.execute of a device.
---@param device table
---@return function
function programs.execute(device)
  return function(command)
    local ending = run_shell(device, command, "os.execute")
    local how = ending.signal and "signal" or "exit"
    return ending.code == 0 or nil, how, ending.signal or ending.code
  end
end

--- io.popen of a device.
---@param device table
---@return function
function programs.popen(device)
  return function(command)
    local ending = run_shell(device, command, "io.popen")
    local file = io.tmpfile()
    file:write(ending.stdout)
    file:seek "set"
    return file
  end
end

return programs
