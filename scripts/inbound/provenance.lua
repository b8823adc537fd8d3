-- Which family of providers made a signature, where the client's protocol has no member that says so: one that the
-- protocol's own family did not make stands behind `~wye.FAMILY:`. Clients send signatures back as they got them, so the
-- mark leads the next turn's to their maker only. `~wye.none:` marks thinking that nobody signed.
local provenance = {}

-- `own` is the family whose signatures the protocol carries bare.
function provenance.mark(signature, from, own)
  if signature and from == own then return signature end
  return ("~wye.%s:%s"):format(signature and from or "none", signature or "")
end

-- The signature and its family; nil when there is none.
function provenance.read(text, own)
  local from, signature = text:match "^~wye%.(%a+):(.*)$"
  if from == "none" or text == "" then return nil end
  if from then return signature, from end
  return text, own
end

-- Redacted thinking where the protocol has one member for it and for signatures.
function provenance.redact(data)
  return "!" .. data
end

function provenance.redacted(signature)
  return signature:match "^!(.*)$"
end

-- A signature without thinking, right before a call, is the call's own (of a provider that signs calls).
function provenance.sign_calls(parts)
  local out = {}
  for i, part in ipairs(parts) do
    local next_part = parts[i + 1]
    if part.type == "thinking" and part.text == "" and part.from == "gemini" and next_part and next_part.type == "tool_call" then
      next_part.signature, next_part.from = part.signature, part.from
    else
      out[#out + 1] = part
    end
  end
  return out
end

return provenance
