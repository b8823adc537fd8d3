-- OpenAI's responses: the client's side. Thinking is the summary of a reasoning item, and what signs it its
-- encrypted_content.
local json = require "json"
local ids = require "inbound.ids"
local response = require "inbound.response"

local responses = { read = require "inbound.responses_request", stream = require "inbound.responses_stream" }

-- Items are numbered within their response.
local function item_id(out, prefix)
  return ("%s_%s_%d"):format(prefix, out.base, #out.items)
end

-- Texts in a row are parts of one message.
local function say(out, part)
  local last = out.items[#out.items]
  if not last or last.type ~= "message" then
    last = response.message(item_id(out, "msg"), "completed", json.array {})
    out.items[#out.items + 1] = last
  end
  last.content[#last.content + 1] = part
end

local add = {}

function add.text(out, part, _, choice)
  local notes = json.array {}
  for _, citation in ipairs(part.citations or {}) do
    notes[#notes + 1] = response.annotation(citation, select(2, part.text:gsub("[^\128-\191]", "")))
  end
  say(out, response.text(part.text, notes, response.logprobs(choice.logprobs)))
end

function add.refusal(out, part)
  out.refused = true
  say(out, response.refusal(part.text))
end

function add.thinking(out, part)
  out.items[#out.items + 1] = response.reasoning(item_id(out, "rs"), part.text, part.signature, part.from)
end

function add.redacted(out, part)
  out.items[#out.items + 1] = response.redacted(item_id(out, "rs"), part.data, part.from)
end

function add.tool_call(out, part, request)
  if part.signature then add.thinking(out, { text = "", signature = part.signature, from = part.from }) end
  local arguments = part.arguments == "" and "{}" or part.arguments
  local call = { id = part.id or ids.like("call_"), name = part.name, arguments = arguments }
  out.items[#out.items + 1] = response.call(item_id(out, "fc"), "completed", call, request)
end

function responses.reply(reply, request)
  local choice = reply.choices[1] or { content = {} }
  local head = {
    id = ids.like("resp_", reply.id), model = reply.model or request.model, created = reply.created or os.time(),
    service_tier = reply.service_tier,
  }
  local out = { items = json.array {}, base = head.id:sub(#"resp_" + 1) }
  for _, part in ipairs(choice.content) do
    if add[part.type] then add[part.type](out, part, request, choice) end
  end
  local status, why = response.status(choice.stop, out.refused)
  return json.encode(response.new(head, request, status, out.items, reply.usage, why))
end

return responses
