-- Which family of providers made a signature, where the client's protocol has no member that says so: one that the
-- protocol's own family did not make stands behind `wye.FAMILY:`. Clients send signatures back as they got them, so the
-- mark leads the next turn's to their maker only. `wye.none:` marks thinking that nobody signed.
local provenance = {}

-- `own` is the family whose signatures the protocol carries bare.
function provenance.mark(signature, from, own)
  if signature and from == own then return signature end
  return ("wye.%s:%s"):format(signature and from or "none", signature or "")
end

-- The signature and its family; nil when there is none.
function provenance.read(text, own)
  local from, signature = text:match "^wye%.(%a+):(.*)$"
  if from == "none" or text == "" then return nil end
  if from then return signature, from end
  return text, own
end

return provenance
