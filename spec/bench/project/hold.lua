local hold = wye.model "mock/hold"

return function()
  return hold, "held"
end
