-- Reads the members of a client's request. What is wrong is raised as { message, param }, in the words and with the
-- path that the client's API would use; `field.guard` turns that into nil, { message, param }. A `null` member counts
-- as absent.
local json = require "json"

local field = {}
field.__index = field

local function kind_of(value)
  if value == json.null then return "null" end
  if json.is_array(value) then return "an array" end
  local kind = type(value)
  if kind == "string" then return "a string" end
  if kind == "number" then return value % 1 == 0 and "an integer" or "a decimal" end
  if kind == "boolean" then return "a boolean" end
  local raw = tostring(value)
  return raw:find("^%-?%d") and "an integer" or raw:find("^%[") and "an array" or raw:find('^"') and "a string" or "an object"
end

local function listed(values, joint, quote)
  local words = {}
  for i, value in ipairs(values) do words[i] = quote .. value .. quote end
  local last = table.remove(words)
  return #words == 0 and last or table.concat(words, ", ") .. joint .. last
end

-- The words of OpenAI's and of Anthropic's API.
local openai = {
  item = "%s[%d]",
  syntax = "We could not parse the JSON body of your request.",
  missing = function(path) return ("Missing required parameter: '%s'."):format(path) end,
  wrong = function(path, wanted, value)
    return ("Invalid type for '%s': expected %s, but got %s instead."):format(path, wanted, kind_of(value))
  end,
  unknown = function(path, value, values)
    return ("Invalid value for '%s': '%s'. Supported values are: %s."):format(path, value, listed(values, ", and ", "'"))
  end,
  says = function(path, why) return ("Invalid '%s': %s."):format(path, why) end,
}

local anthropic = {
  item = "%s.%d",
  syntax = "The request body is not valid JSON",
  missing = function(path) return path .. ": Field required" end,
  wrong = function(path, wanted) return ("%s: Input should be %s"):format(path, (wanted:gsub("^an? ", "a valid "))) end,
  unknown = function(path, value, values)
    return ("%s: Input should be %s, not '%s'"):format(path, listed(values, " or ", "'"), value)
  end,
  says = function(path, why) return ("%s: %s"):format(path, why) end,
}

-- A reader whose errors speak as `api` ("openai" or "anthropic") does.
function field.reader(api)
  return setmetatable({ words = api == "openai" and openai or anthropic }, field)
end

function field.raise(path, message)
  error({ message = message, param = path }, 0)
end

-- `why` is a clause without a full stop.
function field:fail(path, why)
  field.raise(path, self.words.says(path, why))
end

-- Calls read(request) for the object in `text`; `raw` names the members that stay raw.
function field:guard(text, raw, read)
  local body = json.decode(text, raw)
  if type(body) ~= "table" or json.is_array(body) then return nil, { message = self.words.syntax } end
  local ok, result = pcall(read, body)
  if ok then return result end
  if type(result) ~= "table" then error(result, 0) end
  return nil, result
end

function field:item(path, i)
  return self.words.item:format(path, i - 1)
end

local function join(path, name)
  return path and path .. "." .. name or name
end
field.join = join

local function get(self, t, name, path, required)
  local value = t[name]
  if value ~= nil and value ~= json.null then return value end
  if required then self:missing(join(path, name)) end
end

local function typed(kind, wanted)
  return function(self, t, name, path, required)
    local value = get(self, t, name, path, required)
    if value == nil or type(value) == kind then return value end
    self:wrong(join(path, name), wanted, value)
  end
end

function field:missing(path)
  field.raise(path, self.words.missing(path))
end

function field:wrong(path, wanted, value)
  field.raise(path, self.words.wrong(path, wanted, value))
end

field.string = typed("string", "a string")
field.number = typed("number", "a number")
field.boolean = typed("boolean", "a boolean")

-- An integer of at least `least`. One beyond 2^53 is a raw slice.
function field:integer(t, name, path, least)
  local value = get(self, t, name, path)
  if value == nil then return nil end
  local number = tonumber(tostring(value))
  if type(value) == "string" or not number or number % 1 ~= 0 then self:wrong(join(path, name), "an integer", value) end
  if least and number < least then self:fail(join(path, name), ("must be at least %d, and is %d"):format(least, number)) end
  return value
end

function field:array(t, name, path, required)
  local value = get(self, t, name, path, required)
  if value == nil or json.is_array(value) then return value end
  self:wrong(join(path, name), "an array", value)
end

function field:object(t, name, path, required)
  local value = get(self, t, name, path, required)
  if value == nil then return nil end
  return self:is_object(value, join(path, name))
end

-- A decoded object: neither an array nor a raw slice.
function field:is_object(value, path)
  if type(value) == "table" and not json.is_array(value) then return value end
  self:wrong(path, "an object", value)
end

-- A member that was kept raw and must be an object.
function field:raw_object(t, name, path, required)
  local value = get(self, t, name, path, required)
  if value == nil or tostring(value):sub(1, 1) == "{" then return value end
  self:wrong(join(path, name), "an object", json.decode(tostring(value)))
end

-- A string that is one of `values`.
function field:choice(t, name, path, values, required)
  local value = self:string(t, name, path, required)
  if value == nil then return nil end
  for _, known in ipairs(values) do
    if value == known then return value end
  end
  field.raise(join(path, name), self.words.unknown(join(path, name), value, values))
end

function field:strings(t, name, path)
  local list = self:array(t, name, path)
  for i, value in ipairs(list or {}) do
    if type(value) ~= "string" then self:wrong(self:item(join(path, name), i), "a string", value) end
  end
  return list
end

-- Any value as a raw slice.
function field.raw(value)
  if value == nil then return nil end
  return json.raw(json.encode(value))
end

-- What of `t` is not in the set `known`, as raw slices.
function field.rest(t, known)
  local members = {}
  for name, value in pairs(t) do
    if not known[name] and value ~= json.null then members[name] = field.raw(value) end
  end
  return members
end

return field
