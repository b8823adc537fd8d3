-- Looks for what makes a JSON Schema none, as far as providers refuse it: `schema.flaw(raw)` gives nil, or the path
-- inside it and what is wrong there.
local json = require "json"

local schema = {}

local TYPES = { string = true, number = true, integer = true, boolean = true, object = true, array = true, null = true }
local LISTS = { "anyOf", "oneOf", "allOf", "prefixItems" }
local MAPS = { "properties", "patternProperties", "$defs", "definitions" }
local SINGLE = { "items", "additionalProperties", "not", "if", "then", "else", "contains", "propertyNames" }

local function is_object(value)
  return type(value) == "table" and not json.is_array(value)
end

local function flaw_of_type(value)
  local types = json.is_array(value) and value or { value }
  for _, name in ipairs(types) do
    if not TYPES[name] then return ".type", json.encode(name) .. " is no type of JSON Schema" end
  end
end

local flaw

-- Looks into the schemas that the members `names` of `s` hold: each(path, member, see) calls see(path, schema) for
-- every one.
local function within(s, names, each)
  local path, why
  local function see(at, value)
    if not path then
      path, why = flaw(value)
      path = path and at .. path
    end
  end
  for _, name in ipairs(names) do
    if s[name] ~= nil and not path then each("." .. name, s[name], see) end
  end
  return path, why
end

local function of_list(at, list, see)
  if not json.is_array(list) then return see(at, json.null) end
  for i, value in ipairs(list) do see(("%s[%d]"):format(at, i - 1), value) end
end

local function of_map(at, map, see)
  if not is_object(map) then return see(at, json.null) end
  for name, value in pairs(map) do see(at .. "." .. name, value) end
end

local function of_one(at, value, see)
  if json.is_array(value) then return of_list(at, value, see) end
  see(at, value)
end

function flaw(s)
  if type(s) == "boolean" then return nil end
  if not is_object(s) then return "", "a schema must be an object" end
  if s.type ~= nil then
    local path, why = flaw_of_type(s.type)
    if path then return path, why end
  end
  if s.required ~= nil and not json.is_array(s.required) then return ".required", "must be an array of names" end
  if s.enum ~= nil and not json.is_array(s.enum) then return ".enum", "must be an array" end
  local path, why = within(s, MAPS, of_map)
  if not path then path, why = within(s, LISTS, of_list) end
  if not path then path, why = within(s, SINGLE, of_one) end
  return path, why
end

function schema.flaw(raw)
  return flaw(json.decode(tostring(raw)))
end

return schema
