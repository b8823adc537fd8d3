-- The objects of OpenAI's responses: items of the output and the response that holds them.
local json = require "json"
local openai = require "inbound.openai"
local provenance = require "inbound.provenance"

local response = {}

-- Cached tokens are part of input_tokens, reasoning part of output_tokens.
local function usage_of(usage)
  if not usage then return json.null end
  local read, written = usage.cache_read or 0, usage.cache_write or 0
  local input, output = (usage.input or 0) + read + written, (usage.output or 0) + (usage.reasoning or 0)
  return {
    input_tokens = input, output_tokens = output, total_tokens = input + output,
    input_tokens_details = { cached_tokens = read, cache_write_tokens = written > 0 and written or nil },
    output_tokens_details = { reasoning_tokens = usage.reasoning or 0 },
  }
end

-- The response in one of its states; `head` has id, model, created and service_tier. Members that the request did not
-- name have OpenAI's defaults.
function response.new(head, request, status, output, usage, why)
  local r = {
    id = head.id, object = "response", created_at = head.created, status = status, model = head.model, output = output,
    usage = usage_of(usage), error = json.null, incomplete_details = why and { reason = why } or json.null,
    previous_response_id = json.null, background = false, store = false, service_tier = head.service_tier,
    instructions = json.null, max_output_tokens = json.null, metadata = {}, parallel_tool_calls = true,
    temperature = 1, top_p = 1,
    reasoning = { effort = json.null, summary = json.null }, text = { format = { type = "text" } },
    tool_choice = "auto", tools = json.array {}, truncation = "disabled",
  }
  for name, value in pairs(request.echo.response or {}) do r[name] = value end
  return r
end

-- A response's status, and why when it is incomplete.
function response.status(reason, has_refusal)
  if reason == "length" then return "incomplete", "max_output_tokens" end
  if reason == "content_filter" or (reason == "refusal" and not has_refusal) then return "incomplete", "content_filter" end
  return "completed"
end

-- Log probabilities as this API lists them; canonical ones are chat's.
function response.logprobs(raw)
  local value = raw and json.decode(tostring(raw))
  return type(value) == "table" and json.is_array(value.content) and value.content or json.array {}
end

function response.annotation(citation, length)
  if not citation.url then return nil end
  return {
    type = "url_citation", url = citation.url, title = citation.title or "",
    start_index = citation.start or 0, end_index = citation.stop or length,
  }
end

function response.text(text, annotations, logprobs)
  return { type = "output_text", text = text, annotations = annotations or json.array {}, logprobs = logprobs or json.array {} }
end

function response.refusal(text)
  return { type = "refusal", refusal = text }
end

function response.message(id, status, content)
  return { id = id, type = "message", status = status, role = "assistant", content = content }
end

function response.reasoning(id, text, signature, from)
  local summary = json.array {}
  if text ~= "" then summary[1] = { type = "summary_text", text = text } end
  local sealed = signature and provenance.mark(signature, from, "openai")
  return { id = id, type = "reasoning", summary = summary, encrypted_content = sealed }
end

function response.redacted(id, data, from)
  return response.reasoning(id, "", from ~= "openai" and provenance.redact(data) or data, from)
end

-- A call of a function, or of a tool that takes plain text.
function response.call(id, status, part, request)
  if openai.is_custom(request, part.name) then
    return {
      id = id, type = "custom_tool_call", status = status, call_id = part.id, name = part.name,
      input = part.arguments == "" and "" or openai.plain_input(part.arguments),
    }
  end
  return { id = id, type = "function_call", status = status, call_id = part.id, name = part.name, arguments = part.arguments }
end

return response
