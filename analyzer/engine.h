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
 */
#ifndef GS_ENGINE_H
#define GS_ENGINE_H

#include "analyzer/columns.h"
#include "analyzer/hist.h"
#include "analyzer/idmap.h"
#include "analyzer/turns.h"

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
};

struct gs_gil_result {
    struct gs_actor_sums *actors; /* one for each of columns->actors */
    size_t n_actors;
    struct gs_summap pairs;      /* waiting actor, holding actor -> ns, number of stretches */
    struct gs_summap wait_hists; /* thread * 1024 + bucket -> count */
    uint64_t wait_hist[GS_HIST_BUCKETS], hold_hist[GS_HIST_BUCKETS];
    uint64_t wait_ns, unknown_holder_ns;
    uint64_t duplicate_rows; /* halves that were there already: ignored */
};

struct gs_engine;
struct gs_engine_ops {
    const char *name;
    /* NULL-safe close; one engine serves many GILs, one after another */
    enum gs_status (*open)(struct gs_engine **out, struct gs_error *err);
    /* Lays the GIL's rows into the result (zeroed by the caller) and the bins (added to). Reorders
     * g->slices and g->samples. */
    enum gs_status (*run)(struct gs_engine *e, struct gs_gil_columns *g, struct gs_bins *bins,
                          struct gs_gil_result *out, struct gs_error *err);
    void (*close)(struct gs_engine *e);
};

extern const struct gs_engine_ops gs_engine_reference, gs_engine_cpu;

/* "auto" and NULL: cpu. GS_ERR_USAGE for a name that is none. */
enum gs_status gs_engine_select(const char *name, const struct gs_engine_ops **out,
                                struct gs_error *err);
void gs_gil_result_free(struct gs_gil_result *r);

/* Adds [from, to) to the bins; what lies outside is cut off. */
void gs_bins_add(const struct gs_bins *b, uint64_t *into, uint64_t from_ns, uint64_t to_ns);
/* What both engines count of one turn, apart from blame. expired: an AT_EXPIRY sample was there. */
void gs_count_hold(struct gs_gil_result *out, const struct gs_bins *bins, const struct gs_slice *t,
                   const struct gs_segment *segments, size_t n, bool expired);
/* Returns the bucket of the thread's histogram, which the engine keeps in its own way. */
unsigned gs_count_wait(struct gs_gil_result *out, const struct gs_slice *t);

#endif
