local json = require "json"

describe("json", function()
  it("gives back what it read", function()
    for _, text in ipairs {
      '{"a":[],"b":{},"c":null,"d":[1,2.5,-3e-07],"e":"\\"\\u0001ü"}', "[]", "{}", "null", "true", '"x"', "0.1", "[[[]]]",
    } do
      assert.are.equal(text, json.encode(json.decode(text)))
    end
  end)

  it("tells null from absent, and arrays from objects", function()
    local t = json.decode '{"none":null,"empty":[],"object":{}}'
    assert.are.equal(json.null, t.none)
    assert.is_nil(t.missing)
    assert.is_true(json.is_array(t.empty))
    assert.is_false(json.is_array(t.object))
    assert.is_false(json.is_array("text"))
  end)

  it("writes members in the order of their names", function()
    local many = {}
    for i = 1, 60 do many[("k%02d"):format(61 - i)] = i end
    local text = json.encode(many)
    assert.are.equal('{"k01":60,"k02":59,', text:sub(1, 19))
    assert.are.equal('"k60":1}', text:sub(-8))
  end)

  it("leaves named members raw, wherever they stand", function()
    local t = json.decode('[{"schema": {"b": 1.0, "a" : [] }, "name": "x"}]', { schema = true })
    assert.are.equal('{"b": 1.0, "a" : [] }', tostring(t[1].schema))
    assert.is_true(json.is_raw(t[1].schema))
    assert.are.equal('[{"name":"x","schema":{"b": 1.0, "a" : [] }}]', json.encode(t))
  end)

  it("gives null for a raw member that is null", function()
    assert.are.equal(json.null, json.decode('{"schema":null}', { schema = true }).schema)
  end)

  it("loses no digit of a long integer", function()
    local text = '{"id":12345678901234567890,"small":9007199254740992}'
    assert.are.equal(text, json.encode(json.decode(text)))
  end)

  it("makes raw slices of valid JSON only", function()
    assert.are.equal('{"a":{"x": 1}}', json.encode { a = json.raw ' {"x": 1} ' })
    assert.are.equal(json.raw "[1]", json.raw "[1]")
    local slice, why = json.raw '{"x": '
    assert.is_nil(slice)
    assert.is_string(why)
  end)

  it("marks arrays", function()
    assert.are.equal('{"stop":[]}', json.encode { stop = json.array {} })
    assert.are.equal("[]", json.encode(json.array()))
  end)

  it("says why a text is no JSON", function()
    for _, text in ipairs { "", "{", "[1,]", "{'a':1}", "nul", "1 2", '"\t"', "[" .. ("["):rep(200) } do
      local value, why = json.decode(text)
      assert.is_nil(value)
      assert.is_string(why)
    end
  end)

  it("raises for what JSON has no word for", function()
    local loop = {}
    loop.loop = loop
    for _, value in ipairs { print, 0 / 0, math.huge, { [1.5] = "x" }, { f = print }, loop } do
      assert.has_error(function() json.encode(value) end)
    end
    assert.has_error(function() json.encode() end)
  end)
end)
