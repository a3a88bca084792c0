/* SPDX-License-Identifier: MIT */
#include "analyzer/whatif/job_memory.h"

#include <stdlib.h>
#include <string.h>

#include "analyzer/whatif/memory_changes.h"
#include "analyzer/whatif/memory_model.h"
#include "analyzer/xalloc.h"

#define GIL_THREAD_BYTES (17u << 10) /* an idle one */
#define NO_PARENT        SIZE_MAX

static uint64_t at_most(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t at_least(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static uint64_t less(uint64_t a, uint64_t b)
{
    return a > b ? a - b : 0;
}

void gs_whatif_memory_add(struct gs_whatif_memory *m, struct gs_memory_facts facts)
{
    GS_PUSH(m->facts, m->n_facts, m->cap_facts, facts);
}

static bool lives(const struct gs_memory_facts *f, uint64_t t_ns)
{
    return f->n_moments && f->born_ns <= t_ns && t_ns <= f->died_ns;
}

/* ---- now ---- */

/* A process whose mappings were read before a child was born had its pages for itself then. Of what
 * it has now the shares that its children have of the same pages are not its own; they get less as
 * pages are copied, so what was read after the birth is the least there is. */
static uint64_t pss_at(const struct gs_whatif_memory *m, const struct gs_memory_facts *f,
                       uint64_t t_ns)
{
    const struct gs_memory_moment *at = gs_memory_facts_at(f, t_ns);
    uint64_t alone = gs_add_sat(at->of.bytes[GS_FOOT_FILE], gs_footprint_anonymous(&at->of));
    uint64_t least = at->pss_bytes, born_ns = 0;
    if (!at->maps_ns)
        return at->pss_bytes;
    for (size_t i = 0; i < m->n_facts; i++) {
        const struct gs_memory_facts *child = &m->facts[i];
        if (child->ppid != f->pid || !child->forked || !lives(child, t_ns))
            continue;
        alone = less(alone, gs_memory_facts_at(child, t_ns)->shared_bytes);
        born_ns = at_least(born_ns, child->born_ns);
    }
    if (!born_ns)
        return at->pss_bytes;
    return at->maps_ns < born_ns ? alone : at_least(least, alone);
}

static uint64_t all_pss_at(const struct gs_whatif_memory *m, uint64_t t_ns)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < m->n_facts; i++)
        if (lives(&m->facts[i], t_ns))
            sum = gs_add_sat(sum, pss_at(m, &m->facts[i], t_ns));
    return sum;
}

/* ---- when ---- */

static struct gs_memory_change *all_changes(const struct gs_whatif_memory *m, size_t *n)
{
    size_t room = 0;
    for (size_t i = 0; i < m->n_facts; i++)
        room += m->facts[i].n_moments + 1;
    struct gs_memory_change *all = gs_xcalloc(room, sizeof(*all));
    *n = 0;
    for (size_t i = 0; i < m->n_facts; i++) {
        const struct gs_memory_facts *f = &m->facts[i];
        for (size_t k = 0; k < f->n_moments; k++)
            all[(*n)++] = (struct gs_memory_change){f->moments[k].t_ns, i, f->moments[k].pss_bytes};
        if (f->n_moments && f->died_ns < UINT64_MAX)
            all[(*n)++] = (struct gs_memory_change){f->died_ns + 1, i, 0};
    }
    return all;
}

static uint64_t greatest_moment(const struct gs_whatif_memory *m)
{
    size_t n;
    uint64_t at_ns;
    struct gs_memory_change *all = all_changes(m, &n);
    gs_memory_changes_most(all, n, m->n_facts, &at_ns);
    free(all);
    return at_ns;
}

/* ---- what each has of its parent ---- */

/* Pids come again: of those that lived at the child's birth the youngest. */
static size_t parent_of(const struct gs_whatif_memory *m, size_t child)
{
    const struct gs_memory_facts *c = &m->facts[child];
    size_t found = NO_PARENT;
    for (size_t i = 0; i < m->n_facts; i++) {
        const struct gs_memory_facts *p = &m->facts[i];
        if (i == child || p->pid != c->ppid || !lives(p, c->born_ns))
            continue;
        if (found == NO_PARENT || p->born_ns > m->facts[found].born_ns)
            found = i;
    }
    return found;
}

static const struct gs_memory_moment *moment_behind(const struct gs_memory_facts *f, uint64_t t_ns)
{
    const struct gs_memory_moment *m = gs_memory_facts_at(f, t_ns);
    return m->t_ns <= t_ns && m + 1 < f->moments + f->n_moments ? m + 1 : m;
}

/* Parts `from` to `to` - 1 of that kind, but of so many bytes together. */
static void scale_parts(struct gs_footprint *f, unsigned from, unsigned to, uint64_t bytes)
{
    uint64_t all = 0;
    for (unsigned i = from; i < to; i++)
        all += f->bytes[i];
    if (!all)
        f->bytes[GS_FOOT_HEAP_USED] += bytes;
    for (unsigned i = from; i < to && all; i++)
        f->bytes[i] = (uint64_t)((double)f->bytes[i] / (double)all * (double)bytes);
}

static uint64_t bytes_outside_pools(const struct gs_footprint *f)
{
    uint64_t sum = 0;
    for (unsigned i = GS_FOOT_FILE + 1; i < GS_FOOT_CLASSES; i++)
        sum += f->bytes[i];
    return sum;
}

/* What a has more of than b: by size class, and of all else together, as mappings are looked at
 * rarely and their kinds are of another moment. */
static struct gs_footprint beyond(const struct gs_footprint *a, const struct gs_footprint *b)
{
    struct gs_footprint out;
    for (unsigned i = 0; i < GS_N_FOOT; i++)
        out.bytes[i] = less(a->bytes[i], b->bytes[i]);
    scale_parts(&out, GS_FOOT_FILE + 1, GS_FOOT_CLASSES,
                less(bytes_outside_pools(a), bytes_outside_pools(b)));
    return out;
}

/* Both had it at the fork, so it is no more than either has at the next look at it, and no less
 * than what the parent had at the last look before. */
static uint64_t inherited_bytes(const struct gs_memory_facts *parent,
                                const struct gs_memory_facts *child)
{
    uint64_t before = gs_footprint_anonymous(&gs_memory_facts_at(parent, child->born_ns)->of);
    uint64_t behind = gs_footprint_anonymous(&moment_behind(parent, child->born_ns)->of);
    uint64_t first = gs_footprint_anonymous(&child->moments[0].of);
    return at_least(before, at_most(behind, first));
}

/* What of a process's footprint one process of threads has to hold for it beyond what is there
 * already. */
static struct gs_footprint own_part(const struct gs_whatif_memory *m, size_t process,
                                    const struct gs_footprint *now)
{
    const struct gs_memory_facts *f = &m->facts[process];
    size_t parent = parent_of(m, process);
    if (parent == NO_PARENT) /* started by somebody else: once is the interpreter */
        return beyond(now, &f->moments[0].of);
    struct gs_footprint own = beyond(now, &moment_behind(&m->facts[parent], f->born_ns)->of);
    if (!f->forked)
        return own;
    scale_parts(&own, GS_FOOT_FILE + 1, GS_N_FOOT,
                less(gs_footprint_anonymous(now), inherited_bytes(&m->facts[parent], f)));
    return own;
}

/* ---- one process of threads ---- */

struct sums {
    struct gs_footprint root, own;
    uint64_t file_bytes, once_bytes, spawned_once_bytes, whole_bytes, n_threads;
    bool free_threaded;
};

/* The one that the others come from: one that no recorded process has started, where there is such
 * a one, and of several the one with the most memory. */
static size_t find_root(const struct gs_whatif_memory *m, uint64_t t_ns)
{
    size_t root = NO_PARENT;
    uint64_t most = 0;
    bool most_is_first = false;
    for (size_t i = 0; i < m->n_facts; i++) {
        if (!lives(&m->facts[i], t_ns) || m->facts[i].helper)
            continue;
        uint64_t bytes = gs_footprint_anonymous(&gs_memory_facts_at(&m->facts[i], t_ns)->of);
        bool is_first = parent_of(m, i) == NO_PARENT;
        if (root == NO_PARENT || is_first > most_is_first ||
            (is_first == most_is_first && bytes > most)) {
            root = i;
            most = bytes;
            most_is_first = is_first;
        }
    }
    return root;
}

static void add_footprint(struct gs_footprint *to, const struct gs_footprint *f)
{
    for (unsigned i = 0; i < GS_N_FOOT; i++)
        to->bytes[i] = at_most(to->bytes[i] + f->bytes[i], GS_BYTES_MAX);
}

static void add_worker(const struct gs_whatif_memory *m, size_t process,
                       const struct gs_footprint *now, struct sums *s)
{
    struct gs_footprint own = own_part(m, process, now);
    uint64_t once_bytes = less(gs_footprint_anonymous(now), gs_footprint_anonymous(&own));
    add_footprint(&s->own, &own);
    s->once_bytes = gs_add_sat(s->once_bytes, once_bytes);
    if (!m->facts[process].forked)
        s->spawned_once_bytes = gs_add_sat(s->spawned_once_bytes, once_bytes);
    s->n_threads += m->facts[process].n_threads;
}

static struct sums sum_up(struct gs_whatif_memory *m, uint64_t t_ns, size_t root)
{
    struct sums s = {0};
    for (size_t i = 0; i < m->n_facts; i++) {
        const struct gs_memory_facts *f = &m->facts[i];
        if (!lives(f, t_ns)) {
            m->left_out++;
            continue;
        }
        const struct gs_memory_moment *at = gs_memory_facts_at(f, t_ns);
        m->processes++;
        m->forked += f->forked;
        m->helpers += f->helper;
        m->rss_only += !at->maps_ns;
        m->agent_bytes = gs_add_sat(m->agent_bytes, at->agent_bytes);
        s.file_bytes = at_least(s.file_bytes, at->of.bytes[GS_FOOT_FILE]);
        s.whole_bytes = gs_add_sat(s.whole_bytes, gs_footprint_anonymous(&at->of));
        s.free_threaded |= f->free_threaded;
        if (i == root) {
            s.root = at->of;
            s.n_threads += f->n_threads - 1;
        } else if (!f->helper) {
            add_worker(m, i, &at->of, &s);
        }
    }
    return s;
}

static uint64_t to_bytes(double bytes)
{
    return bytes < 0x1p63 ? (uint64_t)bytes : UINT64_C(1) << 63;
}

static unsigned classes_in_use(const struct gs_footprint *f)
{
    unsigned n = 0;
    for (unsigned i = GS_FOOT_CLASSES; i < GS_N_FOOT; i++)
        n += f->bytes[i] > 0;
    return n;
}

static void predict(struct gs_whatif_memory *m, const struct sums *s)
{
    const struct gs_bytes_range parts[] = {
        {(double)s->file_bytes, (double)s->file_bytes, (double)s->file_bytes},
        gs_memory_of_process(&s->root, s->free_threaded),
        gs_memory_of_data(&s->own, s->free_threaded),
        gs_memory_of_threads(s->n_threads, classes_in_use(&s->own), s->free_threaded),
    };
    struct gs_bytes_range sum = gs_memory_sum(parts, sizeof(parts) / sizeof(*parts));
    m->threads_bytes[0] = to_bytes(sum.low);
    m->threads_bytes[1] = to_bytes(sum.mid);
    m->threads_bytes[2] = to_bytes(sum.high);
    double growth = parts[1].mid / ((double)gs_footprint_anonymous(&s->root) + 1);
    if (s->spawned_once_bytes)
        m->unshared_bytes = to_bytes(sum.mid + (double)s->spawned_once_bytes * growth);
}

/* The same things held once by a process with the GIL: what is now beyond that are copies. */
static void compare(struct gs_whatif_memory *m, const struct sums *s)
{
    uint64_t with_gil = gs_add_sat(s->file_bytes, gs_footprint_anonymous(&s->root));
    with_gil = gs_add_sat(with_gil, gs_footprint_anonymous(&s->own));
    m->once_bytes = s->once_bytes;
    m->own_bytes = gs_footprint_anonymous(&s->own);
    m->threads = s->n_threads + 1;
    m->duplicated_bytes =
        m->processes > 1 ? less(m->now_bytes, with_gil + s->n_threads * GIL_THREAD_BYTES) : 0;
    if (m->forked)
        m->spawned_bytes = gs_add_sat(s->whole_bytes, s->file_bytes);
    else if (m->processes > 1)
        m->forked_bytes = with_gil;
}

static char *why_not(const struct gs_whatif_memory *m)
{
    for (size_t i = 0; i < m->n_facts; i++)
        if (m->facts[i].why_not)
            return gs_xstrndup(m->facts[i].why_not, strlen(m->facts[i].why_not));
    for (size_t i = 0; i < m->n_facts; i++)
        if (m->facts[i].n_moments)
            return NULL;
    return gs_xasprintf("no process lived long enough for a look at its memory");
}

void gs_whatif_memory_finish(struct gs_whatif_memory *m)
{
    m->why_not = why_not(m);
    gs_whatif_memory_cuda(m);
    if (m->why_not)
        return;
    uint64_t t_ns = greatest_moment(m);
    size_t root = find_root(m, t_ns);
    m->now_bytes = all_pss_at(m, t_ns);
    struct sums s = sum_up(m, t_ns, root);
    predict(m, &s);
    compare(m, &s);
}

uint64_t gs_whatif_duplicated_bytes(const struct gs_whatif_memory *m)
{
    return m->duplicated_bytes;
}

void gs_whatif_memory_free(struct gs_whatif_memory *m)
{
    for (size_t i = 0; i < m->n_facts; i++)
        gs_memory_facts_free(&m->facts[i]);
    free(m->facts);
    free(m->why_not);
    memset(m, 0, sizeof(*m));
}
