-- Images, documents and sounds as clients send them: links, data URLs, base64.
local media = {}

local function decoded_size(data)
  local padding = data:sub(-2) == "==" and 2 or data:sub(-1) == "=" and 1 or 0
  return math.floor(#data / 4) * 3 - padding
end

-- nil, or what is wrong with an image's base64: `most` bytes are allowed.
function media.flaw(data, most)
  if data == "" then return "the image is empty" end
  local size = decoded_size(data)
  if size > most then return ("the image is too large: %d bytes, %d at most"):format(size, most) end
end

local function unescape(text)
  return (text:gsub("%%(%x%x)", function(hex) return string.char(tonumber(hex, 16)) end))
end

-- Puts what a URL says into `part`: `url`, or `media` and `data` (base64) of a data URL, or `text` of one that holds
-- plain text. Gives nil, or what is wrong with it.
function media.from_url(part, url)
  if url:sub(1, 5):lower() ~= "data:" then
    if not url:find("^%a[%w+.-]*://") then return "it is neither a link nor a data URL" end
    part.url = url
    return nil
  end
  local comma = url:find(",", 1, true)
  if not comma then return "the data URL has no comma" end
  local head = url:sub(6, comma - 1)
  part.media = head:match("^[^;]+") or "text/plain"
  if head:find(";base64", 1, true) then
    part.data = url:sub(comma + 1)
  elseif part.media:find("^text/") then
    part.text = unescape(url:sub(comma + 1))
  else
    return "the data URL is not base64"
  end
end

return media
