-- Are the arms as large as their weights say? A test that may be looked at after every unit. Lindon and Malek 2022,
-- "Anytime-valid inference for multinomial count
-- data": the null against a Dirichlet prior around it.
local special = require "stats.special"

local ssrm = {}
local CONCENTRATION = 10000

local Test = {}
Test.__index = Test

local function around(null, concentration)
  local prior = {}
  for i, share in ipairs(null) do prior[i] = share * concentration end
  return prior
end

-- `null`: the expected shares, which add up to 1. They may differ from batch to batch (a ramp): then give each its own
-- with `add`.
function ssrm.new(null, concentration)
  concentration = concentration or CONCENTRATION
  return setmetatable({ null = null, concentration = concentration, posterior = around(null, concentration),
    log_bayes_factor = 0, p_value = 1 }, Test)
end

local function are_same(a, b)
  for i, share in ipairs(a) do
    if math.abs(share - b[i]) > 1e-9 then return false end
  end
  return true
end

-- Adds counts by arm: the log Bayes factor so far and the always-valid p-value. Where the shares change, what was learnt around
-- the old ones says nothing of the new: the prior begins anew around them, and the factors of both times multiply.
function Test:add(counts, null)
  if null and not are_same(null, self.null) then
    self.null, self.posterior = null, around(null, self.concentration)
  end
  local n, before = 0, 0
  for i, c in ipairs(counts) do n, before = n + c, before + self.posterior[i] end
  local log_bf = special.lgamma(before) - special.lgamma(before + n)
  for i, c in ipairs(counts) do
    local a = self.posterior[i]
    if c > 0 then log_bf = log_bf + special.lgamma(a + c) - special.lgamma(a) - c * math.log(self.null[i]) end
    self.posterior[i] = a + c
  end
  self.log_bayes_factor = self.log_bayes_factor + log_bf
  self.p_value = math.min(self.p_value, math.exp(-self.log_bayes_factor))
  return self.log_bayes_factor, self.p_value
end

-- The same with the mean of the Bayes factors of several concentrations, which is one of a prior that mixes them, so that its
-- p-value is as valid: the greatest finds arms that are off by a percent in the end, the least those that are grossly off soon.
local CONCENTRATIONS = { 10, 1000, 10000 }

local Mixed = {}
Mixed.__index = Mixed

function ssrm.mixed(null)
  local tests = {}
  for i, concentration in ipairs(CONCENTRATIONS) do tests[i] = ssrm.new(null, concentration) end
  return setmetatable({ tests = tests, log_bayes_factor = 0, p_value = 1 }, Mixed)
end

function Mixed:add(counts, null)
  local most, sum = -math.huge, 0
  for _, test in ipairs(self.tests) do most = math.max(most, (test:add(counts, null))) end
  for _, test in ipairs(self.tests) do sum = sum + math.exp(test.log_bayes_factor - most) end
  self.log_bayes_factor = most + math.log(sum / #self.tests)
  self.p_value = math.min(self.p_value, math.exp(-self.log_bayes_factor))
  return self.log_bayes_factor, self.p_value
end

return ssrm
