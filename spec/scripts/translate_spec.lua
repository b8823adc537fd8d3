local translate = require "translate"

-- A client that speaks in brackets, and a provider that speaks in plain words.
package.loaded["inbound.brackets"] = {
  read = function(text)
    local words = text:match "^%[(.*)%]$"
    if not words then return nil, { message = "no brackets", param = "text" } end
    return { model = "m", words = words, stream = true }
  end,
  reply = function(reply) return "[" .. reply.words .. "]" end,
  stream = function()
    return function(event) return event and "[" .. event.text .. "]" or "[end]" end
  end,
}
package.loaded["provider.words"] = {
  request = function(request, target, drop)
    if request.words == "shout" then error { message = "no shouting", param = "text.0" } end
    if request.words == "bug" then error("a bug") end
    drop("colour", "words have none")
    return "/say/" .. target.name, request.words
  end,
  reply = function(text) return text ~= "" and { words = text } or nil, "empty" end,
  stream = function()
    return function(_, data)
      local events = {}
      for word in data:gmatch "%S+" do events[#events + 1] = { type = "text", text = word } end
      return events
    end
  end,
}

local function open(text)
  return translate.open("brackets", "words", text, { name = "m1", stream = true })
end

describe("translate", function()
  it("writes the provider's request and says what was dropped", function()
    local t = open "[hello]"
    assert.are.equal("/say/m1", t.path)
    assert.are.equal("hello", t.body)
    assert.are.same({ "colour: words have none" }, t.dropped)
  end)

  it("says what the client did wrong, and what the provider cannot express", function()
    assert.are.same({ n = 3, nil, "no brackets", "text" }, { n = 3, open "hello" })
    assert.are.same({ n = 3, nil, "no shouting", "text.0" }, { n = 3, open "[shout]" })
  end)

  it("lets a bug be one", function()
    assert.has_error(function() open "[bug]" end)
  end)

  it("turns replies and streams around", function()
    local t = open "[hello]"
    assert.are.equal("[hi]", translate.reply(t, "hi"))
    assert.are.same({ n = 2, nil, "empty" }, { n = 2, translate.reply(t, "") })
    local filter = translate.stream(t)
    assert.are.equal("", filter(nil, " "))
    assert.are.equal("[one]", filter(nil, "one"))
    assert.are.equal("[two][three]", filter(nil, "two three"))
    assert.are.equal("[end]", filter())
  end)
end)
