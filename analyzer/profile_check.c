/* SPDX-License-Identifier: MIT
 * The sums of contract.md, checked in every profile before anybody sees it: a wrong number is worse
 * than none.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "analyzer/memory_rows.h" /* gs_add_sat() */
#include "analyzer/profile_build.h"
#include "analyzer/xalloc.h"

struct sums {
    uint64_t hold, wait, blamed, est;
    uint64_t pinned; /* bytes */
    uint64_t cuda_blamed;
};

static enum gs_status differ(struct gs_error *err, const struct gs_prof_process *p,
                             const char *what, uint64_t a, uint64_t b)
{
    return gs_error_set(err, GS_ERR_CORRUPT,
                        "internal: %s differ in process %u (%" PRIu64 " and %" PRIu64
                        "); please report this with the capture",
                        what, p->pid, a, b);
}

static struct sums sum_threads(const struct gs_prof_process *p)
{
    struct sums s = {0};
    for (size_t i = 0; i < p->n_threads; i++) {
        s.hold += p->threads[i].hold_ns;
        s.wait += p->threads[i].wait_ns;
        s.blamed += p->threads[i].blamed_ns;
    }
    return s;
}

static uint64_t sum_pairs(const struct gs_prof_process *p)
{
    uint64_t ns = 0;
    for (size_t i = 0; i < p->n_blame; i++)
        ns += p->blame[i].ns;
    return ns;
}

static enum gs_status check_process(const struct gs_prof_process *p, const struct sums *rows,
                                    struct gs_error *err)
{
    struct sums t = sum_threads(p);
    if (sum_pairs(p) != t.blamed)
        return differ(err, p, "blame by pair and by thread", sum_pairs(p), t.blamed);
    if (t.blamed + p->gil.unknown_holder_ns != p->gil.wait_ns)
        return differ(err, p, "blame and waits", t.blamed + p->gil.unknown_holder_ns,
                      p->gil.wait_ns);
    if (t.hold != p->gil.hold_ns)
        return differ(err, p, "holds by thread and by GIL", t.hold, p->gil.hold_ns);
    if (t.wait != p->gil.wait_ns)
        return differ(err, p, "waits by thread and by GIL", t.wait, p->gil.wait_ns);
    if (rows->hold != t.hold)
        return differ(err, p, "holds by stack and by thread", rows->hold, t.hold);
    if (rows->wait != t.wait)
        return differ(err, p, "waits by stack and by thread", rows->wait, t.wait);
    if (rows->blamed != t.blamed)
        return differ(err, p, "blame by stack and by thread", rows->blamed, t.blamed);
    if (p->memory && p->memory->alloc && rows->pinned != p->memory->alloc->pinned_bytes)
        return differ(err, p, "pinned bytes by stack and in all", rows->pinned,
                      p->memory->alloc->pinned_bytes);
    if (p->cuda && rows->cuda_blamed != p->cuda->blamed_ns)
        return differ(err, p, "blame of driver calls by stack and in all", rows->cuda_blamed,
                      p->cuda->blamed_ns);
    if (rows->est > rows->hold)
        return differ(err, p, "estimated and all holds", rows->est, rows->hold);
    return GS_OK;
}

enum gs_status gs_profile_check(const struct gs_profile *p, struct gs_error *err)
{
    enum gs_status s = GS_OK;
    struct sums *rows = gs_xcalloc(p->n_processes, sizeof(*rows));
    for (size_t i = 0; i < p->n_rows; i++) {
        struct sums *r = &rows[p->rows[i].process];
        r->hold += p->rows[i].hold_ns;
        r->wait += p->rows[i].wait_ns;
        r->blamed += p->rows[i].blamed_ns;
        r->est += p->rows[i].hold_est_ns;
    }
    for (size_t i = 0; i < p->n_alloc_rows; i++)
        rows[p->alloc_rows[i].process].pinned += p->alloc_rows[i].pinned_bytes;
    for (size_t i = 0; i < p->n_cuda_held_rows; i++) {
        struct sums *r = &rows[p->cuda_held_rows[i].process];
        r->cuda_blamed = gs_add_sat(r->cuda_blamed, p->cuda_held_rows[i].blamed_ns);
    }
    for (size_t i = 0; i < p->n_processes && s == GS_OK; i++)
        s = check_process(&p->processes[i], &rows[i], err);
    free(rows);
    return s;
}
