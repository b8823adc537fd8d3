#include "serve/refusal.h"

#include "base/json.h"

enum protocol refusal_protocol(const struct http_head *head)
{
    if (head == NULL)
        return PROTOCOL_CHAT;
    struct str path = http_path(head);
    if (str_starts(path, "/v1/messages"))
        return PROTOCOL_MESSAGES;
    if (str_starts(path, "/v1/responses"))
        return PROTOCOL_RESPONSES;
    return http_field(head, "anthropic-version").p ? PROTOCOL_MESSAGES : PROTOCOL_CHAT;
}

static const char *openai_type(int status)
{
    switch (status) {
    case 401: return "authentication_error";
    case 403: return "permission_error";
    case 429: return "rate_limit_error";
    default: return status < 500 ? "invalid_request_error" : "server_error";
    }
}

static const char *anthropic_type(int status)
{
    switch (status) {
    case 401: return "authentication_error";
    case 402: return "billing_error";
    case 403: return "permission_error";
    case 404: return "not_found_error";
    case 413: return "request_too_large";
    case 429: return "rate_limit_error";
    case 504: return "timeout_error";
    case 503:
    case 529: return "overloaded_error";
    default: return status < 500 ? "invalid_request_error" : "api_error";
    }
}

/* message, type, param, code: what OpenAI's errors are made of. */
static void write_members(struct buf *out, const struct refusal *r, const char *type)
{
    buf_puts(out, "\"message\":");
    json_quote(out, r->words);
    buf_puts(out, ",\"type\":");
    json_quote(out, str_of(type));
    buf_puts(out, ",\"param\":");
    json_quote_z(out, r->param);
    buf_puts(out, ",\"code\":");
    json_quote_z(out, r->code);
}

/* The shape has no member for the field at fault: the words begin with it. */
static void write_anthropic(struct buf *out, const struct refusal *r)
{
    struct buf words = BUF(64 * 1024);
    if (r->param && memmem(r->words.p, r->words.len, r->param, strlen(r->param)) == NULL)
        buf_printf(&words, "%s: ", r->param);
    buf_append(&words, r->words.p, r->words.len);
    buf_puts(out, "{\"type\":\"error\",\"error\":{\"type\":");
    json_quote(out, str_of(anthropic_type(r->status)));
    buf_puts(out, ",\"message\":");
    json_quote(out, buf_str(&words));
    buf_puts(out, "},\"request_id\":");
    json_quote_z(out, r->id);
    buf_putc(out, '}');
    buf_clear(&words);
}

void refusal_write(struct buf *out, enum protocol protocol, const struct refusal *r)
{
    if (protocol == PROTOCOL_MESSAGES) {
        write_anthropic(out, r);
        return;
    }
    buf_puts(out, "{\"error\":{");
    write_members(out, r, openai_type(r->status));
    buf_puts(out, "}}");
}

void refusal_write_frame(struct buf *out, enum protocol protocol, const struct refusal *r)
{
    if (protocol == PROTOCOL_RESPONSES) {
        buf_puts(out, "event: error\ndata: {\"type\":\"error\",");
        buf_puts(out, "\"sequence_number\":0,\"code\":");
        json_quote_z(out, r->code);
        buf_puts(out, ",\"message\":");
        json_quote(out, r->words);
        buf_puts(out, ",\"param\":null}\n\n");
        return;
    }
    buf_puts(out, protocol == PROTOCOL_MESSAGES ? "event: error\ndata: " : "data: ");
    refusal_write(out, protocol, r);
    buf_puts(out, "\n\n");
}
