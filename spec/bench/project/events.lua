local events = wye.model "mock/events"

return function(req)
  return events, req.stream and "streamed" or "whole"
end
