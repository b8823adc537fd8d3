-- OpenAI and every server that speaks like it: chat completions and embeddings.
local json = require "json"
local chat = require "provider.chat"
local chat_reply = require "provider.chat_reply"
local embeddings = require "provider.embeddings"

local openai = {}

function openai.request(request, target, drop)
  return "/chat/completions", json.encode(chat.body(request, target, drop))
end

function openai.reply(text, request)
  local body, why = json.decode(text, chat_reply.raw)
  if type(body) ~= "table" then return nil, why or "the reply is no object" end
  return chat_reply.reply(body, request)
end

function openai.stream(request)
  local decode = chat_reply.stream(request)
  return function(_, data)
    local chunk = json.decode(data, chat_reply.raw)
    return chunk and decode(chunk) or {}
  end
end

openai.embeddings = {
  request = function(request, target, drop) return "/embeddings", json.encode(embeddings.body(request, target, drop)) end,
  reply = embeddings.reply,
}

return openai
