-- for i, object in each(list): the objects in what should be a list of them. Nothing of another kind is given, so
-- that a provider's null ends no stream.
return function(list)
  local i = 0
  return function()
    if type(list) ~= "table" then return nil end
    local item
    repeat
      i = i + 1
      item = list[i]
    until item == nil or type(item) == "table"
    if item ~= nil then return i, item end
  end
end
