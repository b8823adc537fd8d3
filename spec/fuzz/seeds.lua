-- Writes the raw bytes of the HTTP vectors as one file each: luajit seeds.lua OUT FILE.jsonl...
local digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

local function decode_base64(text)
  local out, bits, count = {}, 0, 0
  for c in text:gmatch("[%w+/]") do
    bits = (bits * 64 + digits:find(c, 1, true) - 1) % 2 ^ 24
    count = count + 6
    if count >= 8 then
      count = count - 8
      out[#out + 1] = string.char(math.floor(bits / 2 ^ count) % 256)
    end
  end
  return table.concat(out)
end

for i = 2, #arg do
  for line in io.lines(arg[i]) do
    local id, raw = line:match('"id": "([^"]+)"'), line:match('"raw_b64": "([^"]+)"')
    local file = assert(io.open(arg[1] .. "/" .. id, "wb"))
    file:write(decode_base64(raw))
    file:close()
  end
end
