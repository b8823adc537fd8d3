/* test: runs the specs of a project. */
#include <stdio.h>

#include "base/buf.h"
#include "base/json.h"
#include "cmd/command.h"
#include "cmd/complain.h"
#include "proc/places.h"
#include "trial/specs.h"
#include "vm/guard.h"

/* Nothing failed; with --json in the words of busted's report. */
static int tell_none(const struct options *o, const char *dir)
{
    char words[4200];
    struct buf out = BUF(32 << 10);
    snprintf(words, sizeof words, "there are no specs in %.2000s: write %.2000s/specs/NAME_spec.lua", dir, dir);
    if (o->json) {
        buf_puts(&out, "{\"successes\":[],\"failures\":[],\"errors\":[],\"pendings\":[],\"note\":");
        json_quote(&out, str_of(words));
        buf_puts(&out, "}\n");
    } else {
        buf_printf(&out, "%s\n", words);
    }
    bool is_written = fwrite(out.p, 1, out.len, stdout) == out.len && fflush(stdout) == 0;
    buf_clear(&out);
    return is_written ? EXIT_OK : EXIT_REFUSED;
}

int cmd_test(struct options *o)
{
    struct err err;
    const char *dir = o->arg_count ? o->args[0] : "routes";
    if (places_project(dir, &err) < 0)
        return complain_of(o, &err);
    if (!specs_exist(dir))
        return tell_none(o, dir);
    if (guard_open(&err) < 0)
        return complain_of(o, &err);
    int outcome = specs_run(dir, o->json, &err);
    if (outcome == KIT_BROKEN)
        complain_of(o, &err);
    guard_close();
    return outcome == KIT_PASSED ? EXIT_OK : EXIT_REFUSED;
}
