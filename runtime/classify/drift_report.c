/* How drift is told: words, JSON, Prometheus. */
#include "base/json.h"
#include "classify/drift_source.h"

static const char *const KINDS[] = {"classifier", "calibration"};

static const char *verdict(const struct drift_report *r)
{
    if (r->has_drifted)
        return ": DRIFTED";
    if (r->readings == 0)
        return " in the trace: no route has used it";
    return r->readings < DRIFT_ENOUGH ? ", too few to tell" : ", like the baseline";
}

void drift_text(const struct drift_report *r, struct buf *out)
{
    buf_printf(out, "%s %s: %d readings%s\n", KINDS[r->kind], r->name, r->readings, verdict(r));
    for (int i = 0; i < r->count; i++) {
        const struct drift_part *p = &r->parts[i];
        buf_printf(out, "  %-7s PSI %.3f", p->what, p->psi);
        if (p->has_order)
            buf_printf(out, ", KS %.3f (chance of as much: %.2g)", p->ks, p->chance);
        if (p->flagged)
            buf_printf(out, ", sure after reading %d, %s", p->flagged, p->at);
        buf_putc(out, '\n');
    }
    if (r->label[0])
        buf_printf(out, "  label \"%s\" moved most: %.1f %% then, %.1f %% now\n", r->label, 100 * r->label_then, 100 * r->label_now);
    if (r->has_threshold)
        buf_printf(out,
                   "  threshold p = %.4f sent %.1f %% to the strong model, now %.1f %%; p = %.4f would send as many as then.\n"
                   "  Whether p still holds, only answers of today that were checked can tell: %s\n",
                   r->threshold, 100 * r->share_then, 100 * r->share_now, r->again,
                   r->kind == SOURCE_CALIBRATION ? "wye calibrate DATA -o FILE" : "wye train --pairs DATA -o MODEL");
}

const char *drift_kind(const struct drift_report *r)
{
    return KINDS[r->kind];
}

double drift_most(const struct drift_report *r)
{
    double most = 0;
    for (int i = 0; i < r->count; i++)
        most = r->parts[i].psi > most ? r->parts[i].psi : most;
    return most;
}

void drift_json(const struct drift_report *r, struct buf *out)
{
    buf_printf(out, "{\"kind\":\"%s\",\"name\":", KINDS[r->kind]);
    json_quote(out, str_of(r->name));
    buf_printf(out, ",\"readings\":%d,\"drifted\":%s,\"psi\":%.6f,\"parts\":[", r->readings, r->has_drifted ? "true" : "false", drift_most(r));
    for (int i = 0; i < r->count; i++) {
        const struct drift_part *p = &r->parts[i];
        buf_printf(out, "%s{\"of\":\"%s\",\"psi\":%.6f", i ? "," : "", p->what, p->psi);
        if (p->has_order)
            buf_printf(out, ",\"ks\":%.6f,\"chance\":%.6g", p->ks, p->chance);
        buf_printf(out, ",\"flagged\":%d,\"at\":", p->flagged);
        json_quote(out, str_of(p->at));
        buf_putc(out, '}');
    }
    buf_puts(out, "]");
    if (r->label[0]) {
        buf_puts(out, ",\"label\":");
        json_quote(out, str_of(r->label));
        buf_printf(out, ",\"label_then\":%.6f,\"label_now\":%.6f", r->label_then, r->label_now);
    }
    if (r->has_threshold)
        buf_printf(out, ",\"threshold\":%.6f,\"share_then\":%.6f,\"share_now\":%.6f,\"again\":%.6f", r->threshold, r->share_then, r->share_now,
                   r->again);
    buf_putc(out, '}');
}

static void write_one(struct buf *out, const char *metric, const struct drift_report *r, const char *of, double value)
{
    buf_printf(out, "%s{kind=\"%s\",name=", metric, KINDS[r->kind]);
    json_quote(out, str_of(r->name)); /* Prometheus escapes labels as JSON does, for what file names hold */
    if (of)
        buf_printf(out, ",of=\"%s\"", of);
    buf_printf(out, "} %.6g\n", value);
}

static void write_head(struct buf *out, const char *metric, const char *help)
{
    buf_printf(out, "# HELP %s %s\n# TYPE %s gauge\n", metric, help, metric);
}

void drift_metrics(const struct drift_report *reports, int count, struct buf *out)
{
    write_head(out, "wye_drift", "Whether readings have drifted from the baseline");
    for (int i = 0; i < count; i++)
        write_one(out, "wye_drift", &reports[i], NULL, reports[i].has_drifted);
    write_head(out, "wye_drift_psi", "Population stability index against the baseline");
    for (int i = 0; i < count; i++)
        for (int part = 0; part < reports[i].count; part++)
            write_one(out, "wye_drift_psi", &reports[i], reports[i].parts[part].what, reports[i].parts[part].psi);
    write_head(out, "wye_drift_readings", "Readings in the trace that were compared");
    for (int i = 0; i < count; i++)
        write_one(out, "wye_drift_readings", &reports[i], NULL, reports[i].readings);
}
