#include "cmd/ranking.h"

#include "classify/classifier.h"

int ranking_open(struct ranking *r, const char *path, struct err *err)
{
    const struct str *labels;
    struct err why;
    if (modelfile_map(path, &r->bytes, err) < 0)
        return -1;
    r->model = classifier_open(r->bytes, &why);
    if (r->model == NULL)
        return err_set(err, why.kind, "%s: %s", path, why.message);
    if (classifier_labels(r->model, &labels) == 2 && str_eq(labels[0], "weak") && str_eq(labels[1], "strong"))
        return 0;
    return err_set(err, ERR_BAD_REQUEST, "%s does not tell weak from strong: `wye train --pairs` makes a model that does", path);
}

void ranking_close(struct ranking *r)
{
    if (r->model)
        classifier_close(r->model);
    if (r->bytes.p)
        modelfile_unmap(r->bytes);
}

double ranking_p(const struct ranking *r, struct str text)
{
    return classifier_read(r->model, text).p;
}
