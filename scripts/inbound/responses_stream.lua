-- OpenAI's responses, streamed: each item of the output is added, grows, and is done before the next begins; every
-- event has its number, and the last ones repeat the response.
local json = require "json"
local ids = require "inbound.ids"
local openai = require "inbound.openai"
local response = require "inbound.response"

local quote = json.encode

local encoder = {}
encoder.__index = encoder

-- One event; `members` is JSON from its first comma.
function encoder:event(name, members)
  local number = self.number
  self.number = number + 1
  return "event: " .. name .. '\ndata: {"type":"' .. name .. '","sequence_number":' .. number .. members .. "}\n\n"
end

function encoder:state(name, status, usage, why)
  return self:event(name, ',"response":' .. json.encode(response.new(self.head, self.request, status, self.items, usage, why)))
end

function encoder:start(e)
  if self.head then return "" end
  self.head = {
    id = ids.like("resp_", e.id), model = e.model or self.request.model, created = e.created or os.time(),
    service_tier = e.service_tier,
  }
  return self:state("response.created", "in_progress") .. self:state("response.in_progress", "in_progress")
end

-- Where an event of the open item stands; `more` names the part within it.
local function place(item, more)
  return (',"item_id":%s,"output_index":%d'):format(quote(item.id), item.index) .. (more or "")
end

local on = { start = encoder.start }
local PART, SUMMARY = ',"content_index":0', ',"summary_index":0'

-- Begins an item: `kind` is its prefix, make(id, status) the object. What it holds is put together from `texts`.
function encoder:begin(kind, make)
  local before = self:start {} .. self:close()
  local item = { kind = kind, index = self.count, texts = {}, make = make }
  item.id = ("%s_%s_%d"):format(kind, self.head.id:sub(#"resp_" + 1), item.index)
  self.open, self.count = item, self.count + 1
  local added = ',"output_index":' .. item.index .. ',"item":' .. json.encode(make(item, "in_progress"))
  return before .. self:event("response.output_item.added", added), item
end

local finish = {}

-- Ends the open item; "incomplete" when the model was cut short in it.
function encoder:close(status)
  local item = self.open
  if not item then return "" end
  self.open = nil
  local last = finish[item.kind](self, item)
  local done = item.make(item, status or "completed")
  self.items[item.index + 1] = done
  return last .. self:event("response.output_item.done", ',"output_index":' .. item.index .. ',"item":' .. json.encode(done))
end

-- A message has one part: what comes in another form begins another message.
local function message(item, status)
  return response.message(item.id, status, json.array(status ~= "in_progress" and { item.part() } or {}))
end

function encoder:say(form, make)
  local open = self.open
  if open and open.kind == "msg" and open.form == form and not open.ended then return "", open end
  local before, item = self:begin("msg", message)
  item.form, item.notes, item.part = form, json.array {}, make(item)
  return before .. self:event("response.content_part.added", place(item, PART) .. ',"part":' .. json.encode(item.part())), item
end

local function text_part(item)
  return function() return response.text(table.concat(item.texts), item.notes, item.logprobs) end
end

local function refusal_part(item)
  return function() return response.refusal(table.concat(item.texts)) end
end

function finish.msg(self, item)
  local part = item.part()
  local said
  if item.form == "text" then
    said = self:event("response.output_text.done",
      place(item, PART) .. ',"text":' .. quote(part.text) .. ',"logprobs":' .. json.encode(part.logprobs))
  else
    said = self:event("response.refusal.done", place(item, PART) .. ',"refusal":' .. quote(part.refusal))
  end
  return said .. self:event("response.content_part.done", place(item, PART) .. ',"part":' .. json.encode(part))
end

function on:text(e)
  if e.text == "" then return "" end
  local before, item = self:say("text", text_part)
  item.texts[#item.texts + 1] = e.text
  item.delta = item.delta or place(item, PART)
  local logprobs = "[]"
  if e.logprobs then
    local list = response.logprobs(e.logprobs)
    item.logprobs, logprobs = item.logprobs or json.array {}, json.encode(list)
    for _, one in ipairs(list) do item.logprobs[#item.logprobs + 1] = one end
  end
  local members = item.delta .. ',"delta":' .. quote(e.text) .. ',"logprobs":' .. logprobs
  return before .. self:event("response.output_text.delta", members)
end

function on:refusal(e)
  self.refused = true
  local before, item = self:say("refusal", refusal_part)
  item.texts[#item.texts + 1] = e.text
  return before .. self:event("response.refusal.delta", place(item, PART) .. ',"delta":' .. quote(e.text))
end

function on:citation(e)
  local item = self.open
  if not item or item.form ~= "text" then return "" end
  local note = response.annotation(e, select(2, table.concat(item.texts):gsub("[^\128-\191]", "")))
  if not note then return "" end
  item.notes[#item.notes + 1] = note
  return self:event("response.output_text.annotation.added",
    place(item, PART) .. ',"annotation_index":' .. #item.notes - 1 .. ',"annotation":' .. json.encode(note))
end

local function reasoning(item, status)
  if status == "in_progress" then return response.reasoning(item.id, "") end
  return item.data and response.redacted(item.id, item.data, item.from)
    or response.reasoning(item.id, table.concat(item.texts), item.signature, item.from)
end

function finish.rs(self, item)
  if #item.texts == 0 then return "" end
  local text = quote(table.concat(item.texts))
  local part = ',"part":{"type":"summary_text","text":' .. text .. "}"
  return self:event("response.reasoning_summary_text.done", place(item, SUMMARY) .. ',"text":' .. text)
    .. self:event("response.reasoning_summary_part.done", place(item, SUMMARY) .. part)
end

function encoder:think()
  if self.open and self.open.kind == "rs" then return "", self.open end
  return self:begin("rs", reasoning)
end

function on:thinking(e)
  if e.text == "" then return "" end
  local before, item = self:think()
  if #item.texts == 0 then
    before = before .. self:event("response.reasoning_summary_part.added",
      place(item, SUMMARY) .. ',"part":{"type":"summary_text","text":""}')
  end
  item.texts[#item.texts + 1] = e.text
  return before .. self:event("response.reasoning_summary_text.delta", place(item, SUMMARY) .. ',"delta":' .. quote(e.text))
end

function on:signature(e)
  local before, item = self:think()
  item.signature, item.from = e.text, e.from
  return before .. self:close()
end

function on:redacted(e)
  local before, item = self:begin("rs", reasoning)
  item.data, item.from = e.data, e.from
  return before .. self:close()
end

function on:tool(e)
  local before = e.signature and on.signature(self, { text = e.signature, from = e.from }) or ""
  local id, request = e.id or ids.like("call_"), self.request
  local begun, item = self:begin("fc", function(item, status)
    local arguments = table.concat(item.texts)
    return response.call(item.id, status, { id = id, name = e.name, arguments = arguments }, request)
  end)
  item.name, item.call, item.is_custom = e.name, e.index, openai.is_custom(request, e.name)
  self.tools[e.index] = item
  return before .. begun
end

-- A fragment for a call that is done (its provider writes several at once) still reaches the response at the end.
function on:arguments(e)
  local item = self.tools[e.index]
  if not item or e.text == "" then return "" end
  item.texts[#item.texts + 1] = e.text
  if self.items[item.index + 1] then self.items[item.index + 1] = item.make(item, "completed") end
  if item.is_custom then return "" end -- the plain text is taken out of the arguments when they are whole
  return self:event("response.function_call_arguments.delta", place(item) .. ',"delta":' .. quote(e.text))
end

function finish.fc(self, item)
  local before = #item.texts == 0 and on.arguments(self, { index = item.call, text = "{}" }) or ""
  local arguments = table.concat(item.texts)
  if not item.is_custom then
    return before .. self:event("response.function_call_arguments.done",
      place(item) .. ',"name":' .. quote(item.name) .. ',"arguments":' .. quote(arguments))
  end
  local text = quote(openai.plain_input(arguments))
  return self:event("response.custom_tool_call_input.delta", place(item) .. ',"delta":' .. text)
    .. self:event("response.custom_tool_call_input.done", place(item) .. ',"input":' .. text)
end

function on:stop(e)
  self.reason = e.reason
  return self:start {} .. self:close((response.status(e.reason, self.refused)))
end

function on:usage(e)
  self.usage = e.usage
  return ""
end

function encoder:finish()
  local last = self:start {} .. self:close()
  local status, why = response.status(self.reason, self.refused)
  return last .. self:state("response." .. status, status, self.usage or {}, why)
end

return function(request)
  local self = setmetatable({ request = request, number = 0, count = 0, items = json.array {}, tools = {} }, encoder)
  return function(e)
    if not e then return self:finish() end
    local handle = on[e.type]
    if not handle or (e.choice or 0) ~= 0 then return "" end
    return handle(self, e)
  end
end
