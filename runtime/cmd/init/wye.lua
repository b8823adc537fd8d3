-- What the routes may use: providers, models, and the limits of the server.
return {
  -- The key comes from the environment (or { file = "PATH" }) and never stands here.
  providers = {
    openai = { kind = "openai", base_url = "https://api.openai.com/v1", key = { env = "OPENAI_API_KEY" } },
  },

  -- "provider/id" is what routes and clients say, `name` what the provider calls it.
  models = {
    ["openai/mini"] = { name = "gpt-5-mini" },
    ["openai/gpt"]  = { name = "gpt-5.1" },
  },

  -- Serves when a route raises.
  default = "openai/mini",

  -- Clients may also name a "provider/id" themselves.
  direct = true,
}
