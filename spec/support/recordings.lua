-- The recorded replies of providers that lie beside the project: which there are, and their events. Nothing when
-- they are absent.
local json = require "json"

local recordings = {}

local function root()
  for _, path in ipairs { os.getenv "WYE_SHARED" or "", "../shared", "../../shared" } do
    local file = path ~= "" and io.open(path .. "/fixtures/README.md")
    if file then
      file:close()
      return path .. "/fixtures/"
    end
  end
end

function recordings.read(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read "*a"
  file:close()
  return text
end

-- The paths under the recordings' root that match `pattern`, in order.
function recordings.list(pattern)
  local base, found = root(), {}
  if not base then
    io.stderr:write "no ../shared/fixtures: tests of recordings are skipped\n"
    return found
  end
  local pipe = assert(io.popen(("find '%s' -type f | sort"):format(base)))
  for path in pipe:lines() do
    if path:sub(#base + 1):find(pattern) then found[#found + 1] = path end
  end
  pipe:close()
  return found
end

function recordings.status(path)
  return json.decode(recordings.read((path:gsub("%.body$", ".meta.json")))).status
end

-- { { name, data }, … } of a stream: enough of the format for what was recorded.
function recordings.events(text)
  local events = {}
  for frame in (text:gsub("\r\n", "\n") .. "\n\n"):gmatch "(.-)\n\n+" do
    local name, data
    for line in (frame .. "\n"):gmatch "(.-)\n" do
      name = line:match "^event: ?(.*)" or name
      local value = line:match "^data: ?(.*)"
      if value then data = data and data .. "\n" .. value or value end
    end
    if data then events[#events + 1] = { name = name, data = data } end
  end
  return events
end

return recordings
