#include "classify/fit.h"

#include <dlfcn.h>
#include <linear.h>
#include <stdlib.h>

#include "base/alloc.h"

static const double COST = 0.3, PRECISION = 0.1;

static struct {
    __typeof__(&train) train;
    __typeof__(&free_and_destroy_model) release;
    __typeof__(&set_print_string_function) speak;
} library;

int fit_open(struct err *err)
{
    if (library.train)
        return 0;
    void *handle = dlopen("liblinear.so.4", RTLD_NOW | RTLD_LOCAL);
    if (handle == NULL)
        return err_set(err, ERR_SYSTEM, "training needs liblinear: apt-get install liblinear4 (%s)", dlerror());
    library.release = (__typeof__(library.release))dlsym(handle, "free_and_destroy_model");
    library.speak = (__typeof__(library.speak))dlsym(handle, "set_print_string_function");
    library.train = (__typeof__(library.train))dlsym(handle, "train");
    return library.train && library.release && library.speak ? 0 : err_set(err, ERR_SYSTEM, "liblinear.so.4 is not what it should be");
}

static void say_nothing(const char *text)
{
    (void)text;
}

/* liblinear's own layout of the rows; `nodes` holds them all. */
static struct problem lay_out(const struct fit_row *rows, const bool *skip, int count, int features)
{
    struct problem p = {.n = features, .bias = -1};
    size_t total = 0;
    for (int i = 0; i < count; i++)
        total += skip[i] ? 0 : (size_t)rows[i].count + 1;
    struct feature_node *node = xcalloc(total + 1, sizeof *node);
    p.x = xcalloc((size_t)count + 1, sizeof *p.x);
    p.y = xcalloc((size_t)count + 1, sizeof *p.y);
    p.x[0] = node; /* what is freed, even when no row stays */
    for (int i = 0; i < count; i++) {
        if (skip[i])
            continue;
        p.x[p.l] = node;
        p.y[p.l++] = rows[i].label;
        for (int k = 0; k < rows[i].count; k++)
            *node++ = (struct feature_node){(int)rows[i].at[k].index + 1, rows[i].at[k].value};
        *node++ = (struct feature_node){-1, 0};
    }
    return p;
}

static double *by_label(const struct model *m, int features, int labels)
{
    double *weights = xcalloc((size_t)features * (size_t)labels, sizeof *weights);
    for (size_t i = 0; i < (size_t)features; i++)
        for (int c = 0; c < m->nr_class; c++)
            weights[i * (size_t)labels + (size_t)m->label[c]] = m->w[i * (size_t)m->nr_class + (size_t)c];
    return weights;
}

static struct model *train_on(struct problem *p, const struct parameter *how)
{
    library.speak(say_nothing);
    srand(1);
    struct model *m = library.train(p, how);
    free(p->x[0]);
    free(p->x);
    free(p->y);
    return m;
}

double *fit_weights(const struct fit_row *rows, const bool *skip, int count, int features, int labels)
{
    struct problem p = lay_out(rows, skip, count, features);
    const struct parameter how = {.solver_type = MCSVM_CS, .eps = PRECISION, .C = COST};
    struct model *m = train_on(&p, &how);
    double *weights = by_label(m, features, labels);
    library.release(&m);
    return weights;
}
