-- Vectors as base64 of little-endian 32-bit floats, as OpenAI's SDKs ask for them.
local base64 = {}

local ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
-- Two characters for every 12 bits.
local PAIRS = {}
for i = 0, 4095 do
  local high, low = math.floor(i / 64) + 1, i % 64 + 1
  PAIRS[i] = ALPHABET:sub(high, high) .. ALPHABET:sub(low, low)
end

-- The bits of the float nearest to x, ties to even; what is too small for a normal one becomes a subnormal.
local function bits_of(x)
  if x == 0 then return 0 end
  local sign = x < 0 and 2 ^ 31 or 0
  local mantissa, exponent = math.frexp(math.abs(x)) -- 0.5 ≤ mantissa < 1
  exponent = exponent + 126
  if exponent >= 255 then return sign + 255 * 2 ^ 23 end
  local scaled = exponent > 0 and (mantissa * 2 - 1) * 2 ^ 23 or mantissa * 2 ^ (23 + exponent)
  local whole = math.floor(scaled)
  local rest = scaled - whole
  if rest > 0.5 or (rest == 0.5 and whole % 2 == 1) then whole = whole + 1 end -- may carry into the exponent, as it should
  return sign + (exponent > 0 and exponent or 0) * 2 ^ 23 + whole
end

local function swapped(bits)
  local a, b, c = bits % 256, math.floor(bits / 256) % 256, math.floor(bits / 65536) % 256
  return a, b, c, math.floor(bits / 16777216)
end

function base64.floats(vector)
  local bytes, out = {}, {}
  for i, x in ipairs(vector) do
    local at = (i - 1) * 4
    bytes[at + 1], bytes[at + 2], bytes[at + 3], bytes[at + 4] = swapped(bits_of(x))
  end
  local count = #bytes
  for i = 1, count, 3 do
    local a, b, c = bytes[i], bytes[i + 1] or 0, bytes[i + 2] or 0
    out[#out + 1] = PAIRS[a * 16 + math.floor(b / 16)]
    out[#out + 1] = PAIRS[b % 16 * 256 + c]
  end
  local text, padding = table.concat(out), -count % 3
  return text:sub(1, #text - padding) .. ("="):rep(padding)
end

return base64
