#include "policy/quota.h"

enum { DAY_S = 86400 };

static const char *const NAMES[QUOTA_WHY_COUNT] = {"none", "requests", "tokens", "concurrent", "usd"};

const char *quota_why_name(enum quota_why why)
{
    return NAMES[why];
}

void quota_init(struct quota *q)
{
    lock_init(&q->lock);
}

static uint64_t second_of(struct quota_time now)
{
    return now.ns / 1000000000 + QUOTA_RING; /* 0 marks a step that was never used */
}

static bool is_inside(const struct quota *q, uint64_t second)
{
    return second + QUOTA_STEPS >= q->second && second <= q->second;
}

/* The sums are made anew from the steps when time moves on, so that no error can build up in them. */
static void move_on(struct quota *q, struct quota_time now)
{
    uint64_t second = second_of(now), day = now.wall_us / 1000000 / DAY_S;
    if (q->day != day) {
        q->spent = 0;
        q->day = day;
    }
    if (second <= q->second)
        return;
    q->second = second;
    q->requests = q->tokens = 0;
    for (int i = 0; i < QUOTA_RING; i++) {
        if (!is_inside(q, q->steps[i].second))
            continue;
        q->requests += q->steps[i].requests;
        q->tokens += q->steps[i].tokens;
    }
}

static void enter(struct quota *q, struct quota_time now)
{
    if (lock_take(&q->lock))
        q->second = 0; /* the sums may miss what the dead one was adding */
    move_on(q, now);
}

static void add(struct quota *q, uint32_t requests, uint64_t tokens)
{
    int i = (int)(q->second % QUOTA_RING);
    if (q->steps[i].second != q->second) {
        q->steps[i].requests = 0;
        q->steps[i].tokens = 0;
        q->steps[i].second = q->second;
    }
    q->steps[i].requests += requests;
    q->steps[i].tokens += tokens;
    q->requests += requests;
    q->tokens += tokens;
}

static uint32_t running(const struct quota *q)
{
    uint32_t sum = 0;
    for (unsigned i = 0; i < q->columns; i++)
        sum += q->held[i].running;
    return sum;
}

static double reserved(const struct quota *q)
{
    double sum = 0;
    for (unsigned i = 0; i < q->columns; i++)
        sum += q->held[i].usd;
    return sum;
}

static double usd_left(const struct quota *q, const struct quota_limits *limits)
{
    double left = limits->usd_per_day - q->spent - reserved(q);
    return left > 0 ? left : 0;
}

static uint64_t less(uint64_t whole, uint64_t part)
{
    return whole > part ? whole - part : 0;
}

/* Seconds until `requests` and `tokens` of the window have left it. */
static unsigned wait_for(const struct quota *q, uint64_t requests, uint64_t tokens)
{
    for (uint64_t age = QUOTA_STEPS; age > 0; age--) {
        int i = (int)((q->second - age) % QUOTA_RING);
        bool is_there = q->steps[i].second == q->second - age;
        requests = less(requests, is_there ? q->steps[i].requests : 0);
        tokens = less(tokens, is_there ? q->steps[i].tokens : 0);
        if (requests == 0 && tokens == 0)
            return (unsigned)(QUOTA_STEPS - age + 1);
    }
    return QUOTA_STEPS + 1;
}

static unsigned until_midnight(struct quota_time now)
{
    return (unsigned)(DAY_S - now.wall_us / 1000000 % DAY_S);
}

static struct quota_answer refuse(enum quota_why why, unsigned wait_s)
{
    return (struct quota_answer){.why = why, .wait_s = wait_s};
}

static struct quota_answer judge(const struct quota *q, const struct quota_limits *l, uint64_t tokens, struct quota_time now)
{
    if (l->rpm && q->requests + 1 > l->rpm)
        return refuse(QUOTA_REQUESTS, wait_for(q, q->requests + 1 - l->rpm, 0));
    if (l->tpm && q->tokens + tokens > l->tpm)
        return refuse(QUOTA_TOKENS, wait_for(q, 0, q->tokens + tokens - l->tpm));
    if (l->concurrent && running(q) + 1 > l->concurrent)
        return refuse(QUOTA_CONCURRENT, 1);
    if (l->usd_per_day > 0 && usd_left(q, l) <= 0)
        return refuse(QUOTA_USD, q->spent >= l->usd_per_day ? until_midnight(now) : 1);
    return (struct quota_answer){.why = QUOTA_OK};
}

static void tell_left(const struct quota *q, const struct quota_limits *l, struct quota_answer *a)
{
    a->requests_left = less(l->rpm, q->requests);
    a->tokens_left = less(l->tpm, q->tokens);
    a->usd_left = usd_left(q, l);
}

struct quota_answer quota_look(struct quota *q, const struct quota_limits *limits, struct quota_time now)
{
    enter(q, now);
    struct quota_answer a = judge(q, limits, 1, now);
    tell_left(q, limits, &a);
    lock_drop(&q->lock);
    return a;
}

struct quota_answer quota_admit(struct quota *q, const struct quota_limits *limits, unsigned worker, uint64_t tokens, bool is_open, struct quota_time now,
                                struct quota_hold *hold)
{
    enter(q, now);
    uint64_t left = less(limits->tpm, q->tokens);
    if (limits->tpm && is_open && tokens > left)
        tokens = left ? left : 1;
    struct quota_answer a = judge(q, limits, tokens, now);
    if (a.why == QUOTA_OK) {
        add(q, 1, tokens);
        q->held[worker].running++;
        q->columns = worker < q->columns ? q->columns : worker + 1;
        *hold = (struct quota_hold){.second = q->second, .tokens = tokens};
    } else {
        tell_left(q, limits, &a);
    }
    lock_drop(&q->lock);
    return a;
}

bool quota_reserve(struct quota *q, const struct quota_limits *limits, unsigned worker, double usd, bool is_open, struct quota_time now, struct quota_hold *hold)
{
    if (limits->usd_per_day <= 0)
        return true;
    enter(q, now);
    double left = usd_left(q, limits);
    if (is_open && usd > left)
        usd = left;
    bool fits = usd <= left && left > 0;
    if (fits) {
        q->held[worker].usd += usd;
        hold->usd += usd;
    }
    lock_drop(&q->lock);
    return fits;
}

static void correct_tokens(struct quota *q, uint64_t tokens, const struct quota_hold *hold)
{
    int i = (int)(hold->second % QUOTA_RING);
    if (!is_inside(q, hold->second) || q->steps[i].second != hold->second)
        return;
    q->steps[i].tokens = less(q->steps[i].tokens + tokens, hold->tokens);
    q->tokens = less(q->tokens + tokens, hold->tokens);
}

void quota_settle(struct quota *q, unsigned worker, uint64_t tokens, double usd, struct quota_time now, const struct quota_hold *hold)
{
    enter(q, now);
    correct_tokens(q, tokens, hold);
    q->spent += usd;
    q->held[worker].usd = q->held[worker].usd > hold->usd ? q->held[worker].usd - hold->usd : 0;
    if (q->held[worker].running)
        q->held[worker].running--;
    if (q->held[worker].running == 0)
        q->held[worker].usd = 0; /* what rounding left */
    lock_drop(&q->lock);
}

unsigned quota_usd_wait_s(struct quota *q, double own, struct quota_time now)
{
    enter(q, now);
    bool is_held_by_others = reserved(q) - own > 1e-9;
    lock_drop(&q->lock);
    return is_held_by_others ? 1 : until_midnight(now);
}

void quota_forget(struct quota *q, unsigned worker)
{
    lock_take(&q->lock);
    q->spent += q->held[worker].usd;
    q->held[worker].usd = 0;
    q->held[worker].running = 0;
    lock_drop(&q->lock);
}
