/* SPDX-License-Identifier: MIT */
#include "preload/lock_calls.h"

#include "preload/agent.h"
#include "preload/agent_clock.h"
#include "preload/sync_rows.h"
#include "preload/text.h"

/* Which entry of a method table this is. */
enum method {
#define GS_LOCK_METHOD(type, name, effect) type##_##name,
#include "preload/lock_methods.def"
#undef GS_LOCK_METHOD
    N_METHODS
};

enum effect { TAKE, LET_GO, LET_GO_ALL, PUT, GET };

static uintptr_t originals[N_METHODS]; /* written before the wrapper can be called */
static uintptr_t false_object;

void gs_lock_calls_init(uintptr_t python_false)
{
    false_object = python_false;
}

static bool is_on(void)
{
    return gs_live.mode != GS_LIVE_NO && gs_agent.locks;
}

/* What came of it. NULL is an exception. */
static __attribute__((noinline)) void note(enum effect effect, uintptr_t object, uintptr_t result,
                                           uint64_t t0)
{
    uint64_t now = gs_now();
    if (!is_on() || (!result && effect != GET)) /* the recording may have ended meanwhile */
        return;
    if (effect == TAKE)
        gs_sync_row(result == false_object ? GS_SYNC_REFUSED : GS_SYNC_ACQUIRED, object, now - t0,
                    now);
    else if (effect == GET)
        gs_sync_row(result ? GS_SYNC_GOT : GS_SYNC_REFUSED, object, now - t0, now);
    else if (effect == PUT)
        gs_sync_row(GS_SYNC_PUT, object, 0, now);
    else
        gs_sync_row(GS_SYNC_RELEASED, object, effect == LET_GO_ALL, now);
}

/* ---- the wrappers ---- */

/* Every argument is a pointer or a length: one word, in a register of its own. So a convention is
 * the number of words. */
typedef uintptr_t word;
typedef word function_2(word, word);
typedef word function_3(word, word, word);
typedef word function_4(word, word, word, word);
typedef word function_5(word, word, word, word, word);

#define WRAPPER(n, type, which, effect, parameters, arguments)                                     \
    static word which##_##n parameters                                                             \
    {                                                                                              \
        function_##n *original =                                                                   \
            (function_##n *)__atomic_load_n(&originals[which], __ATOMIC_RELAXED);                  \
        if (__builtin_expect(!is_on(), 0))                                                         \
            return original arguments;                                                             \
        uint64_t t0 = gs_now();                                                                    \
        word result = original arguments;                                                          \
        note(effect, self | GS_SYNC_MARK(type), result, t0);                                       \
        return result;                                                                             \
    }

#define GS_LOCK_METHOD(type, name, effect)                                                         \
    WRAPPER(2, GS_SYNC_##type, type##_##name, effect, (word self, word a), (self, a))              \
    WRAPPER(3, GS_SYNC_##type, type##_##name, effect, (word self, word a, word b), (self, a, b))   \
    WRAPPER(4, GS_SYNC_##type, type##_##name, effect, (word self, word a, word b, word c),         \
            (self, a, b, c))                                                                       \
    WRAPPER(5, GS_SYNC_##type, type##_##name, effect, (word self, word a, word b, word c, word d), \
            (self, a, b, c, d))
#include "preload/lock_methods.def"
#undef GS_LOCK_METHOD

/* ---- which wrapper ---- */

enum {
    METH_VARARGS = 1,
    METH_KEYWORDS = 2,
    METH_NOARGS = 4,
    METH_O = 8,
    METH_COEXIST = 0x40,
    METH_FASTCALL = 0x80,
    METH_METHOD = 0x200,
};

static const struct wrapper {
    enum gs_sync_type type;
    const char *name;
    function_2 *two;
    function_3 *three;
    function_4 *four;
    function_5 *five;
} wrappers[N_METHODS] = {
#define GS_LOCK_METHOD(type, name, effect)                                                         \
    {GS_SYNC_##type,   #name, type##_##name##_2, type##_##name##_3, type##_##name##_4,             \
     type##_##name##_5},
#include "preload/lock_methods.def"
#undef GS_LOCK_METHOD
};

static uintptr_t by_convention(const struct wrapper *w, int flags)
{
    switch (flags & ~METH_COEXIST) {
    case METH_NOARGS:
    case METH_O:
    case METH_VARARGS:
        return (uintptr_t)w->two;
    case METH_VARARGS | METH_KEYWORDS:
    case METH_FASTCALL:
        return (uintptr_t)w->three;
    case METH_FASTCALL | METH_KEYWORDS:
        return (uintptr_t)w->four;
    case METH_METHOD | METH_FASTCALL | METH_KEYWORDS:
        return (uintptr_t)w->five;
    default:
        return GS_LOCK_UNKNOWN;
    }
}

uintptr_t gs_lock_wrapper(enum gs_sync_type type, const struct gs_py_method *method)
{
    for (unsigned i = 0; i < N_METHODS; i++)
        if (wrappers[i].type == type && gs_same_text(wrappers[i].name, method->name))
            return by_convention(&wrappers[i], method->flags);
    return 0;
}

void gs_lock_original(enum gs_sync_type type, const struct gs_py_method *method)
{
    for (unsigned i = 0; i < N_METHODS; i++)
        if (wrappers[i].type == type && gs_same_text(wrappers[i].name, method->name))
            __atomic_store_n(&originals[i], method->function, __ATOMIC_RELEASE);
}
