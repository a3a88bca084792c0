/* SPDX-License-Identifier: MIT
 * The interface of an engine: the rows of one GIL in, integer sums out. Every engine gives the same
 * bits. engine_reference.c is the definition of each number; engine_cpu.c is fast.
 *
 * Definitions. A turn p is one acquire; its period is [a_p, a_(p+1)), a being the time of the
 * acquire made monotone in order of seq. A wait that ended at acquire i and saw ds acquires began
 * in period i-ds, at w0 = min(begin, a_i). It is laid over the periods from i-ds to i-1 from w0 on,
 * each taking what lies before its end, the last one ending at a_i; so the parts of a wait add up
 * to it exactly. A turn that has no row makes "unknown holder" time: from the end of the last known
 * turn before it (its release) to the next known acquire. Inside a turn the time is split among the
 * stacks seen in it: see turns.h.
 *
 * All results are sums, maxima, or sets: they do not depend on the order of the work, and results
 * of parts can be merged in any order.
 */
#ifndef GS_ENGINE_H
#define GS_ENGINE_H

#include "analyzer/hist.h"
#include "analyzer/idmap.h"
#include "analyzer/turns.h"
#include "analyzer/windows.h"

struct gs_actor_sums {
    uint64_t hold_ns, blamed_ns, wait_ns;
    uint64_t hold_count; /* stretches of holding (a stack may appear twice in a turn) */
    uint64_t wait_count, wait_max_ns;
    uint64_t long_ns, long_count; /* stretches of GS_LONG_HOLD_NS and more in turns in which a
                                     waiter's switch interval expired */
    uint64_t acquires, releases, forced; /* rows; counted at the row's hold_actor */
};

/* Twice CPython's switch interval: a holder that ran bytecode would have let go long before. */
#define GS_LONG_HOLD_NS 10000000u

struct gs_bins { /* of the process's timeline; shared by its GILs */
    uint64_t origin_ns, bin_ns;
    size_t n;
    uint64_t *hold_ns, *wait_ns;
    double bins_per_ns;
};

/* Which thread waited for which: waiting, holding -> ns, number of stretches. The one thing that
 * may cost more than the rows, as every thread may have waited for every other. So there is a limit
 * (and one to steps, see slices.c), which no plausible recording meets. Past it the pairs are kept
 * whose hashes are least: the same in all engines, whatever the order of the work. What the others
 * waited is blamed all the same, on the holder alone. */
#define GS_PAIRS_MAX (1u << 20)
struct gs_pairs {
    struct gs_summap sums; /* thread ids */
    size_t max;
    bool is_limited;
    uint64_t limit;   /* hashes above it are left out */
    uint64_t rest_ns; /* blamed, of no pair */
};

struct gs_gil_result {
    struct gs_idmap map;          /* thread id, node -> actors[] */
    struct gs_actor_sums *actors; /* map.n of them */
    size_t cap_actors;
    struct gs_pairs pairs;
    struct gs_summap chains;     /* waiting node, holding node -> ns, stretches: chain_stacks.h */
    struct gs_summap wait_hists; /* thread id << 10 | bucket -> count */
    uint64_t wait_hist[GS_HIST_BUCKETS], hold_hist[GS_HIST_BUCKETS];
    uint64_t wait_ns, unknown_holder_ns;
    bool no_pairs; /* pairs and chains are empty, whatever the engine put there */
};

struct gs_recording;
struct gs_stacks;
/* One GIL of a recording. */
struct gs_engine_job {
    const struct gs_recording *r;
    const struct gs_stacks *stacks;
    const struct gs_windows *rows;
    unsigned jobs; /* threads, 0 for all cores */
};

struct gs_engine;
/* One of several: what run() is given. `out` is zeroed, and to be freed whatever comes of it. */
struct gs_engine_task {
    struct gs_engine_job job;
    const struct gs_bins *bins; /* tasks may share them */
    struct gs_gil_result *out;
};
struct gs_engine_ops {
    const char *name;
    /* NULL-safe close; one engine serves many GILs */
    enum gs_status (*open)(struct gs_engine **out, struct gs_error *err);
    /* Lays the GIL's rows into the result (to be freed whatever comes of it) and the bins (added
     * to). */
    enum gs_status (*run)(struct gs_engine *e, const struct gs_engine_job *job,
                          const struct gs_bins *bins, struct gs_gil_result *out,
                          struct gs_error *err);
    void (*close)(struct gs_engine *e);
    /* How many GILs it would count side by side just now, and those. NULL: one after another. */
    size_t (*at_once)(struct gs_engine *e);
    enum gs_status (*run_all)(struct gs_engine *e, const struct gs_engine_task *tasks, size_t n,
                              struct gs_error *err);
    /* What it was counted with; *why_not: why it is not what was asked for, NULL where it is. NULL:
     * always `name`. */
    const char *(*used)(const struct gs_engine *e, const char **why_not);
    /* What each device counted, a line for each, to be freed. NULL: there are none. */
    char *(*devices)(const struct gs_engine *e);
};

extern const struct gs_engine_ops gs_engine_reference, gs_engine_cpu, gs_engine_cuda,
    gs_engine_auto;

/* NULL: auto. GS_ERR_USAGE for a name that is none. */
enum gs_status gs_engine_select(const char *name, const struct gs_engine_ops **out,
                                struct gs_error *err);

/* ---- for engines ---- */
void gs_gil_result_open(struct gs_gil_result *r, const struct gs_windows *rows);
void gs_gil_result_free(struct gs_gil_result *r);
/* Room, zeroed, for actors 0 to n - 1. */
void gs_gil_result_reserve(struct gs_gil_result *r, size_t n);
/* A worker's into the whole: all but its actors, whose numbers are its own. */
void gs_gil_result_merge(struct gs_gil_result *into, const struct gs_gil_result *from);
void gs_actor_sums_add(struct gs_actor_sums *into, const struct gs_actor_sums *from);
/* At the end of it all: keeps the pairs that are to be kept, and sets rest_ns. */
void gs_gil_result_close(struct gs_gil_result *r);

/* Thread ids. */
void gs_pairs_add(struct gs_pairs *p, uint32_t waiter, uint32_t holder, uint64_t ns,
                  uint64_t count);

/* Bins like these, empty; and their sums added to them. */
struct gs_bins gs_bins_like(const struct gs_bins *b);
void gs_bins_add_all(const struct gs_bins *into, const struct gs_bins *from);
void gs_bins_free(struct gs_bins *b);
/* Adds [from, to) to the bins; what lies outside is cut off. */
void gs_bins_add(const struct gs_bins *b, uint64_t *into, uint64_t from_ns, uint64_t to_ns);
/* The same, quick where [from, to) lies in the bin that was last added to. The cursor begins as
 * {0} and is that of one `into`. */
struct gs_bin_cursor {
    uint64_t from_ns, to_ns; /* of the bin */
    uint64_t *sum;
};
void gs__bins_add_and_move(const struct gs_bins *b, struct gs_bin_cursor *c, uint64_t *into,
                           uint64_t from_ns, uint64_t to_ns);
static inline void gs_bins_add_near(const struct gs_bins *b, struct gs_bin_cursor *c,
                                    uint64_t *into, uint64_t from_ns, uint64_t to_ns)
{
    if (c->from_ns <= from_ns && from_ns <= to_ns && to_ns < c->to_ns)
        *c->sum += to_ns - from_ns;
    else
        gs__bins_add_and_move(b, c, into, from_ns, to_ns);
}
/* What engines count of one turn, apart from blame. expired: an AT_EXPIRY sample was there. */
void gs_count_hold(struct gs_gil_result *out, const struct gs_bins *bins, const struct gs_slice *t,
                   const struct gs_segment *segments, size_t n, bool expired);
/* Returns the bucket of the thread's histogram, which the engine keeps in its own way. */
unsigned gs_count_wait(struct gs_gil_result *out, const struct gs_slice *t);

#endif
