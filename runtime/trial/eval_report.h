/* eval_report: what an evaluation found, for people and for programs. Pure; all append. */
#pragma once

#include "base/buf.h"
#include "trial/eval_summary.h"

struct eval_page {
    const struct eval_results *results;
    const struct eval_summary *summary;
    const char *generation;
    double seconds;
    bool is_complete;
};

void eval_report_text(struct buf *out, const struct eval_page *page);

/* One object for the route, without a line end. */
void eval_report_json(struct buf *out, const struct eval_page *page);
