-- The model "wye/failover": three providers in turn, until one begins to answer.
local claude = wye.model "anthropic/sonnet"
local gpt = wye.model "openai/gpt"
local llama = wye.model "local/70b"

return function()
  return { claude, gpt, llama, first_token = 4, attempt = 60 }   -- seconds; next_on has a sane default
end
