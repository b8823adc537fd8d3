/*
 * admin: the control API, on its own address and in its own process. HTTP in front, a socket to the master behind.
 *
 *   GET  /health            200 {"ok":true} while the master lives
 *   GET  /ready             200 when every worker serves, else 503
 *   GET  /metrics           Prometheus text
 *   GET  /status            what runs (below)
 *   POST /reload[?force=1&skip=specs,replay&max_change=5]  load + gates + use; 200 {"ok","message","generation","hash","unchanged","gates":["specs: …"]}
 *   POST /load              load + check only
 *   POST /use/G /rollback /drop/G
 *   POST /use/G?percent=P   G serves P percent of units, over 0 to 100 (proc/rollout.h)
 *   POST /keys/reload       takes over the state directory's key file (policy/keyfile.h); 200 {"ok","message","keys"}
 *   GET  /generations/G     {"id","hash","files":[{"path","bytes","text"}]} (text null when it is no UTF-8)
 *   GET  /diff/A/B          {"a","b","files":[{"path","change":"added|removed|changed","diff"}],"text"} with unified diffs
 *   GET  /experiments       {"experiments":[{"name","salt","origin","since","arms":[{"name","weight","source","exposures"}],…}]}
 *   POST /experiments/NAME/ramp?WEIGHTS   "80,20", "20" (the treatment of two arms) or "v2=20": in percent
 *   POST /experiments/NAME/stop[?ARM]     one arm for all (the control unless named), and no exposure
 *   GET  /models            {"models":[{"id","provider","kind","name","price","context",…,"health","drained",…}]} of the live generation (models.h)
 *   POST /models/drain?M    M takes no new attempts: "openai/mini", or all of "openai" with a star for the name; 200 {"ok","message","drained":[…],"in_flight"}
 *   POST /models/ready?M    takes it back
 *   GET  /decisions/ID      the decision as `wye trace --json` prints it
 *
 * Refusals: {"ok":false,"message","error":{"message","file","line"}} with 400, 403 (Host, Origin), 401 (token), 404, 405, 409 (another change is under
 * way, the live generation), 422 (the project was refused). G is a number, or for reading a hash prefix. POST bodies are ignored and at most 64 KiB.
 *
 * /status: {"version","pid","uptime_s","listen","admin","project","project_dir","demo","trace_dir","state_dir","generation","ready","workers":[{"slot","pid","state","restarts",
 * "generation","requests","in_flight","connections"}],"generations":[{"id","hash","state":"live|canary|warm|quarantined|loading","loaded_at",
 * "requests","script_errors","files"}],"canary":null or {"generation","live","state":"running|stepped back|ended","hash","base","percent","since_us","until_us",
 * "reason","guard":{…},"sides":[{"generation","requests","script_errors","errors","served","error_rate","p95_ms","usd","usd_per_request"}]},"trace":{"events","dropped"},
 * "drift":{"failure":null or why, "sources":[as `wye drift --json`]},"otlp":null or {"url","state":"sending|waiting|down","sent","refused","missed",
 * "tries_failed","behind_s","problem":null or words},"drained":[{"name","since"}]}
 *
 * On loopback or a Unix socket no token is asked for, but Host must be a loopback name or address (or the one configured) and Origin, when present,
 * must match it: a web page must not reach this API through its reader's browser. Any other address needs the token.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "admin/exporter.h"
#include "base/stats.h"
#include "policy/region.h"

enum { HOST_HISTORY = 256, CONTROL_MAX = 96 * 1024 };

enum worker_state { WORKER_DOWN, WORKER_STARTING, WORKER_SERVING, WORKER_DRAINING };

/* What the master tells in shared memory, so that /ready and /metrics need no answer from it. */
struct host_board {
    _Atomic unsigned live; /* generation; 0: none yet */
    _Atomic bool is_draining;
    _Atomic uint64_t reloads_done, reloads_unchanged, reloads_refused, reloads_reverted;
    struct {
        _Atomic int state; /* enum worker_state */
        _Atomic unsigned restarts;
    } workers[STATS_MAX_WORKERS];
    struct exporter_board otlp;
    struct {
        _Atomic unsigned id; /* written last */
        char hash[65];
    } history[HOST_HISTORY]; /* by id % HOST_HISTORY */
};

/* ---- between admin and master: datagrams on a SOCK_SEQPACKET pair ---- */

enum control_verb { CONTROL_STATUS = 1, CONTROL_RELOAD, CONTROL_LOAD, CONTROL_USE, CONTROL_ROLLBACK, CONTROL_DROP, CONTROL_PERCENT };

struct control_request {
    uint64_t ticket; /* comes back with the answer */
    uint32_t verb;
    uint32_t generation;
    uint32_t force;
    uint32_t skip; /* gates that a reload leaves out (trial/gates.h); 0: as the server was started */
    uint32_t has_max_change;
    double max_change;
    double percent; /* of CONTROL_PERCENT */
};

struct control_reply {
    uint64_t ticket;
    uint32_t status; /* of HTTP */
    uint32_t length; /* of the JSON that follows in the same datagram */
};

struct admin_options {
    int listen_fd;
    int control_fd;
    const char *address; /* as configured: its host is allowed in Host */
    const char *token;   /* NULL: none needed */
    const char *project; /* folder */
    const char *trace_dir;
    const char *state_dir;
    const struct stats_board *board;
    const struct host_board *host;
    struct region *region;
    const struct generation_options *building; /* of the configuration that /models shows */
    /* Appends the packed manifest whose hash begins with `prefix`. */
    int (*read_generation)(const char *state_dir, const char *prefix, struct buf *out, struct err *err);
};

/* Serves until the master goes. Returns the process's exit status. */
int admin_run(const struct admin_options *options);

/* May this address be served without a token: loopback or a Unix socket? */
bool admin_is_local(const char *address);
