-- What a model of Anthropic's can do, told by its name; Bedrock's and Vertex's names hold the same words. An unknown
-- name gets what every server takes.
local effort = require "provider.effort"

local claude = {}

-- 3.5 for claude-3-5-sonnet-20240620, 4.6 for anthropic.claude-opus-4-6-v1:0, 5 for claude-sonnet-5; nil for other
-- names.
function claude.version(name)
  local rest = name:match "claude%-(.*)"
  if not rest then return nil end
  local major, minor = rest:match "^(%d+)[-.](%d%d?)%f[^%d]"
  if not major then major, minor = rest:match "^%a+%-(%d+)[-.](%d%d?)%f[^%d]" end
  if not major then major = rest:match "^(%d%d?)%f[^%d]" or rest:match "^%a+%-(%d%d?)%f[^%d]" end
  return major and tonumber(major) + (tonumber(minor) or 0) / 10
end

-- The wire demands a limit: the model's own where the name tells it.
function claude.max_tokens(name)
  local version = claude.version(name)
  if not version then return 8192 end
  if version < 3.5 then return 4096 end
  if version < 3.7 then return 8192 end
  if name:find "opus" and version < 4.5 then return 32000 end
  return 64000
end

function claude.has_schemas(name)
  local version = claude.version(name)
  return version ~= nil and (version >= 4.5 or (version >= 4.1 and name:find "opus" ~= nil))
end

local LEAST = 1024

-- The last turn of the assistant, when tools' results follow it, must begin with its thoughts, or thinking is
-- refused.
local function continues_without_thought(messages)
  local last = messages[#messages]
  local before = messages[#messages - 1]
  if not last or not before or last.role ~= "user" or before.role ~= "assistant" or last.content[1].type ~= "tool_result" then
    return false
  end
  local first = before.content[1].type
  return first ~= "thinking" and first ~= "redacted_thinking"
end

local function budget_of(request, max_tokens, drop)
  local budget = effort.budget(request.reasoning) or effort.budget { effort = "medium" }
  if budget < LEAST then
    drop("reasoning.budget", "the smallest is 1024, which was sent")
    budget = LEAST
  end
  if budget < max_tokens then return budget end
  drop("reasoning.budget", "it must stay below max_tokens: half of that was sent")
  return math.floor(max_tokens / 2)
end

-- Anthropic's efforts begin with low; xhigh came with 4.7.
local function effort_of(reasoning, version, drop)
  local level = effort.level(reasoning)
  if level == "minimal" then return "low" end
  if level ~= "xhigh" or version > 4.6 then return level end
  drop("reasoning.effort", "this model has no xhigh: high was sent")
  return "high"
end

-- The `thinking` object and the effort for the model `name`, each nil when there is nothing to say. `messages` are
-- the wire's.
function claude.thinking(request, name, messages, max_tokens, drop)
  local reasoning = request.reasoning
  if not reasoning then return nil end
  local version, choice = claude.version(name), request.tool_choice and request.tool_choice.type
  local is_off = reasoning.effort == "none" or reasoning.budget == 0
  if version and version < 3.7 then return not is_off and drop("reasoning", name .. " does not think") or nil end
  if is_off then return { type = "disabled" } end
  if choice == "required" or choice == "tool" then return drop("reasoning", "a forced tool excludes thinking") end
  if version and version >= 4.6 then
      local display = version > 4.6 and reasoning.show and "summarized" or nil
    return { type = "adaptive", display = display }, effort_of(reasoning, version, drop)
  end
  if continues_without_thought(messages) then
    return drop("reasoning", "the turn before the tool's result has no thought of Anthropic's")
  end
  if max_tokens <= LEAST then return drop("reasoning", "max_tokens leaves no room to think") end
  local budget = budget_of(request, max_tokens, drop)
  if budget < LEAST then return drop("reasoning", "max_tokens leaves no room to think") end
  return { type = "enabled", budget_tokens = budget }
end

local function leave_out(body, names, why, drop)
  for _, name in ipairs(names) do
    if body[name] then body[name] = drop(name, why) end
  end
end

-- Takes out of `body` the sampling parameters that the model, or its thinking, refuses.
function claude.limit_sampling(body, name, drop)
  local version = claude.version(name)
  if version and version > 4.6 then
    leave_out(body, { "temperature", "top_p", "top_k" }, name .. " takes none", drop)
  elseif body.thinking and body.thinking.type ~= "disabled" then
    leave_out(body, { "temperature", "top_k" }, "thinking excludes it", drop)
    if body.top_p and body.top_p < 0.95 then leave_out(body, { "top_p" }, "thinking excludes it", drop) end
  elseif version and version > 4 and body.temperature then
    leave_out(body, { "top_p" }, name .. " takes it or temperature", drop)
  end
end

return claude
