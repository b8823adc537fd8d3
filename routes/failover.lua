-- The model "wye/failover": three providers in turn, each with the prompt that suits it, until one begins to answer.
local claude = wye.model "anthropic/sonnet"
local gpt = wye.model "openai/gpt":with { system = wye.prompt "prompts/support.openai.md" }
local llama = wye.model "local/70b":with { system = wye.prompt "prompts/support.llama.md", tools = false }

return function()
  return { claude, gpt, llama, first_token = 4, attempt = 60 }   -- seconds; next_on has a sane default
end
