--- kaa.cancelled, kaa.progress and a kaa.sleep that is cut short, for specs, where
--- Device:cancel() says when a command is cancelled.
local environment = require "kaa.testing.environment"

local cancelling = {}

local TEXT_BYTES = 256
local RIGHT_CALL = 'write: kaa.progress(40, "erasing")'

--- A command begins.
function cancelling.begin(device)
  device.cancelled_at = device.cancel_after and device.now + device.cancel_after
  device.cancel_after, device.has_heard, device.progress = nil, false, {}
end

--- Whether the command at work, or that was last, is cancelled.
function cancelling.is_cancelled(device)
  return device.cancelled_at ~= nil and device.now >= device.cancelled_at
end

--- Whether the command at work is cancelled and has not heard of it; now it hears.
function cancelling.hear(device)
  local is_news = device.running and not device.has_heard and cancelling.is_cancelled(device)
  device.has_heard = device.has_heard or is_news
  return is_news
end

--- kaa.cancelled
function cancelling.cancelled(device)
  return function()
    environment.demand(device:needs(), nil, "kaa.cancelled", 2)
    cancelling.hear(device)
    return device.running and device.has_heard or false
  end
end

--- kaa.sleep
function cancelling.sleep(device)
  return function(seconds)
    environment.demand(device:needs(), nil, "kaa.sleep", 2)
    if not math.type(seconds) or not (seconds >= 0) then
      error("kaa.sleep takes seconds from 0; write: kaa.sleep(0.5)", 2)
    end
    local at = device.running and not device.has_heard and device.cancelled_at
    if at and device.now + seconds >= at then
      seconds = math.max(0, at - device.now)
    end
    device.now = device.now + seconds
    if cancelling.hear(device) then
      return nil, "cancelled"
    end
    return true
  end
end

local function is_line(text)
  return utf8.len(text) and not text:find "%c" and not text:find "\xC2[\x80-\x9F]"
end

local function progress_fault(percent, text)
  if percent == nil and text == nil then
    return " takes a percentage, a text, or both; " .. RIGHT_CALL
  elseif percent ~= nil and not math.type(percent) then
    return (" takes a percentage, got a %s; %s"):format(type(percent), RIGHT_CALL)
  elseif percent and not (percent >= 0 and percent <= 100) then
    return (" takes a percentage from 0 to 100, got %s; %s"):format(percent, RIGHT_CALL)
  elseif text ~= nil and type(text) ~= "string" then
    return (": the text is a %s; %s"):format(type(text), RIGHT_CALL)
  elseif text and #text > TEXT_BYTES then
    return (": a text of %d bytes, limit %d"):format(#text, TEXT_BYTES)
  elseif text and not is_line(text) then
    return ": the text is not one printable line of UTF-8"
  end
  return nil
end

--- kaa.progress
function cancelling.progress(device)
  return function(percent, text)
    environment.demand(device:needs(), nil, "kaa.progress", 2)
    if not device.running then
      error("kaa.progress is for a command: call it in run or resume, not in tick", 2)
    end
    local fault = progress_fault(percent, text)
    if fault then
      error("kaa.progress" .. fault, 2)
    end
    device.progress[#device.progress + 1] = { percent = percent, text = text }
  end
end

return cancelling
