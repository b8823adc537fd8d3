#include "cmd/table.h"

struct table_line {
    struct table_line *next;
    struct str cells[TABLE_COLUMNS];
};

void table_row(struct table *t, int count, const struct str *cells)
{
    struct table_line *line = arena_zalloc(&t->arena, sizeof *line);
    if (line == NULL)
        return;
    for (int i = 0; i < count && i < TABLE_COLUMNS; i++)
        line->cells[i] = arena_str(&t->arena, cells[i]);
    t->columns = count > t->columns ? count : t->columns;
    *(t->first ? &t->last->next : &t->first) = line;
    t->last = line;
}

static bool is_number(struct str cell)
{
    return cell.len == 0 || strspn(cell.p, "0123456789.") >= cell.len;
}

static void measure(const struct table *t, int column, int *width, bool *is_numeric)
{
    *width = 0;
    *is_numeric = t->first->next != NULL;
    for (const struct table_line *line = t->first; line; line = line->next) {
        struct str cell = line->cells[column];
        *width = (int)cell.len > *width ? (int)cell.len : *width;
        *is_numeric = *is_numeric && (line == t->first || is_number(cell));
    }
}

void table_print(struct table *t, FILE *out)
{
    int widths[TABLE_COLUMNS] = {0};
    bool numeric[TABLE_COLUMNS] = {0};
    for (int i = 0; t->first && i < t->columns; i++)
        measure(t, i, &widths[i], &numeric[i]);
    for (const struct table_line *line = t->first; line; line = line->next) {
        for (int i = 0; i < t->columns; i++) {
            struct str cell = line->cells[i];
            bool is_last = i == t->columns - 1;
            int pad = numeric[i] ? widths[i] : is_last ? 0 : -widths[i];
            fprintf(out, "%*.*s%s", pad, STR_ARG(cell), is_last ? "\n" : "  ");
        }
    }
    arena_clear(&t->arena);
    *t = TABLE(t->arena.limit);
}
