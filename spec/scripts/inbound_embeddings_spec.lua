local embeddings = require "inbound.embeddings"
local json = require "json"
local wire = require "spec.scripts.wire"

local function read(members)
  members.model = members.model or "m"
  local request, err = embeddings.read(json.encode(members))
  assert(request, err and err.message)
  return request
end

describe("an embeddings request", function()
  it("has one text or several, or tokens", function()
    assert.are.same({ "a" }, read({ input = "a" }).input)
    assert.are.same({ "a", "b" }, read({ input = { "a", "b" } }).input)
    assert.are.equal(2, read({ input = { 1, 2 } }).input[1][2])
    assert.are.equal(3, read({ input = { { 1, 2 }, { 3 } } }).input[2][1])
    local r = read { input = "a", dimensions = 256, user = "u", priority = 1 }
    assert.are.same({ 256, "u", "1" }, { r.dimensions, r.user, tostring(r.extra.members.priority) })
  end)

  it("that is wrong is refused by the name of the member", function()
    local cases = {
      ["input"] = { model = "m" }, ["input[1]"] = { model = "m", input = { "a", 5 } }, ["model"] = { input = "a" },
      ["input[0][1]"] = { model = "m", input = { { 1, "b" } } }, ["dimensions"] = { model = "m", input = "a", dimensions = 0 },
      ["encoding_format"] = { model = "m", input = "a", encoding_format = "hex" }, ["input[0]"] = { model = "m", input = { "" } },
    }
    for param, request in pairs(cases) do assert.are.equal(param, (wire.refused(embeddings, request))) end
    local many = {}
    for i = 1, 2049 do many[i] = "a" end
    assert.are.equal("input", (wire.refused(embeddings, { model = "m", input = many })))
    assert.are.equal("input", (wire.refused(embeddings, { model = "m", input = json.array {} })))
  end)

  it("is read as others recorded it", function()
    local names = wire.recorded "*/embeddings-*"
    if not names then return pending "no ../shared" end
    for _, name in ipairs(names) do assert.is_truthy(embeddings.read(wire.slurp(name)), name) end
  end)
end)

describe("an embeddings reply", function()
  local reply = { model = "p", vectors = { { 0.5, -1 }, { 0.1, 0 } }, usage = { input = 7 } }

  it("has numbers", function()
    local r = json.decode(embeddings.reply(reply, read { input = { "a", "b" } }))
    assert.are.equal(-1, r.data[1].embedding[2])
    assert.are.same({ 1, "embedding", "list", "p" }, { r.data[2].index, r.data[2].object, r.object, r.model })
    assert.are.same({ prompt_tokens = 7, total_tokens = 7 }, r.usage)
  end)

  -- Texts as numpy gives them for float32.
  it("has base64 of 32-bit floats where the client asks for it", function()
    local r = json.decode(embeddings.reply(reply, read { input = { "a", "b" }, encoding_format = "base64" }))
    assert.are.equal("AAAAPwAAgL8=", r.data[1].embedding)
    assert.are.equal("zczMPQAAAAA=", r.data[2].embedding)
  end)

  it("rounds as floats do, to the smallest and the largest", function()
    local ffi = require "ffi"
    local base64 = require "inbound.base64"
    local numbers = { 1 / 3, -1 / 3, 1e-40, -1.4e-45, 3.4028234e38, 1e39, 16777217, 16777219, 1 - 2 ^ -25, 0.0023064255, 1e-46 }
    for _, x in ipairs(numbers) do
      local float = ffi.new("float[1]", x)
      local bytes, expected = ffi.cast("uint8_t *", float), {}
      for i = 0, 3 do expected[i + 1] = bytes[i] end
      local text = base64.floats { x }
      local bits = 0
      for c in text:sub(1, 6):gmatch "." do
        bits = bits * 64 + ("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"):find(c, 1, true) - 1
      end
      bits = bits / 16 -- six characters hold 36 bits
      local got = {}
      for i = 4, 1, -1 do
        got[i] = bits % 256
        bits = math.floor(bits / 256)
      end
      assert.are.same(expected, got, tostring(x))
    end
  end)
end)
