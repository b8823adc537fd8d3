-- Gemini's generateContent as a wire: what comes back.
local json = require "json"
local each = require "provider.each"
local given = require "provider.given"
local names = require "provider.names"

local gemini_reply = { tool_name = { bad = "[^%w_.:-]", start = "^[%a_]", longest = 64 } }

local raw = { args = true }

local reasons = {
  STOP = "stop", MAX_TOKENS = "length", FINISH_REASON_UNSPECIFIED = "stop", OTHER = "stop", MALFORMED_FUNCTION_CALL = "stop",
  UNEXPECTED_TOOL_CALL = "stop",
}

-- All that is left says that a filter ended it: SAFETY, RECITATION, BLOCKLIST, PROHIBITED_CONTENT, SPII, LANGUAGE,
-- IMAGE_SAFETY, …
local function stop_of(reason, has_calls)
  local stop = reasons[reason] or "content_filter"
  if stop == "stop" and has_calls then return "tool_calls" end
  return stop
end

-- Cached tokens are counted inside the prompt, thoughts outside the candidates; what tools of Google's own read is a
-- prompt too.
local function usage_of(usage)
  usage = given(usage)
  if not usage then return nil end
  local read = given(usage.cachedContentTokenCount) or 0
  local prompt = (given(usage.promptTokenCount) or 0) + (given(usage.toolUsePromptTokenCount) or 0)
  return {
    input = math.max(prompt - read, 0), cache_read = read, cache_write = 0,
    output = given(usage.candidatesTokenCount) or 0, reasoning = given(usage.thoughtsTokenCount) or 0,
  }
end

-- Gemini mostly names no calls: an id that is the same whenever the same reply is read.
local function call_id(part, response, index)
  local called = part.functionCall
  if given(called.id) and called.id ~= "" then return called.id end
  local seed = tostring(response or ""):gsub("[^%w_-]", "")
  return ("call_%s_%d"):format(seed:sub(-20), index)
end

local function arguments_of(called)
  local args = given(called.args)
  return args and tostring(args) or "{}"
end

-- What grounded the answer: each support names the words and the sources that bear them.
local function citations_of(candidate)
  local grounding = given(candidate.groundingMetadata)
  local chunks = grounding and given(grounding.groundingChunks)
  if not chunks then return {} end
  local list = {}
  for _, support in each(grounding.groundingSupports) do
    local segment = given(support.segment) or {}
    for _, index in ipairs(given(support.groundingChunkIndices) or {}) do
      local web = chunks[index + 1] and given(chunks[index + 1].web)
      if web then
        list[#list + 1] = {
          url = given(web.uri), title = given(web.title), text = given(segment.text),
          from = "gemini", value = json.raw(json.encode(support)),
        }
      end
    end
  end
  return list
end

-- Gemini's log probabilities as OpenAI writes them, which is the canonical form.
local function logprobs_of(candidate)
  local result = given(candidate.logprobsResult)
  if not result then return nil end
  local function entry(chosen) return { token = chosen.token, logprob = given(chosen.logProbability) or 0, bytes = json.null } end
  local content = {}
  for i, chosen in each(result.chosenCandidates) do
    content[i] = entry(chosen)
    local top = {}
    local others = result.topCandidates and given(result.topCandidates[i]) or {}
    for k, other in each(others.candidates) do top[k] = entry(other) end
    content[i].top_logprobs = json.array(top)
  end
  return json.raw(json.encode { content = json.array(content), refusal = json.null })
end

local function has_content(part)
  return given(part.executableCode) or given(part.codeExecutionResult) or given(part.inlineData) or given(part.fileData)
end

local function parts_of(candidate)
  local content = given(candidate.content)
  return content and given(content.parts) or {}
end

-- One canonical part; nil for what says nothing (a signature on an empty text).
local function read_part(part, back, response, index)
  local text = given(part.text)
  if given(part.functionCall) then
    return {
      type = "tool_call", id = call_id(part, response, index), name = back(part.functionCall.name),
      arguments = arguments_of(part.functionCall), signature = given(part.thoughtSignature), from = "gemini",
    }
  end
  if text and text ~= "" then return { type = part.thought == true and "thinking" or "text", text = text } end
  if has_content(part) then return { type = "raw", family = "gemini", value = json.raw(json.encode(part)) } end
end

-- Neighbours of one kind are one part: Gemini cuts text where it likes.
local function add_part(content, part)
  local last = content[#content]
  if last and last.type == part.type and (part.type == "text" or part.type == "thinking") then
    last.text = last.text .. part.text
  else
    content[#content + 1] = part
  end
end

local function choice_of(candidate, index, back, response)
  local content, calls = {}, 0
  for _, item in each(parts_of(candidate)) do
    local part = read_part(item, back, response, calls)
    if part then
      if part.type == "tool_call" then calls = calls + 1 end
      add_part(content, part)
    end
  end
  local citations = citations_of(candidate)
  for i = #content, 1, -1 do
    if content[i].type == "text" and #citations > 0 then
      content[i].citations = citations
      break
    end
  end
  return {
    index = given(candidate.index) or index, content = content, logprobs = logprobs_of(candidate),
    stop = stop_of(given(candidate.finishReason) or "STOP", calls > 0),
  }
end

local function is_blocked(body)
  local feedback = given(body.promptFeedback)
  return feedback and given(feedback.blockReason) ~= nil
end

function gemini_reply.reply(text, request)
  local body, why = json.decode(text, raw)
  if type(body) ~= "table" then return nil, why or "the reply is no object" end
  local candidates = given(body.candidates) or {}
  if #candidates == 0 and not is_blocked(body) then return nil, "the reply has no candidates" end
  local _, back = names.both(request, gemini_reply.tool_name)
  local choices = {}
  for i, candidate in each(candidates) do choices[#choices + 1] = choice_of(candidate, i - 1, back, given(body.responseId)) end
  if #choices == 0 then choices[1] = { index = 0, content = {}, stop = "content_filter" } end
  local usage = usage_of(body.usageMetadata)
  return { id = given(body.responseId), model = given(body.modelVersion), choices = choices, usage = usage }
end

local Stream = {}
Stream.__index = Stream

function Stream:add(event)
  self.events[#self.events + 1] = event
end

function Stream:part(part, choice)
  local read = read_part(part, self.back, self.id, self.calls)
  if not read then return end
  if read.type ~= "tool_call" then
    read.choice = choice
    return self:add(read)
  end
  self:add {
    type = "tool", index = self.calls, id = read.id, name = read.name, signature = read.signature, from = read.from,
    choice = choice,
  }
  self:add { type = "arguments", index = self.calls, text = read.arguments, choice = choice }
  self.calls = self.calls + 1
  self.called[choice] = true
end

function Stream:candidate(candidate)
  local choice = given(candidate.index) or 0
  for _, part in each(parts_of(candidate)) do self:part(part, choice) end
  local logprobs = logprobs_of(candidate)
  if logprobs then self:add { type = "text", text = "", choice = choice, logprobs = logprobs } end
  for _, citation in ipairs(citations_of(candidate)) do
    citation.type, citation.choice = "citation", choice
    self:add(citation)
  end
  local reason = given(candidate.finishReason)
  if reason and not self.stopped[choice] then
    self.stopped[choice] = stop_of(reason, self.called[choice])
    self:add { type = "stop", reason = self.stopped[choice], choice = choice }
  end
end

function Stream:chunk(body)
  self.events = {}
  if type(body) ~= "table" then return self.events end
  if not self.started then
    self.started, self.id = true, given(body.responseId)
    self:add { type = "start", id = self.id, model = given(body.modelVersion), usage = usage_of(body.usageMetadata) }
  end
  for _, candidate in each(body.candidates) do self:candidate(candidate) end
  if is_blocked(body) and not self.stopped[0] then
    self.stopped[0] = "content_filter"
    self:add { type = "stop", reason = "content_filter", choice = 0 }
  end
  local usage = usage_of(body.usageMetadata)
  if usage then self:add { type = "usage", usage = usage } end
  return self.events
end

function gemini_reply.stream(request)
  local _, back = names.both(request, gemini_reply.tool_name)
  local stream = setmetatable({ back = back, calls = 0, called = {}, stopped = {} }, Stream)
  return function(_, data) return stream:chunk((json.decode(data, raw))) end
end

return gemini_reply
