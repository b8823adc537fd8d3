local kit = require "wye.testkit"

describe("trial", function()
  local t
  before_each(function() t = kit.project() end)

  local function of(user, prompt)
    return t:decide("trial", { user = user, messages = { { role = "user", content = prompt or "Name a colour." } } })
  end

  it("deals about one user in ten to v2, and each the same arm every time", function()
    local v2 = 0
    for i = 1, 400 do
      local d = of("user-" .. i)
      assert.are.equal(d.model, of("user-" .. i).model)
      if d.model == "openai/mini" then
        assert.are.equal("short", d.reason)
        v2 = v2 + 1
      else
        assert.are.equal("openai/gpt", d.model)
      end
    end
    assert.is_true(v2 > 20 and v2 < 65, v2 .. " of 400")
  end)

  it("keeps long requests on the large model in both arms", function()
    t:each_arm("trial", ("word "):rep(100), function(d) assert.are.equal("openai/gpt", d.model) end)
  end)

  it("asks nobody in order to decide", function() assert.are.equal(0, #of("user-1").asks) end)
end)
