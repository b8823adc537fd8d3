---@meta wye
-- luacheck: ignore 111 121 122 131 142 143 212 241
-- What a route sees, for editors that run LuaLS (lua-language-server); the comments are the reference. Nothing loads this file.
--
-- A route file returns `function(req)`, or `{ route = function(req), after = function(outcome) }`. The function returns its
-- decision and, optionally, the reason, which `wye why` shows:
--   a model                              serve from it (streams)
--   a list of models, with options       try in turn until one begins to answer
--   a reply that it holds                serve that
--   wye.refuse(status, message)          an error of the client's protocol
-- What the world can do comes back as `nil, err`; misuse raises. A route that raises is served by the `default` model of
-- wye.lua, with cause `script_error`.

---A kind of failure, as `err.kind` and in `next_on`.
---@alias wye.ErrorKind
---| "rate_limit"      # 429
---| "overloaded"      # 503, 529, overload inside a stream, a model that the operator drained
---| "server_error"    # other 5xx, and errors inside a stream
---| "auth"            # 401, 403
---| "bad_request"     # 400, 404, 413, 422
---| "content_filter"  # the provider would not answer this
---| "connect"         # refused, reset or ended before any byte of the reply; DNS; TLS
---| "cut"             # ended inside the reply
---| "malformed"       # not HTTP, not JSON, not the protocol
---| "timeout"         # a deadline passed
---| "limit"           # a budget of our own
---| "cancelled"       # the client left

---@class wye.Error
---@field kind wye.ErrorKind
---@field message string    for people
---@field retryable boolean the same call may succeed a moment later
---@field status integer    the provider's HTTP status; 0 when there was none

---The request, read-only. A field that the client did not send is nil; a misspelt one raises and names the near one.
---@class wye.Request
---@field id string             the decision's id, as in `x-wye-id`
---@field user? string          `user` of the body, or the header `x-wye-user`
---@field conversation? string  the header `x-wye-conversation`, else `metadata.conversation`, `metadata.conversation_id` or
---                             `prompt_cache_key` of the body
---@field prompt string         the text of the last message of the user; "" when there is none
---@field messages table[]      in the shape of chat completions, whichever protocol the client speaks
---@field tokens integer        an estimate for the whole request
---@field tools? table[]        the tools that the client offers
---@field has_image boolean
---@field has_tools boolean
---@field stream boolean        the client wants the answer as it comes
---@field headers table<string, string> by lower-case name, without those that carry secrets
---@field model string          the model that the client named
---@field metadata? table
local Request = {}

---What the request may use as a whole, asks included. An ask over it returns nil and an error of kind "limit"; serving over
---it answers 402. Money and tokens are estimated before each call and counted after it. A second call can only tighten.
---@class wye.Limit
---@field usd? number
---@field seconds? number     up to 3600
---@field attempts? integer   calls to models
---@field tokens? integer     of prompts and replies

---    req:limit { usd = 0.02, seconds = 12 }
---@param limit wye.Limit
function Request:limit(limit) end

---Tokens in buckets that do not overlap: cached tokens are not in `input`, reasoning is not in `output`.
---@class wye.Usage
---@field input integer
---@field cache_read integer
---@field cache_write integer
---@field output integer
---@field reasoning integer

---A whole answer, held in order to decide. Return it to serve it.
---@class wye.Reply
---@field text string         the answer's text; "" when there is none
---@field json any            the text read as JSON; nil when it is not JSON
---@field finish? string      why it ended: "stop", "length", "tool_calls", "content_filter"
---@field tool_calls? table[]
---@field model string        the "provider/id" that answered
---@field status integer
---@field usage? wye.Usage
---@field usd number          what it cost
---@field ms integer          how long it took

---What an ask sends instead of what the client sent; all else stays as it came, byte for byte.
---@class wye.AskOptions
---@field timeout? number      seconds, up to 3600; 60 unless given
---@field logprobs? boolean|integer asks for the log probability of each token; 1 to 20: and of so many alternatives
---@field schema? wye.Schema|table|string a JSON schema (wye.schema's, a table, or JSON text) that the answer should follow
---@field prompt? string       a single message of the user, instead of the messages
---@field messages? table[]    other messages
---@field system? string       another system prompt
---@field max_tokens? integer
---@field temperature? number  0 to 2

---A model of wye.lua. Get it once, at the top of the file, with `wye.model "provider/id"`.
---@class wye.Model
---@field id string        "provider/id"
---@field name string      what the provider calls it
---@field context? integer tokens, when known
local Model = {}

---Asks the model what the client asked and waits for the whole reply; other requests go on meanwhile.
---
---    local reply, err = mini:ask(req, { timeout = 8 })
---    if not reply then wye.note("no answer", { kind = err.kind }) end
---
---Without `req` nothing of the client's is sent: `model:ask { prompt = "…", max_tokens = 20 }`.
---A model that wye.lua says cannot answer it (context, tools, vision, structured) is not called: nil and an error of kind
---"bad_request".
---@param req? wye.Request
---@param opts? wye.AskOptions
---@return wye.Reply? reply
---@return wye.Error? err
---@overload fun(self: wye.Model, opts: wye.AskOptions): wye.Reply?, wye.Error?
function Model:ask(req, opts) end

---What a derived model's requests say instead of the client's. A number or text sets that member of the body; `false` removes it.
---For clients of messages or responses it is the member of that protocol (`stop_sequences`, `instructions`, …); what has none
---there (seed and penalties; the effort in messages, stop in responses) stays out.
---@class wye.With
---@field system? string            takes the place of the leading system (or developer) message; comes first where there is none
---@field tools? false              removes the tools and what belongs to them
---@field max_tokens? integer|false the body's max_completion_tokens leaves then; max_completion_tokens sets that one instead
---@field max_completion_tokens? integer|false
---@field temperature? number|false 0 to 2
---@field top_p? number|false       0 to 1
---@field frequency_penalty? number|false -2 to 2
---@field presence_penalty? number|false  -2 to 2
---@field seed? integer|false
---@field reasoning_effort? string|false
---@field stop? string|string[]|false

---A model like this one whose requests differ in what the options say; every other byte is the client's. This one stays as it is.
---Derive at the top of the file; what a running route derives ends with its request.
---
---    local brief = wye.model "local/70b":with { system = "Be brief.", tools = false, max_tokens = 300 }
---@param options wye.With
---@return wye.Model
function Model:with(options) end

---@class wye.ClassifyOptions
---@field timeout? number   seconds, up to 3600
---@field prompt? string    what to decide, instead of "Say which of the labels fits the user's text best."
---@field examples? { text: string, label: string }[] up to 32
---@field logprobs? boolean asks for log probabilities; true unless given

---A cheap model says which label fits the text. `p` is the probability of the label's tokens where the provider tells log
---probabilities, else 0.8. Nothing of the request is sent but the text.
---
---    local label, p = haiku:classify(req.prompt, { "code", "chat", "math" }, { timeout = 2 })
---    if not label or p < 0.6 then return opus, "unsure" end   -- p is the error when label is nil
---@param text string
---@param labels string[]  2 to 64, each up to 200 bytes
---@param opts? wye.ClassifyOptions
---@return string? label
---@return number | wye.Error p
function Model:classify(text, labels, opts) end

---@class wye.PickOptions
---@field swap? boolean     asks twice, the second time in reverse order; true unless given
---@field tie? integer      the draft that wins when the two disagree; 1 unless given
---@field timeout? number   seconds, up to 3600
---@field logprobs? boolean asks for log probabilities; true unless given

---@class wye.Pick
---@field index integer  of the best draft
---@field reason string  the judge's; "judges disagreed" when it changed its mind with the order
---@field p number       how sure: the mean probability of this draft over both orders

---Judges the drafts of several models; see wye.gather.
---@param req wye.Request
---@param drafts wye.Reply[]  1 to 16
---@param opts? wye.PickOptions
---@return wye.Pick? pick
---@return wye.Error? err
function Model:pick(req, drafts, opts) end

---An ordered list of models to return, with options. Seconds, up to 3600.
---@class wye.List
---@field [integer] wye.Model
---@field connect? number       until the connection stands
---@field first_token? number   streamed requests: until the first content
---@field idle? number          between two pieces of content
---@field attempt? number       one attempt as a whole
---@field total? number         the request as a whole
---@field cache? number         seconds, up to 30 days, for which a whole answer is served again to the same request, streamed or
---not; `x-wye-cache` says hit, miss or off. For chat completions only
---@field continue? boolean      when a stream breaks off by a failure of `next_on`, the next model goes on with it: it is told
---what was sent, and its words reach the client as the same message. Both calls are paid for, and `max_tokens` holds for each;
---the usage is their sum, that of the broken one estimated where its provider did not say. Tool calls, JSON formats, `n` over 1
---and texts over 512 KiB do not go on: they end with an error
---@field next_on? wye.ErrorKind[] what leads to the next model; unless given all but bad_request, content_filter,
---limit and cancelled
---@field weights? number[]      one for each model: shares of the traffic; 0 serves nobody
---@field order? "cost"|"latency"|"least_busy" which is tried first; unless given as listed
---@field sticky? "user"|"conversation" keeps each with the same model, where its prompt cache is warm; weights share them out

---@class wye.Refusal

---@alias wye.Decision wye.Model | wye.List | wye.Reply | wye.Refusal

---@alias wye.Route fun(req: wye.Request): wye.Decision, string?

---What `after` is told once the answer is complete. It cannot change anything.
---@class wye.Outcome
---@field id string
---@field status integer
---@field served? string the "provider/id" that answered
---@field cause? string
---@field usd number
---@field ms number

---@class wye
wye = {}

---JSON's null, as it appears in `req` and `reply.json` inside tables.
---@type lightuserdata
wye.null = nil

---The model "provider/id" of wye.lua. Raises, with the near name, when there is none: at the top of the file, that is at load.
---@param id string
---@return wye.Model
function wye.model(id) end

---@class wye.GatherOptions: wye.AskOptions
---@field timeout? number  seconds for all of it; who has not answered then is stopped (error kind `timeout`)
---@field n? integer       ends when so many have answered
---@field until? fun(reply: wye.Reply): boolean  called with each answer; ends it when true. Cannot ask or wait

---@class wye.ModelError: wye.Error
---@field model string "provider/id"

---Asks up to 16 models at once. The answers come in the order of `models`, without those that gave none; those that still
---work when it ends are cancelled.
---
---    local drafts, errors = wye.gather({ gpt, sonnet, flash }, req, { timeout = 8, n = 2 })
---@param models wye.Model[]
---@param req? wye.Request
---@param opts? wye.GatherOptions
---@return wye.Reply[] replies
---@return wye.ModelError[] errors
function wye.gather(models, req, opts) end

---@class wye.FirstOptions: wye.AskOptions
---@field hedge? number|"p95" seconds without an answer before the next model is asked too; 0 asks all at once;
---"p95": as long as 95 % of the first model's answers took lately
---@field timeout? number  seconds for all of it

---The first whole answer. The next model is asked after `hedge` seconds without one, and when all that were asked have
---failed; the losers are cancelled at once. Their attempts have the purpose `hedge`, but for the first.
---@param models wye.Model[]  up to 16, in the order in which they are asked
---@param req? wye.Request
---@param opts? wye.FirstOptions
---@return wye.Reply? reply
---@return wye.Error? err
function wye.first(models, req, opts) end

---The text of a file of the project, such as a prompt; it is reloaded and rolled back with the code. Only while the file
---loads. Raises, with the near name, when there is none.
---@param path string within the project: "prompts/support.md"
---@return string
function wye.prompt(path) end

---A regular expression of PCRE2 (UTF-8, Unicode classes). `nil, err` of the kind "limit": this text takes too many steps.
---@class wye.Regex
local Regex = {}

---The captures (nil for one that took no part), or the whole match when the pattern has none; nil when nothing matches.
---@param text string
---@param init? integer the byte to begin at, as in string.match
---@return string? ...
function Regex:match(text, init) end

---Whether it matches anywhere.
---@param text string
---@return boolean? found
---@return wye.Error? err
function Regex:test(text) end

---Where the first match begins and ends, in bytes as string.find; nil when nothing matches.
---@param text string
---@param init? integer
---@return integer? first
---@return integer|wye.Error|nil last
function Regex:find(text, init) end

---@class wye.RegexSet
local RegexSet = {}

---The name of the first that matches, in the order of their names; nil when none does.
---@param text string
---@return string? name
---@return wye.Error? err
function RegexSet:match(text) end

---Compiles a pattern, or a set of up to 64 by name. Only while the file loads; raises for one that does not compile.
---
---    local ticket = wye.re [[(?i)\b([A-Z]{2,5}-\d+)\b]]
---    local topics = wye.re { code = "```|traceback", sql = [[(?i)\bselect\b.+\bfrom\b]] }
---@param pattern string
---@return wye.Regex
---@overload fun(patterns: table<string, string>): wye.RegexSet
function wye.re(pattern) end

---Tells whether a value is as a JSON Schema says: true, or false and why ("/total: \"3\" is not a number"). Takes a reply (what
---it says), JSON as text, or a Lua value such as `reply.json`. `model:ask(req, { schema = … })` takes one too.
---@alias wye.Schema fun(value: any): boolean, string?

---A JSON Schema (draft 2020-12; references within the file) from a file of the project or a table. Only while the file
---loads. Raises for a wrong one, with file and JSON pointer.
---
---    local invoice = wye.schema "schemas/invoice.json"
---    local valid, why = invoice(reply)
---@param source string|table
---@return wye.Schema
function wye.schema(source) end

---@class wye.json
wye.json = {}

---Arrays become sequences that stay arrays when encoded, null becomes wye.null, integers beyond 2^53 become strings. Up to 8 MiB.
---@param text string
---@return any value nil with err (kind "malformed" or "limit") when it is no JSON
---@return wye.Error? err
function wye.json.decode(text) end

---A table with items is an array, any other an object; decoded arrays stay arrays when they are empty. Raises beyond 32 levels.
---@param value any
---@return string
function wye.json.encode(value) end

---Seconds since 1970, with microseconds.
---@return number
function wye.now() end

---Without arguments a number in [0, 1), else a whole number from 1 to m, or from m to n. Each request has its own sequence, which
---follows from its decision's number.
---@param m? integer
---@param n? integer
---@return number
function wye.random(m, n) end

---A small store that all workers share and that outlives reloads and workers (not the server). Keys have up to 256 bytes. It is
---bounded by limits.kv_mb of wye.lua: what was not used for longest makes room. Only while a request is served.
---
---    if wye.kv.add("asked:" .. req.user, 1, { ttl = 60 }) > 20 then return small, "asks a lot" end
wye.kv = {}

---@class wye.Life
---@field ttl? number  seconds, up to a year; unless given it stays until it must make room

---@param key string
---@return string|number|boolean|nil value
function wye.kv.get(key) end

---@param key string
---@param value string|number|boolean  strings up to 8 KiB
---@param opts? wye.Life
function wye.kv.set(key, value, opts) end

---Adds to a number, which begins at 0, and returns the sum; no other worker comes between. `ttl` counts from its beginning.
---@param key string
---@param n? number  1 unless given
---@param opts? wye.Life
---@return number sum
function wye.kv.add(key, n, opts) end

---Gives the entry `seconds` more to live, from now.
---@param key string
---@param seconds number
---@return boolean found
function wye.kv.expire(key, seconds) end

---@param key string
---@return boolean found
function wye.kv.delete(key) end

---Writes a line into the decision's story, with the place it was called from. `wye why` and `wye trace -g raw` show it.
---@param text string  up to 1,024 bytes
---@param data? table  anything that JSON can hold, up to 16 KiB
function wye.note(text, data) end

---A refusal to return: the client gets an error of its own protocol.
---
---    if not req.user then return wye.refuse(403, "name yourself in the field user"), "no user" end
---@param status integer 400 to 599
---@param message? string
---@return wye.Refusal
function wye.refuse(status, message) end

return wye
