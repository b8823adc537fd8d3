-- PlanOut's random operators (Bakshy, Eckles and Bernstein 2014): what depends on a unit depends on a hash of it and
-- nothing else.
local bit = require "bit"

local planout = {}
local band, bxor, bor, rol, tobit = bit.band, bit.bxor, bit.bor, bit.rol, bit.tobit
local LARGEST = 0xFFFFFFFFFFFFFFFULL

local function word(text, at)
  local a, b, c, d = text:byte(at, at + 3)
  return bor(bit.lshift(a, 24), bit.lshift(b, 16), bit.lshift(c, 8), d)
end

local function mix(i, b, c, d)
  if i < 20 then return bxor(d, band(b, bxor(c, d))), 0x5A827999 end
  if i < 40 then return bxor(b, c, d), 0x6ED9EBA1 end
  if i < 60 then return bor(band(b, c), band(d, bor(b, c))), 0x8F1BBCDC end
  return bxor(b, c, d), 0xCA62C1D6
end

-- The first 16 hex digits of SHA-1 (FIPS 180-4).
local function sha1(text)
  local size = #text
  text = text .. "\128" .. ("\0"):rep((55 - size) % 64 + 4)
  for _, shift in ipairs { 21, 13, 5 } do text = text .. string.char(band(bit.rshift(size, shift), 255)) end
  text = text .. string.char(band(size * 8, 255))
  local h0, h1, h2, h3, h4 = 0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476, 0xC3D2E1F0
  local w = {}
  for block = 1, #text, 64 do
    for i = 0, 15 do w[i] = word(text, block + i * 4) end
    for i = 16, 79 do w[i] = rol(bxor(w[i - 3], w[i - 8], w[i - 14], w[i - 16]), 1) end
    local a, b, c, d, e = h0, h1, h2, h3, h4
    for i = 0, 79 do
      local f, k = mix(i, b, c, d)
      a, b, c, d, e = tobit(rol(a, 5) + f + e + tobit(k) + w[i]), a, rol(b, 30), c, d
    end
    h0, h1, h2, h3, h4 = tobit(h0 + a), tobit(h1 + b), tobit(h2 + c), tobit(h3 + d), tobit(h4 + e)
  end
  return bit.tohex(h0) .. bit.tohex(h1)
end

local function joined(unit)
  if type(unit) ~= "table" then return tostring(unit) end
  local words = {}
  for i, part in ipairs(unit) do words[i] = tostring(part) end
  return table.concat(words, ".")
end

-- A 60-bit number (cdata) of "SALT.VAR.UNIT"; a unit may be a list.
function planout.hash(salt, var, unit)
  local text = salt .. "." .. var .. "." .. joined(unit)
  local hex = sha1(text):sub(1, 15)
  return tonumber(hex:sub(1, 7), 16) * 0x100000000ULL + tonumber(hex:sub(8), 16)
end

local function uniform_of(hash, low, high)
  return (low or 0) + ((high or 1) - (low or 0)) * (tonumber(hash) / tonumber(LARGEST))
end

function planout.uniform(salt, var, unit, low, high)
  return uniform_of(planout.hash(salt, var, unit), low, high)
end

function planout.random_integer(salt, var, unit, low, high)
  return low + tonumber(planout.hash(salt, var, unit) % (high - low + 1))
end

function planout.bernoulli(salt, var, unit, p)
  return planout.uniform(salt, var, unit) <= p and 1 or 0
end

function planout.uniform_choice(salt, var, unit, choices)
  return choices[tonumber(planout.hash(salt, var, unit) % #choices) + 1]
end

function planout.weighted_choice(salt, var, unit, choices, weights)
  local sum = 0
  for _, weight in ipairs(weights) do sum = sum + weight end
  local stop, upto = planout.uniform(salt, var, unit, 0, sum), 0
  for i, weight in ipairs(weights) do
    upto = upto + weight
    if stop <= upto then return choices[i] end
  end
  return choices[#choices]
end

-- Draws of one operator: each is hashed with a further unit. PlanOut adds it to the list that it was given as unit, so
-- that with a list all earlier ones
-- stay in; with a single unit they do not.
local function draws_of(salt, var, unit)
  local units = type(unit) == "table" and { unpack(unit) }
  return function(appended)
    if not units then return planout.hash(salt, var, { unit, appended }) end
    units[#units + 1] = appended
    return planout.hash(salt, var, units)
  end
end

-- Fisher and Yates from the end, as PlanOut shuffles; `draws` of the choices. The fast one stops when it has them.
local function sample(salt, var, unit, choices, draws, is_fast)
  local items, n, draw = { unpack(choices) }, #choices, draws_of(salt, var, unit)
  draws = draws or n
  for i = n - 1, is_fast and n - draws or 1, -1 do
    local k = tonumber(draw(i) % (i + 1))
    items[i + 1], items[k + 1] = items[k + 1], items[i + 1]
  end
  local out = {}
  for i = 1, draws do out[i] = is_fast and items[n - draws + i] or items[i] end
  return out
end

function planout.sample(salt, var, unit, choices, draws)
  return sample(salt, var, unit, choices, draws, false)
end

function planout.fast_sample(salt, var, unit, choices, draws)
  return sample(salt, var, unit, choices, draws, true)
end

function planout.bernoulli_filter(salt, var, unit, p, choices)
  local out, draw = {}, draws_of(salt, var, unit)
  for _, choice in ipairs(choices) do
    if uniform_of(draw(choice)) <= p then out[#out + 1] = choice end
  end
  return out
end

-- Which segments each experiment of a namespace gets: `order` lists { name, segments } as they were added.
function planout.allocate(namespace, num_segments, order)
  local free, allocation = {}, {}
  for i = 0, num_segments - 1 do free[#free + 1] = i end
  for _, added in ipairs(order) do
    local taken = planout.sample(namespace, "sampled_segments", added[1], free, added[2])
    local is_taken, left = {}, {}
    for _, segment in ipairs(taken) do is_taken[segment] = true end
    for _, segment in ipairs(free) do
      if not is_taken[segment] then left[#left + 1] = segment end
    end
    table.sort(taken)
    allocation[added[1]], free = taken, left
  end
  return allocation
end

-- The segment of a unit.
function planout.segment(namespace, num_segments, unit)
  return planout.random_integer(namespace, "segment", unit, 0, num_segments - 1)
end

return planout
