-- What the routes may use: providers, models, and the limits of the server. Checked at load; `wye reload` makes changes live.
return {
  -- Who answers, by which protocol, and where the key comes from; a key itself never stands here.
  providers = {
    openai    = { kind = "openai", base_url = "https://api.openai.com/v1", key = { env = "OPENAI_API_KEY" } },
    anthropic = { kind = "anthropic", key = { env = "ANTHROPIC_API_KEY" } },
    google    = { kind = "gemini", key = { env = "GEMINI_API_KEY" } },
    ["local"] = { kind = "openai", base_url = "http://127.0.0.1:8000/v1", max_connections = 64 },
  },

  -- "provider/id" is what routes and clients say, `name` what the provider calls it. wye knows the prices, in US dollars
  -- per million tokens, and the context of well-known names; what is written here wins.
  models = {
    ["openai/mini"]      = { name = "gpt-5-mini", price = { input = 0.25, cache_read = 0.025, output = 2 } },
    ["openai/gpt"]       = { name = "gpt-5.1" },
    ["anthropic/haiku"]  = { name = "claude-haiku-4-5" },
    ["anthropic/sonnet"] = { name = "claude-sonnet-4-5" },
    ["anthropic/opus"]   = { name = "claude-opus-4-5" },
    ["google/flash"]     = { name = "gemini-2.5-flash" },
    ["local/8b"]         = { name = "llama-3.1-8b", price = { input = 0, output = 0 }, context = 8192 },
    ["local/70b"]        = { name = "llama-3.3-70b", price = { input = 0, output = 0 }, context = 131072 },
  },

  -- Clients that ask for gpt-4o get what route.lua decides.
  aliases = { ["gpt-4o"] = "wye/route" },

  -- Serves when a route raises, loops or eats memory (cause script_error).
  default = "openai/mini",

  -- Clients may also name a "provider/id" themselves.
  direct = true,

  -- The largest request, requests at once over all workers, and what one run of a script may take.
  limits = { body = "32MB", concurrent = 4096, script_ms = 50, script_mb = 32 },
}
