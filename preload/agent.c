/* SPDX-License-Identifier: MIT */
#include "preload/agent.h"

#include <string.h>

#include "preload/agent_clock.h"
#include "preload/agent_log.h"
#include "preload/alloc_hook.h"
#include "preload/alloc_records.h"
#include "preload/arena_hook.h"
#include "preload/arena_table.h"
#include "preload/counts.h"
#include "preload/cuda_records.h"
#include "preload/cuda_span.h"
#include "preload/drain.h"
#include "preload/edges.h"
#include "preload/elf_symbols.h"
#include "preload/gc_watch.h"
#include "preload/gil.h"
#include "preload/governor.h"
#include "preload/hook_cost.h"
#include "preload/hooks_real.h"
#include "preload/lifecycle.h"
#include "preload/locks.h"
#include "preload/memory.h"
#include "preload/modules.h"
#include "preload/native/native_stack.h"
#include "preload/raw_sys.h"
#include "preload/ring_spill.h"
#include "preload/sampler.h"
#include "preload/stack_intern.h"
#include "preload/sync_rows.h"
#include "preload/thread_state.h"
#include "preload/trace_records.h"
#include "preload/trace_writer.h"

#define RESTART_NS           20000000u /* after a fork: CPython has counted its threads by then */
#define RESTART_SOON_NS      1000000u  /* where forks come so fast that nothing would be written */
#define RETRY_NS             100000000u
#define BEGIN_SPACING        100u /* samples at the beginning of waits: at most 1 % of the time */
#define MADV_WIPEONFORK_FLAG 18

struct gs_agent gs_agent;
union gs_live gs_live;

void gs_agent_die(const char *why)
{
    gs_agent.state = GS_STATE_DEAD;
    gs_live.mode = GS_LIVE_NO;
    if (why)
        gs_log(why, "recording is off; run `gilscope doctor`");
}

/* ---- finding Python ---- */

/* "3.9.18 (main, ...)" -> 0x030912f0, for versions that do not export Py_Version. */
static uint32_t parse_version(const char *s)
{
    uint32_t part[3] = {0}, level = 0xf0;
    for (int i = 0; i < 3; i++, s += *s == '.')
        while (*s >= '0' && *s <= '9')
            part[i] = part[i] * 10 + (uint32_t)(*s++ - '0');
    if (*s == 'a' || *s == 'b' || *s == 'r')
        level = *s == 'a' ? 0xa0 : *s == 'b' ? 0xb0 : 0xc0;
    return part[0] << 24 | part[1] << 16 | part[2] << 8 | level;
}

/* Py_Version from 3.11 on. Before it the text, but the C API is not called from a hook: a library
 * that was loaded late has its version in its name. */
static uint32_t python_version(const struct gs_elf_object *o, bool in_hook)
{
    const unsigned long *hex = (const unsigned long *)gs_elf_symbol(o, "Py_Version");
    const char *(*text)(void) = (const char *(*)(void))gs_elf_symbol(o, "Py_GetVersion");
    const char *soname = strstr(o->name, "libpython3.");
    if (hex)
        return (uint32_t)*hex;
    if (in_hook || !text)
        return soname ? parse_version(soname + sizeof("libpython") - 1) : 0;
    return parse_version(text());
}

static bool find_python(struct gs_elf_object *o, struct gs_pyabi_inputs *in, bool in_hook)
{
    if (!gs_elf_find_object("_PyRuntime", o) || !o->text_len)
        return false;
    gs_agent.text_lo = o->text_lo;
    gs_agent.text_len = o->text_len;
    in->py_runtime = gs_elf_symbol(o, "_PyRuntime");
    in->code_type = gs_elf_symbol(o, "PyCode_Type");
    in->dict_type = gs_elf_symbol(o, "PyDict_Type");
    in->unicode_type = gs_elf_symbol(o, "PyUnicode_Type");
    in->version_hex = python_version(o, in_hook);
    return true;
}

/* Only before the interpreter has started. Why arenas are not recorded, or NULL. */
static const char *watch_arenas(const struct gs_elf_object *python, bool in_hook)
{
    if (gs_agent.abi.free_threaded)
        return "free-threaded Python allocates with mimalloc, which has none";
    if (in_hook)
        return "Python was loaded late: it has arenas that were not seen";
    if (!gs_arenas_init(gs_pyabi_arena_bytes(&gs_agent.abi)))
        return "no memory for their table";
    return gs_arena_hook_install(python) ? NULL : "this Python has no hook for them";
}

static bool begin_memory(const struct gs_elf_object *python, bool in_hook)
{
    const struct gs_config *c = &gs_agent.config;
    bool wanted = c->memory_interval_ms && c->what & GS_WHAT_mem;
    return !wanted || gs_memory_init(watch_arenas(python, in_hook));
}

static bool begin_native(bool in_hook)
{
    return !gs_agent.config.native || gs_native_begin(in_hook);
}

/* ---- starting ---- */

static uint64_t random_key(void)
{
    uint64_t key = 0;
    gs_sys3(SYS_getrandom, &key, sizeof(key), 1 /* GRND_NONBLOCK */);
    return key ^ gs_now() ^ ((uint64_t)gs_getpid() << 40);
}

/* The kernel wipes anonymous memory only, and whether a library's zeroed data is that is for the
 * loader to say: a page of our own takes its place, once. */
static bool map_live(void)
{
    static bool mapped;
    if (!mapped && gs_syscall6(SYS_mmap, (long)&gs_live, sizeof(gs_live), PROT_READ | PROT_WRITE,
                               MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != (long)&gs_live)
        return false;
    mapped = true;
    return gs_sys3(SYS_madvise, &gs_live, sizeof(gs_live), MADV_WIPEONFORK_FLAG) == 0;
}

void gs_agent_set_path(void)
{
    gs_agent.tells_leaving = gs_agent.locks || gs_agent.counters;
    gs_agent.plain_turns = gs_clock.use_tsc && !gs_agent.tells_leaving;
}

/* What a new process image and a forked child have in common. */
static void begin_recording(void)
{
    const struct gs_config *c = &gs_agent.config;
    gs_agent.pid = gs_getpid();
    gs_agent.level = c->level;
    gs_agent.stacks = true;
    gs_agent.sample_holder = gs_agent.safe_read;
    gs_agent.begin_spacing = BEGIN_SPACING;
    gs_agent.locks = c->locks && !gs_agent.abi.free_threaded;
    gs_agent.native = c->native && gs_agent.stacks && gs_agent.safe_read;
    gs_agent.counters = c->counters.n && !gs_agent.abi.free_threaded;
    gs_agent_set_path();
    gs_agent.t_start = gs_now();
    gs_counts_begin();
    gs_agent.process_key = random_key();
    gs_sampler_mean_ticks = gs_ticks_of_ns(c->sample_interval_us * 1000);
    gs_sync_begin();
    gs_alloc_begin();
    gs_alloc_records_forget();
    gs_agent.state = GS_STATE_ON;
}

static bool wanted_here(void)
{
    const struct gs_config *c = &gs_agent.config;
    return c->children != GS_CHILDREN_none || !c->root_pid || c->root_pid == gs_getpid();
}

/* Everything that can refuse, before anything is switched on. */
static bool prepare(bool in_hook)
{
    struct gs_pyabi_inputs in = {0};
    struct gs_elf_object python;
    if (!find_python(&python, &in, in_hook))
        return false;
    gs_agent.state = GS_STATE_DEAD; /* until all of it has worked */
    if (!wanted_here())
        return false;
    if (gs_agent.config.bad_name)
        gs_log(gs_agent.config.bad_name, gs_agent.config.bad_why);
    if (gs_pyabi_resolve(&gs_agent.abi, &in) != GS_OK) {
        gs_log("this Python is not supported", "recording is off; run `gilscope doctor`");
        return false;
    }
    if (!gs_config_out_path(&gs_agent.config, gs_writer.sink.path, sizeof(gs_writer.sink.path))) {
        gs_log("GILSCOPE_OUT", "the path is too long or the working directory is gone");
        return false;
    }
    gs_agent.safe_read = gs_safe_read_others();
    gs_spill_init();
    if (map_live() && gs_stack_intern_init(&gs_agent.abi) && gs_writer_init() &&
        begin_native(in_hook) && begin_memory(&python, in_hook)) {
        gs_alloc_install(&python, in_hook);
        gs_locks_init(&python);
        return true;
    }
    gs_log("no memory, or no MADV_WIPEONFORK", "recording is off; run `gilscope doctor`");
    return false;
}

static void start(bool in_hook)
{
    uint64_t cpu = gs_clock_ns(CLOCK_THREAD_CPUTIME_ID);
    if (!prepare(in_hook))
        return;
    gs_clock_init();
    gs_hook_cost_ps = gs_hook_cost_measure();
    gs_writer.sink.fd = -1;
    begin_recording();
    gs_live.mode = GS_LIVE_YES;
    if (!gs_drain_start())
        gs_agent_die("no thread could be started");
    gs_lifecycle_init(); /* after a sanitizer's handlers, so that ours comes before it locks */
    gs_cost_start(gs_clock_ns(CLOCK_THREAD_CPUTIME_ID) - cpu);
}

/* ---- waking ---- */

/* A forked child is alone in its process: nothing of the parent's is locked or freed, all of it is
 * made anew. The drain thread follows from a hook, once CPython has counted threads. */
static bool begin_child(void)
{
    gs_agent.state = GS_STATE_DEAD;
    gs_agent.leaving_tid = 0;
    gs_threads_forget();
    gs_gc_watch_forget();
    gs_gils_forget();
    gs_edges_forget();
    gs_drain_forget();
    gs_governor_forget();
    gs_cost_forget();
    gs_arenas_after_fork(gs_arena_hook_give_back);
    gs_memory_forget();
    gs_locks_forget();
    gs_modules_forget();
    if (gs_agent.config.native)
        gs_native_modules_again();
    gs_cuda_forget();
    gs_cuda_records_forget();
    gs_spill_init();
    if (!wanted_here() || !map_live() || !gs_stack_intern_init(&gs_agent.abi) ||
        !gs_writer_init() ||
        !gs_config_out_path(&gs_agent.config, gs_writer.sink.path, sizeof(gs_writer.sink.path)))
        return false;
    begin_recording();
    gs_agent.restart_after = gs_agent.t_start + gs_ticks_of_ns(RESTART_NS);
    __atomic_store_n(&gs_live.mode, GS_LIVE_RESTART, __ATOMIC_RELEASE);
    return true;
}

/* An embedder may load libpython late. Looking costs microseconds: at calls 1, 2, 4, 8, ... and
 * then at every 4096th. */
static bool look_for_python(void)
{
    static uint32_t calls;
    uint32_t n = __atomic_add_fetch(&calls, 1, __ATOMIC_RELAXED);
    static uint32_t busy;
    if ((n & (n - 1) && n % 4096) || __atomic_exchange_n(&busy, 1, __ATOMIC_ACQUIRE))
        return false;
    if (gs_agent.state == GS_STATE_UNSEEN)
        start(true);
    __atomic_store_n(&busy, 0, __ATOMIC_RELEASE);
    return gs_agent.state == GS_STATE_ON;
}

void gs_agent_begin_leaving(void)
{
    if (!gs_agent.leaving_tid) {
        gs_agent.leaving_ns = gs_clock_ns(CLOCK_MONOTONIC);
        gs_agent.leaving_tid = gs_gettid();
    }
    gs_live.mode = GS_LIVE_NO;
}

void gs_agent_park(void)
{
    uint32_t leaving = gs_agent.leaving_tid, nobody_wakes = 0;
    uint64_t end_ns = gs_agent.leaving_ns + 2 * GS_FINISH_WAIT_NS, now_ns;
    if (!leaving || leaving == gs_gettid() || gs_agent.pid != gs_getpid())
        return;
    while ((now_ns = gs_clock_ns(CLOCK_MONOTONIC)) < end_ns)
        gs_futex_wait(&nobody_wakes, 0, end_ns - now_ns);
}

bool gs_agent_wake(uintptr_t caller)
{
    gs_hooks_resolve();
    if (gs_agent.leaving_tid && gs_agent.pid == gs_getpid()) {
        if (gs_from_python(caller))
            gs_agent_park();
        return false;
    }
    if (gs_agent.state == GS_STATE_UNSEEN)
        return look_for_python() && gs_from_python(caller);
    return gs_from_python(caller) && gs_agent.pid != gs_getpid() && begin_child();
}

/* Not where the recording has ended meanwhile: nobody would empty the rings. */
static void want_restart(void)
{
    uint32_t on = GS_LIVE_YES;
    __atomic_compare_exchange_n(&gs_live.mode, &on, GS_LIVE_RESTART, false, __ATOMIC_ACQ_REL,
                                __ATOMIC_RELAXED);
}

void gs_agent_restart(uint64_t now)
{
    uint32_t wanted = GS_LIVE_RESTART;
    if (now < gs_agent.restart_after ||
        !__atomic_compare_exchange_n(&gs_live.mode, &wanted, GS_LIVE_YES, false, __ATOMIC_ACQ_REL,
                                     __ATOMIC_RELAXED))
        return;
    if (gs_drain_start())
        return;
    /* No thread to be had (RLIMIT_NPROC, memory): not again at every turn. */
    gs_agent.restart_after = now + gs_ticks_of_ns(RETRY_NS);
    want_restart();
}

void gs_agent_before_fork(void)
{
    gs_agent.restart_after = UINT64_MAX;
    want_restart();
}

void gs_agent_after_fork(void)
{
    uint64_t ns = gs_drain_is_behind() ? RESTART_SOON_NS : RESTART_NS;
    gs_agent.restart_after = gs_now() + gs_ticks_of_ns(ns);
}

/* glibc hands constructors the environment (libc's own is not set yet, we come first); musl hands
 * them nothing. */
extern const char *gnu_get_libc_version(void) __attribute__((weak));
extern char **environ __attribute__((weak));

__attribute__((constructor)) static void agent_init(int argc, char **argv, char **envp)
{
    (void)argc;
    (void)argv;
    gs_hooks_resolve();
    gs_config_parse(&gs_agent.config, gnu_get_libc_version ? envp : &environ ? environ : NULL);
    start(false);
}

__attribute__((destructor)) static void agent_fini(void)
{
    gs_agent.python_has_ended = true;
    gs_lifecycle_before_exit();
}
