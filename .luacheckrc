-- The host runs LuaJIT; routes see only what the sandbox opens (DESIGN: globals are an error there, so they are one here).
std = "luajit"
max_line_length = 130
exclude_files = { "spec/node_modules", "build*" }
files["routes"] = { std = "max", read_globals = { "wye" } }
files["scripts"] = { read_globals = { "wye" } }
files["spec"] = { std = "+busted", read_globals = { "wye" } }
files["routes/specs"] = { std = "max+busted" }
files["spec/bench"] = { globals = { "init", "done", "wrk" } }
