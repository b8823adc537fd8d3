/* metrics: what the workers counted, as Prometheus text. Labels are bounded: worker slots, reload results, the live generation, configured models. */
#pragma once

#include "base/buf.h"
#include "admin/admin.h"

void metrics_write(struct buf *out, const struct stats_board *board, const struct host_board *host,
                   struct region *region);
