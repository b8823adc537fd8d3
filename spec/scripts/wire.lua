-- What specs of adapters share: streams taken apart, and recorded requests.
local json = require "json"

local wire = {}

-- The events of a stream's bytes: { event = name or nil, data = decoded or the text }.
function wire.events(bytes)
  local events = {}
  for frame in bytes:gmatch "(.-)\n\n" do
    local event = { event = frame:match "^event: ([^\n]*)" }
    local data = assert(frame:match "data: (.*)$", "a frame without data: " .. frame)
    event.data = json.decode(data) or data
    events[#events + 1] = event
  end
  assert(bytes == "" or bytes:sub(-2) == "\n\n", "the last frame does not end")
  return events
end

-- The same for what an encoder makes of canonical events, and of their end.
function wire.encoded(adapter, request, events)
  local encode, bytes = adapter.stream(request), {}
  for i, event in ipairs(events) do bytes[i] = encode(event) end
  bytes[#bytes + 1] = encode(nil)
  return wire.events(table.concat(bytes))
end

local function lines(command)
  local list, pipe = {}, assert(io.popen(command))
  for line in pipe:lines() do list[#list + 1] = line end
  pipe:close()
  return list
end

-- The recorded requests whose names match `pattern` (the shell's), or nil when the recordings are not beside the project.
function wire.recorded(pattern)
  for _, dir in ipairs { os.getenv "WYE_SHARED" or "../shared", "../../shared" } do
    local names = lines(("ls %s/fixtures/%s.request.json 2>/dev/null"):format(dir, pattern))
    if #names > 0 then return names end
  end
end

function wire.slurp(name)
  local file = assert(io.open(name))
  local text = file:read "*a"
  file:close()
  return text
end

-- Whether the npm packages of the tests are there.
function wire.has_modules()
  local file = io.open "spec/node_modules/.package-lock.json"
  if file then file:close() end
  return file ~= nil
end

-- A reader's complaint about `request` (a Lua value): its message and the member it names.
function wire.refused(adapter, request)
  local read, err = adapter.read(type(request) == "string" and request or json.encode(request))
  assert(read == nil, "it was accepted")
  return err.param, err.message
end

return wire
