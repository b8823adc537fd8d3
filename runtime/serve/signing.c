#include "serve/signing.h"

#include "net/sigv4.h"
#include "net/target.h"
#include "serve/request.h"

static int add(struct attempt *a, struct call_request *call, const struct sigv4_key *key, const struct target *to)
{
    struct arena *arena = a->request->scope.view.arena;
    struct sigv4 signature;
    struct sigv4_field fields[] = {{"content-type", str_of("application/json")}, {"host", str_of(to->host)}};
    const char *mark = memchr(call->path.p, '?', call->path.len);
    struct str path = mark ? str_n(call->path.p, (size_t)(mark - call->path.p)) : call->path;
    struct sigv4_request request = {
        .method = str_of(call->method),
        .path = str_of(arena_printf(arena, "%s" STR_FMT, to->path, STR_ARG(path))),
        .query = mark ? str_n(mark + 1, (size_t)(call->path.p + call->path.len - mark - 1)) : str_of(""),
        .body = str_n(call->body[0].iov_base, call->body[0].iov_len),
        .fields = fields,
        .count = 2,
    };
    if (request.path.p == NULL || sigv4_sign(&signature, key, &request, time(NULL)) < 0)
        return err_set(&a->err, ERR_BAD_REQUEST, "the request cannot be signed: the model's name or the path is too long");
    call->fields = arena_join(arena, call->fields.p, "x-amz-date: ", signature.date, "\r\nauthorization: ", signature.authorization,
                              key->session ? "\r\nx-amz-security-token: " : "", key->session ? key->session : "", "\r\n", (char *)NULL);
    return call->fields.p ? 0 : err_set(&a->err, ERR_LIMIT, "the request's memory is used up");
}

int signing_add(struct attempt *a, struct call_request *call)
{
    const struct generation *g = a->request->generation;
    const struct provider *p = a->model->provider;
    const struct keyring *ring = &g->keyrings[p - g->config->providers];
    struct sigv4_key key = {a->credential->key, ring->secret, ring->session, p->region, "bedrock"};
    struct target to;
    if (ring->secret == NULL || key.id == NULL)
        return 0;
    if (target_init(&to, &g->endpoints[p - g->config->providers], &a->err) < 0)
        return -1;
    int result = add(a, call, &key, &to);
    target_clear(&to);
    return result;
}
