-- The model "auto" of clients: sends each request by what is in it.
local vision = wye.model "google/flash"
local coder = wye.model "anthropic/sonnet":with { system = wye.prompt "prompts/code.md" }
local reader = wye.model "google/flash"
local cheap = wye.model "openai/mini"

local signs_of_code = { "```", "traceback", "stack trace", "segfault", "refactor", "unit test", "regex" }

local function sign_of_code(prompt)
  local text = prompt:lower()
  for _, sign in ipairs(signs_of_code) do
    if text:find(sign, 1, true) then return sign end
  end
end

return function(req)
  if req.has_image then return vision, "has an image" end

  local sign = sign_of_code(req.prompt)
  if sign then return coder, "code: " .. sign end

  if req.tokens > 8000 then return reader, "long: about " .. req.tokens .. " tokens" end
  return cheap, "short and plain"
end
