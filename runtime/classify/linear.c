#include "classify/linear.h"

#include <math.h>
#include <stdlib.h>

enum { PART_MOST = 256 << 20, CELL = 3 /* of a sparse row: a column and a weight */ };

static const float SCALE_MOST = 1e6f;
static const uint32_t SPARSE = UINT32_C(1) << 31;

static uint32_t offset_at(const struct linear *l, size_t row)
{
    return modelfile_u32(l->rows, row) & ~SPARSE;
}

static void add_dense(const char *cells, int columns, float value, float *restrict scores)
{
    const signed char *weights = (const signed char *)cells;
    for (int c = 0; c < columns; c++)
        scores[c] += value * (float)weights[c];
}

static void add_sparse(const char *cells, const char *end, float value, float *scores)
{
    for (; cells < end; cells += CELL)
        scores[modelfile_u16(cells, 0)] += value * (float)(signed char)cells[2];
}

void linear_add(const struct linear *l, const struct feature *x, int count, float *scores)
{
    for (int i = 0; i < count; i++) {
        uint32_t row = modelfile_u32(l->rows, x[i].index);
        const char *cells = l->cells + (row & ~SPARSE);
        float value = x[i].value * modelfile_f32(l->scale, x[i].index);
        if (row & SPARSE)
            add_sparse(cells, l->cells + offset_at(l, (size_t)x[i].index + 1), value, scores);
        else
            add_dense(cells, l->columns, value, scores);
    }
}

/* ---- opening ---- */

static bool is_sane_row(const struct linear *l, size_t row, size_t cells)
{
    uint32_t start = offset_at(l, row), end = offset_at(l, row + 1);
    if (start > end || end > cells)
        return false;
    if (!(modelfile_u32(l->rows, row) & SPARSE))
        return end - start == (uint32_t)l->columns;
    for (const char *cell = l->cells + start; cell < l->cells + end; cell += CELL)
        if (modelfile_u16(cell, 0) >= l->columns)
            return false;
    return (end - start) % CELL == 0;
}

int linear_open(struct linear *l, const struct modelfile *m, int features, int columns, struct err *err)
{
    struct str rows = modelfile_part(m, "rows"), scale = modelfile_part(m, "scale"), cells = modelfile_part(m, "cells");
    *l = (struct linear){rows.p, scale.p, cells.p, columns};
    bool is_sane = rows.len == ((size_t)features + 1) * 4 && scale.len == (size_t)features * 4 && modelfile_is_within(scale, SCALE_MOST);
    for (int i = 0; is_sane && i < features; i++)
        is_sane = is_sane_row(l, (size_t)i, cells.len);
    return is_sane ? 0 : err_set(err, ERR_MALFORMED, "the model is damaged: its weights do not fit together");
}

/* ---- packing ---- */

static int largest(const double *row, int columns, double *out)
{
    *out = 0;
    for (int c = 0; c < columns; c++)
        *out = fmax(*out, fabs(row[c]));
    int touched = 0;
    for (int c = 0; c < columns; c++)
        touched += lrint(row[c] / *out * 127) != 0;
    return *out > 0 ? touched : 0;
}

static void pack_row(struct linear_parts *parts, const double *row, int columns)
{
    double most;
    int touched = largest(row, columns, &most);
    bool is_sparse = touched * CELL < columns;
    modelfile_put_u32(&parts->rows, (uint32_t)parts->cells.len | (is_sparse ? SPARSE : 0));
    modelfile_put_f32(&parts->scale, (float)(most / 127));
    for (int c = 0; touched && c < columns; c++) {
        long q = lrint(row[c] / most * 127);
        if (is_sparse && q == 0)
            continue;
        if (is_sparse)
            modelfile_put_u16(&parts->cells, (uint16_t)c);
        buf_putc(&parts->cells, (char)q);
    }
}

void linear_pack(struct linear_parts *parts, const double *weights, int features, int columns)
{
    *parts = (struct linear_parts){BUF(PART_MOST), BUF(PART_MOST), BUF(PART_MOST)};
    buf_append(&parts->cells, "", 0);
    for (int i = 0; i < features; i++)
        pack_row(parts, weights + (size_t)i * (size_t)columns, columns);
    modelfile_put_u32(&parts->rows, (uint32_t)parts->cells.len);
}

void linear_clear(struct linear_parts *parts)
{
    buf_clear(&parts->rows);
    buf_clear(&parts->scale);
    buf_clear(&parts->cells);
}
