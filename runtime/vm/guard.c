#include "vm/guard.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <lauxlib.h>
#include <lua.h>

#include "base/clock.h"
#include "vm/state.h"

#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

enum { TICK_US = 5000 };

/* Shared with the signal handler, which interrupts this same thread: volatile is enough. */
static _Thread_local struct {
    timer_t timer;
    bool is_open;
    struct vm *volatile active;
    volatile bool is_over;
    volatile bool is_busy; /* the thread itself is inside lua_sethook: the handler keeps out */
    volatile uint64_t first_us,
        last_us; /* CPU clock at the slice's first and newest tick; 0: none yet */
    uint64_t budget_us;
    uint64_t began_ns;
    char place[96];
    bool is_final; /* place is where the hook first raised */
} guard;

static uint64_t cpu_us(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
    return (uint64_t)ts.tv_sec * 1000000u + (uint64_t)ts.tv_nsec / 1000u;
}

static void note_place(lua_State *L)
{
    char place[sizeof guard.place];
    if (!guard.is_final && vm_place(L, place, sizeof place))
        memcpy(guard.place, place, sizeof place);
}

/* The thread's own changes of the hook: the handler must not come between, LuaJIT's tables would end half written. */
static void set_hook(struct vm *vm, lua_Hook function)
{
    guard.is_busy = true;
    lua_sethook(vm->L, function, function ? LUA_MASKCOUNT : 0, function ? 1 : 0);
    guard.is_busy = false;
}

static void disarm(struct vm *vm)
{
    if (lua_gethook(vm->L))
        set_hook(vm, NULL);
}

static void stop(lua_State *L, const char *what, int limit, const char *unit)
{
    guard.is_final = true;
    luaL_error(L, "%s: %s %d %s", guard.place, what, limit, unit);
}

/* Runs before each instruction while armed. */
static void hook(lua_State *L, lua_Debug *ar)
{
    (void)ar;
    struct vm *vm = vm_of(L);
    note_place(L);
    if (guard.is_over)
        stop(L, "ran longer than", (int)vm->limits.script_ms, "ms");
    if (vm->is_over)
        stop(L, "outgrew its memory of", (int)(vm->limits.memory >> 20), "MiB");
    disarm(vm);
    lua_gc(L, LUA_GCCOLLECT, 0);
    vm->soft = vm_soft_line(vm);
}

void guard_arm(struct vm *vm, lua_State *L)
{
    note_place(L);
    set_hook(vm, hook);
}

/*
 * Arms again at every tick while over: a finalizer that ran meanwhile restores the mask that it found.
 */
static void on_tick(int signal)
{
    (void)signal;
    int saved = errno;
    struct vm *vm = guard.active;
    if (vm) {
        uint64_t now = cpu_us();
        if (guard.first_us == 0)
            guard.first_us = now;
        guard.last_us = now;
        if (now - guard.first_us >= guard.budget_us)
            guard.is_over = true;
        if (guard.is_over && !guard.is_busy)
            lua_sethook(vm->L, hook, LUA_MASKCOUNT, 1);
    }
    errno = saved;
}

int guard_open(struct err *err)
{
    if (guard.is_open)
        return 0;
    struct sigaction action = {.sa_handler = on_tick, .sa_flags = SA_RESTART};
    sigemptyset(&action.sa_mask);
    struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGRTMIN + 3};
    event.sigev_notify_thread_id = (pid_t)syscall(SYS_gettid);
    if (sigaction(SIGRTMIN + 3, &action, NULL) < 0 ||
        timer_create(CLOCK_THREAD_CPUTIME_ID, &event, &guard.timer) < 0)
        return err_set(err, ERR_SYSTEM, "cannot time scripts: %s", strerror(errno));
    struct itimerspec each = {{0, TICK_US * 1000}, {0, TICK_US * 1000}};
    if (timer_settime(guard.timer, 0, &each, NULL) < 0) {
        timer_delete(guard.timer);
        return err_set(err, ERR_SYSTEM, "cannot time scripts: %s", strerror(errno));
    }
    guard.is_open = true;
    return 0;
}

void guard_close(void)
{
    if (guard.is_open)
        timer_delete(guard.timer);
    guard.is_open = false;
}

void guard_enter(struct vm *vm, unsigned ms)
{
    guard.is_over = false;
    guard.first_us = guard.last_us = 0;
    guard.budget_us = (uint64_t)ms * 1000;
    guard.place[0] = '\0';
    guard.is_final = false;
    guard.began_ns = clock_ns();
    vm->is_over = false;
    vm->soft = vm_soft_line(vm);
    vm->stack_base = __builtin_frame_address(0);
    vm->is_guarded = true;
    guard.active = vm;
}

uint64_t guard_leave(struct vm *vm, bool *over)
{
    guard.active = NULL;
    vm->is_guarded = false;
    disarm(vm);
    uint64_t us = (clock_ns() - guard.began_ns) / 1000;
    uint64_t most = guard.last_us - guard.first_us + 2 * TICK_US;
    *over = guard.is_over;
    return guard.is_open && us > most ? most : us;
}

bool guard_is_over(void)
{
    return guard.is_over;
}

const char *guard_place(void)
{
    return guard.place;
}
