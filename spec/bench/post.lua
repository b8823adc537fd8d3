-- wrk's script: posts the file named after `--` as a chat request; what follows it is a client key, or the path to post to.
-- Ends with one line of JSON.
function init(args)
  local file = assert(io.open(args[1]))
  wrk.method, wrk.body = "POST", file:read("*a")
  wrk.headers["Content-Type"] = "application/json"
  local is_path = args[2] and args[2]:sub(1, 1) == "/"
  if args[2] and not is_path then wrk.headers["Authorization"] = "Bearer " .. args[2] end
  wrk.path = is_path and args[2] or "/v1/chat/completions"
  file:close()
end

function done(summary, latency)
  local e = summary.errors
  io.write(('\n{"requests":%d,"seconds":%.6f,"p50":%d,"p99":%d,"errors":%d}\n'):format(
    summary.requests, summary.duration / 1e6, latency:percentile(50), latency:percentile(99),
    e.connect + e.read + e.write + e.status + e.timeout))
end
