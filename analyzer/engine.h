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

/* Who waited for whom: waiting actor, holding actor -> ns, number of stretches. The one thing that
 * may cost more than the rows: a wait over k stretches takes k steps, and every actor may have
 * waited for every other. So there is a limit to both, in order of seq and the same in all engines,
 * which no plausible recording meets; what lies past it is blamed all the same, on the holder
 * alone. */
struct gs_pairs {
    struct gs_summap sums;
    size_t max_pairs;
    uint64_t steps_left;
    uint64_t rest_ns; /* blamed, of no pair */
};
#define GS_PAIRS_MAX      (1u << 20) /* of a process */
#define GS_STEPS_PER_WAIT 512u       /* on average */

struct gs_gil_result {
    struct gs_actor_sums *actors; /* one for each of columns->actors */
    size_t n_actors;
    struct gs_pairs pairs;
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
    /* Lays the GIL's rows into the result (zeroed by the caller, pairs opened) and the bins (added
     * to). Reorders g->slices and g->samples. */
    enum gs_status (*run)(struct gs_engine *e, struct gs_gil_columns *g, struct gs_bins *bins,
                          struct gs_gil_result *out, struct gs_error *err);
    void (*close)(struct gs_engine *e);
};

extern const struct gs_engine_ops gs_engine_reference, gs_engine_cpu;

/* "auto" and NULL: cpu. GS_ERR_USAGE for a name that is none. */
enum gs_status gs_engine_select(const char *name, const struct gs_engine_ops **out,
                                struct gs_error *err);
void gs_gil_result_free(struct gs_gil_result *r);

/* max_pairs: what the GILs before left of GS_PAIRS_MAX. */
void gs_pairs_open(struct gs_pairs *p, size_t n_rows, size_t max_pairs);
/* Whether a wait over so many stretches is still told apart by holder. */
bool gs_pairs_take(struct gs_pairs *p, uint64_t steps);
void gs_pairs_add(struct gs_pairs *p, uint32_t waiter, uint32_t holder, uint64_t ns,
                  uint64_t count);
/* At the end: sets rest_ns from what was blamed in all. */
void gs_pairs_close(struct gs_gil_result *r);

/* Adds [from, to) to the bins; what lies outside is cut off. */
void gs_bins_add(const struct gs_bins *b, uint64_t *into, uint64_t from_ns, uint64_t to_ns);
/* What both engines count of one turn, apart from blame. expired: an AT_EXPIRY sample was there. */
void gs_count_hold(struct gs_gil_result *out, const struct gs_bins *bins, const struct gs_slice *t,
                   const struct gs_segment *segments, size_t n, bool expired);
/* Returns the bucket of the thread's histogram, which the engine keeps in its own way. */
unsigned gs_count_wait(struct gs_gil_result *out, const struct gs_slice *t);

#endif
