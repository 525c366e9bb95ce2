-- Script for wrk: posts the JSON bodies of the file after `--`, one in each line, in turn. Prints one line of JSON.
local bodies, turn = {}, 0

function init(arguments)
   for line in io.lines(arguments[1]) do bodies[#bodies + 1] = line end
   wrk.method = "POST"
   wrk.headers["Content-Type"] = "application/json"
end

function request()
   turn = turn % #bodies + 1
   return wrk.format(nil, nil, nil, bodies[turn])
end

function done(summary, latency)
   local errors = summary.errors
   print(string.format('{"requests":%d,"seconds":%f,"refused":%d,"broken":%d,"p99_ms":%f}', summary.requests,
      summary.duration / 1e6, errors.status, errors.connect + errors.read + errors.write + errors.timeout,
      latency:percentile(99) / 1000))
end
