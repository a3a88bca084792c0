/* SPDX-License-Identifier: MIT */
#include "preload/cuda_lookup.h"

#include <dlfcn.h>

#include "preload/agent.h"
#include "preload/dlsym_entry.h"
#include "preload/elf_symbols.h"
#include "preload/text.h"
#include "preload/trace/trace_format.h"

/* The newest version whose header the table was held against. */
#define KNOWN_VERSION                                             13000

#define GS_CUDA_CALL(symbol, base, since, per_thread, op, params) #symbol,
const char *const gs_cuda_symbols[GS_CUDA_CALLS] = {
#include "preload/cuda_calls.def"
};
#undef GS_CUDA_CALL

#define GS_CUDA_CALL(symbol, base, since, per_thread, op, params) GS_CUDA_OP_##op,
const uint8_t gs_cuda_ops[GS_CUDA_CALLS] = {
#include "preload/cuda_calls.def"
};
#undef GS_CUDA_CALL

void *gs_cuda_reals[GS_CUDA_CALLS];

static const struct {
    const char *base;
    int since;
    bool per_thread;
    void *wrapper;
} calls[GS_CUDA_CALLS] = {
#define GS_CUDA_CALL(symbol, base, since, per_thread, op, params)                                  \
    {#base, since, per_thread, (void *)symbol},
#include "preload/cuda_calls.def"
#undef GS_CUDA_CALL
};

/* ---- behind us ---- */

static CUresult no_driver(void)
{
    return GS_CUDA_ERROR_STUB;
}

void *gs_cuda_find_real(enum gs_cuda_call call)
{
    struct gs_elf_object next;
    void *real = NULL, *known = NULL;
    if (!gs_elf_find_next(gs_cuda_symbols[call], &next))
        return (void *)no_driver;
    real = (void *)gs_elf_symbol(&next, gs_cuda_symbols[call]);
    __atomic_compare_exchange_n(&gs_cuda_reals[call], &known, real, false, __ATOMIC_RELAXED,
                                __ATOMIC_RELAXED);
    return known ? known : real;
}

/* Nobody wraps cuInit(), so whoever has it is the driver, or stands for it. */
static bool find_driver(struct gs_elf_object *out)
{
    return gs_elf_find_next("cuInit", out);
}

static struct gs_cuda_questions questions;
static uintptr_t asked; /* cuInit() of the driver that answers them */

const struct gs_cuda_questions *gs_cuda_ask(void)
{
    struct gs_elf_object driver;
    if (__atomic_load_n(&asked, __ATOMIC_ACQUIRE) || !find_driver(&driver))
        return &questions;
    questions.path = driver.name;
#define X(symbol, params)                                                                          \
    questions.symbol = (__typeof__(questions.symbol))gs_elf_symbol(&driver, #symbol);
    GS_CUDA_QUESTIONS(X)
#undef X
    __atomic_store_n(&asked, gs_elf_symbol(&driver, "cuInit"), __ATOMIC_RELEASE);
    return &questions;
}

/* A program that only wants to know whether there is a driver closes it, and may open it later. */
static void forget_closed(void)
{
    struct gs_elf_object driver;
    uintptr_t known = __atomic_load_n(&asked, __ATOMIC_ACQUIRE);
    if (!known || (find_driver(&driver) && gs_elf_symbol(&driver, "cuInit") == known))
        return;
    questions = (struct gs_cuda_questions){0};
    for (int i = 0; i < GS_CUDA_CALLS; i++)
        __atomic_store_n(&gs_cuda_reals[i], NULL, __ATOMIC_RELAXED);
    __atomic_store_n(&asked, 0, __ATOMIC_RELEASE);
}

static bool is_anothers(const void *known, const void *real)
{
    return known && known != real && !gs_elf_in_one_object(known, real);
}

/* What the program gets: the wrapper, unless another driver's function stands behind it. */
static void *wrap(enum gs_cuda_call call, void *real)
{
    void *known = NULL;
    forget_closed();
    gs_cuda_ask();
    __atomic_compare_exchange_n(&gs_cuda_reals[call], &known, real, false, __ATOMIC_RELAXED,
                                __ATOMIC_RELAXED);
    return is_anothers(known, real) ? real : calls[call].wrapper;
}

/* ---- dlsym() ---- */

/* The driver's go on in upper case: those of cuBLAS and cuDNN, and curl's, are not looked for. */
static int call_named(const char *symbol)
{
    if (symbol[2] < 'A' || symbol[2] > 'Z')
        return -1;
    for (int i = 0; i < GS_CUDA_CALLS; i++)
        if (gs_same_text(gs_cuda_symbols[i], symbol))
            return i;
    return -1;
}

/* Is ours what the caller's RTLD_NEXT comes to first? libc alone tells whose it is. */
static bool is_next(const void *caller, int call)
{
    struct gs_elf_object o;
    return gs_elf_find_behind(caller, gs_cuda_symbols[call], &o) &&
           gs_elf_symbol(&o, gs_cuda_symbols[call]) == (uintptr_t)calls[call].wrapper;
}

/* RTLD_DEFAULT is also what the caller itself was opened with, and that only libc knows: where it
 * is not in the global scope, a library that was loaded after us may mean the driver it has. */
static bool may_see_driver(void *handle, const void *caller, int call)
{
    struct gs_elf_object o;
    return handle == RTLD_DEFAULT && gs_elf_find_next(gs_cuda_symbols[call], &o) &&
           gs_elf_is_behind(caller);
}

/* Also where there is no driver a search that comes by us finds our export: then there is none. */
struct gs_dlsym_answer gs_cuda_dlsym(void *handle, const char *name, const void *caller)
{
    const struct gs_dlsym_answer go_on = {NULL, 0};
    gs_dlsym_fn *next = gs_dlsym_find_real();
    int call = call_named(name);
    if (call < 0 || !next || (handle == RTLD_NEXT && !is_next(caller, call)))
        return go_on;
    void *real = next(handle, name);
    bool ours = handle == RTLD_NEXT || real == calls[call].wrapper;
    if (real == calls[call].wrapper)
        real = next(RTLD_NEXT, name); /* behind us */
    if (!real && (!ours || may_see_driver(handle, caller, call)))
        return go_on;
    if (!real || gs_agent.state != GS_STATE_ON || !(gs_agent.config.what & GS_WHAT_cuda))
        return (struct gs_dlsym_answer){real, 1};
    return (struct gs_dlsym_answer){wrap((enum gs_cuda_call)call, real), 1};
}

/* ---- cuGetProcAddress() ---- */

/* The version of `name` that a driver gives to who was built with `version`. */
static int call_for(const char *name, int version, bool per_thread)
{
    int best = -1;
    for (int i = 0; i < GS_CUDA_CALLS; i++) {
        if (calls[i].since > version || (calls[i].per_thread && !per_thread) ||
            !gs_same_text(calls[i].base, name))
            continue;
        if (best < 0 || calls[i].per_thread > calls[best].per_thread ||
            (calls[i].per_thread == calls[best].per_thread && calls[i].since > calls[best].since))
            best = i;
    }
    return best;
}

/* A driver that exports what it gave under another version's name knows better than we. */
static int call_exported_as(const char *name, const void *real)
{
    struct gs_elf_object driver;
    if (!find_driver(&driver))
        return -1;
    for (int i = 0; i < GS_CUDA_CALLS; i++)
        if (gs_same_text(calls[i].base, name) &&
            gs_elf_symbol(&driver, gs_cuda_symbols[i]) == (uintptr_t)real)
            return i;
    return -1;
}

void *gs_cuda_wrapper_of(const char *name, int version, uint64_t flags, void *real,
                         void *(*ask_again)(const char *name, int version, uint64_t flags))
{
    bool per_thread = flags & GS_CUDA_PER_THREAD;
    int known = version < KNOWN_VERSION ? version : KNOWN_VERSION;
    int call = call_for(name, known, per_thread);
    if (call < 0)
        return real;
    int exported = call_exported_as(name, real);
    if (exported >= 0)
        call = exported;
    else if (version > known && ask_again(name, known, flags) != real)
        return real; /* of a version that came after us: its arguments are not known */
    return wrap((enum gs_cuda_call)call, real);
}
