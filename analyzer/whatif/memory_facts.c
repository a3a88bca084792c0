/* SPDX-License-Identifier: MIT */
#include "analyzer/whatif/memory_facts.h"

#include <stdlib.h>
#include <string.h>

#include "analyzer/arenas.h"
#include "analyzer/profile_process.h"
#include "analyzer/xalloc.h"

#define MOST_MOMENTS 500u /* of a process: 24 processes take 4 MB */
#define WHAT_MEMORY  2u   /* bit of the setting `what` */
#define UNIX_MAX     (UINT64_C(1) << 62)

static uint64_t at_most(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t less(uint64_t a, uint64_t b)
{
    return a > b ? a - b : 0;
}

static uint64_t distance(uint64_t a, uint64_t b)
{
    return a > b ? a - b : b - a;
}

uint64_t gs_footprint_anonymous(const struct gs_footprint *f)
{
    uint64_t sum = 0;
    for (unsigned i = GS_FOOT_FILE + 1; i < GS_N_FOOT; i++)
        sum += f->bytes[i];
    return sum;
}

/* ---- what is in force at a time ---- */

/* The last one at or before t_ns, else the first one; NULL: there is none. */
static const struct gs_rec_maps *maps_before(const struct gs_memory_rows *m, uint64_t t_ns)
{
    const struct gs_rec_maps *at = m->n_all_maps ? &m->all_maps[0] : NULL;
    for (size_t i = 1; i < m->n_all_maps && m->all_maps[i].t_ns <= t_ns; i++)
        at = &m->all_maps[i];
    return at;
}

static const struct gs_rec_maps *maps_near(const struct gs_memory_rows *m, uint64_t t_ns)
{
    const struct gs_rec_maps *at = NULL;
    for (size_t i = 0; i < m->n_all_maps; i++)
        if (!at || distance(m->all_maps[i].t_ns, t_ns) <= distance(at->t_ns, t_ns))
            at = &m->all_maps[i];
    return at;
}

static const struct gs_rec_heap *heap_near(const struct gs_memory_rows *m, uint64_t t_ns)
{
    const struct gs_rec_heap *at = NULL;
    for (size_t i = 0; i < m->n_heaps; i++)
        if (!at || distance(m->heaps[i].t_ns, t_ns) <= distance(at->t_ns, t_ns))
            at = &m->heaps[i];
    return at;
}

/* ---- a footprint ---- */

static uint64_t take_part(uint64_t *left, uint64_t bytes)
{
    uint64_t part = at_most(bytes, *left);
    *left -= part;
    return part;
}

/* Reading takes turns: arenas that nobody has read yet are taken to be like the others. */
static double unread_factor(const struct gs_rec_rss *rss, const struct gs_arena_bytes *a)
{
    uint64_t read = a->used + a->free + a->overhead + a->emptied + a->unused;
    return read && rss->arena_bytes > read ? (double)rss->arena_bytes / (double)read : 1;
}

static void put_arenas(struct gs_footprint *f, const struct gs_pool_sums *sums,
                       const struct gs_rec_rss *rss, uint64_t *left)
{
    struct gs_arena_bytes a = gs_arena_bytes_of(sums);
    double factor = unread_factor(rss, &a);
    for (unsigned c = 1; c <= GS_POOL_CLASSES; c++)
        f->bytes[GS_FOOT_CLASSES + c - 1] =
            take_part(left, (uint64_t)(factor * (double)(sums[c].blocks_used * 16 * c)));
    f->bytes[GS_FOOT_REST] =
        take_part(left, (uint64_t)(factor * (double)(a.free + a.overhead + a.emptied)));
}

/* Where nobody looked at the mappings, all that is not in arenas counts as blocks in use. */
static void put_mappings(struct gs_footprint *f, const struct gs_memory_rows *m, uint64_t t_ns,
                         uint64_t *left)
{
    const struct gs_rec_maps *maps = maps_near(m, t_ns);
    const struct gs_rec_heap *heap = heap_near(m, t_ns);
    if (!maps) {
        f->bytes[GS_FOOT_HEAP_USED] = take_part(left, *left);
        return;
    }
    const uint64_t *kinds = maps->kind_bytes;
    f->bytes[GS_FOOT_FIXED] = take_part(left, kinds[GS_MAP_FILE_PRIVATE] + kinds[GS_MAP_STACK]);
    uint64_t main_heap = take_part(left, kinds[GS_MAP_HEAP]);
    uint64_t in_use = heap ? at_most(heap->in_use_bytes, main_heap) : main_heap;
    f->bytes[GS_FOOT_REST] += main_heap - in_use;
    f->bytes[GS_FOOT_HEAP_USED] = in_use + take_part(left, kinds[GS_MAP_THREAD_HEAPS]);
    f->bytes[GS_FOOT_OTHER] = *left;
}

/* On the straight line between two readings; before the first and behind the last as there. */
static uint64_t between(const struct gs_rec_maps *from, const struct gs_rec_maps *to, uint64_t t_ns,
                        uint64_t a, uint64_t b)
{
    if (t_ns <= from->t_ns || to->t_ns <= from->t_ns)
        return a;
    double part = (double)(t_ns - from->t_ns) / (double)(to->t_ns - from->t_ns);
    return (uint64_t)((double)a + part * ((double)b - (double)a));
}

/* PSS is read rarely, RSS often. What they differ by shrinks while a forked process copies pages,
 * which RSS does not show. */
static void put_pss(struct gs_memory_moment *out, const struct gs_rec_rss *rss,
                    const struct gs_memory_rows *m)
{
    const struct gs_rec_maps *a = maps_before(m, rss->t_ns), *b = a;
    out->pss_bytes = rss->rss_bytes;
    if (!a)
        return;
    if (a + 1 < m->all_maps + m->n_all_maps)
        b++;
    out->pss_bytes = less(rss->rss_bytes, between(a, b, rss->t_ns, less(a->rss_bytes, a->pss_bytes),
                                                  less(b->rss_bytes, b->pss_bytes)));
    out->shared_bytes = between(a, b, rss->t_ns, less(a->pss_bytes, a->uss_bytes),
                                less(b->pss_bytes, b->uss_bytes));
    out->maps_ns = a->t_ns;
    out->agent_bytes = at_most(a->kind_bytes[GS_MAP_AGENT], out->pss_bytes);
    out->pss_bytes -= out->agent_bytes;
}

static struct gs_memory_moment moment_of(const struct gs_memory_rows *m,
                                         const struct gs_arena_replay *arenas,
                                         const struct gs_rec_rss *rss)
{
    struct gs_memory_moment out = {.t_ns = rss->t_ns};
    uint64_t left = less(rss->rss_bytes, rss->file_rss_bytes);
    put_pss(&out, rss, m);
    out.of.bytes[GS_FOOT_FILE] = at_most(rss->file_rss_bytes, rss->rss_bytes);
    left -= at_most(left, out.agent_bytes);
    put_arenas(&out.of, arenas->sums, rss, &left);
    put_mappings(&out.of, m, rss->t_ns, &left);
    return out;
}

/* Every step-th, and the one with the most resident bytes. */
static void put_moments(const struct gs_recording *r, struct gs_memory_facts *out)
{
    const struct gs_memory_rows *m = &r->memory;
    struct gs_arena_replay arenas;
    size_t step = m->n_rss / MOST_MOMENTS + 1, peak = 0;
    for (size_t i = 1; i < m->n_rss; i++)
        if (m->rss[i].rss_bytes > m->rss[peak].rss_bytes)
            peak = i;
    out->moments = gs_xcalloc(m->n_rss / step + 2, sizeof(*out->moments));
    gs_arena_replay_open(&arenas, m);
    for (size_t i = 0; i < m->n_rss; i++) {
        if (i % step && i != peak)
            continue;
        gs_arena_replay_to(&arenas, m->rss[i].t_ns);
        out->moments[out->n_moments++] = moment_of(m, &arenas, &m->rss[i]);
    }
    gs_arena_replay_close(&arenas);
}

/* ---- time ---- */

/* From the process's clock to Unix time. */
static uint64_t unix_ns(const struct gs_recording *r, uint64_t t_ns)
{
    uint64_t start = r->start_unix_ns > 0 ? at_most((uint64_t)r->start_unix_ns, UNIX_MAX) : 0;
    return start + at_most(less(t_ns, r->start_ns), UNIX_MAX);
}

static void put_times(const struct gs_recording *r, struct gs_memory_facts *out)
{
    out->born_ns = unix_ns(r, r->start_ns);
    out->died_ns = unix_ns(r, r->end_ns);
    for (size_t i = 0; i < out->n_moments; i++) {
        struct gs_memory_moment *m = &out->moments[i];
        m->t_ns = unix_ns(r, m->t_ns);
        m->maps_ns = m->maps_ns ? unix_ns(r, m->maps_ns) : 0;
    }
}

const struct gs_memory_moment *gs_memory_facts_at(const struct gs_memory_facts *f, uint64_t t_ns)
{
    size_t lo = 0, hi = f->n_moments;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (f->moments[mid].t_ns <= t_ns)
            lo = mid + 1;
        else
            hi = mid;
    }
    return f->n_moments ? &f->moments[lo ? lo - 1 : 0] : NULL;
}

/* ---- who it is ---- */

/* Times of arenas are known to a few us. */
static bool has_older_arenas(const struct gs_recording *r)
{
    for (size_t i = 0; i < r->memory.n_arenas; i++) {
        const struct gs_rec_arena *a = &r->memory.arenas[i];
        if (a->defined && a->born_ns < r->start_ns)
            return true;
    }
    return false;
}

static bool is_helper(const struct gs_recording *r)
{
    for (size_t i = 0; i < r->n_cmdline; i++)
        if (strstr(r->cmdline[i], "from multiprocessing.resource_tracker import") ||
            strstr(r->cmdline[i], "from multiprocessing.forkserver import"))
            return true;
    return false;
}

static char *why_not(const struct gs_recording *r)
{
    const char *what = NULL;
    if (!gs_recording_is_whole(r))
        what = "parts of its capture are damaged or missing";
    else if (!r->has_process)
        what = "the record that describes it is missing";
    else if (!r->memory.n_rss && !(gs_recording_setting(r, "what") & WHAT_MEMORY))
        what = "its memory was not recorded; record it with --what gil,mem,cuda";
    return what ? gs_xasprintf("process %u: %s", r->pid, what) : NULL;
}

/* ---- devices ---- */

static char *device_name(const struct gs_prof_cuda_device *d)
{
    return *d->bus_id ? gs_xstrndup(d->bus_id, strlen(d->bus_id)) : gs_xasprintf("%u", d->device);
}

static uint64_t on_devices(const struct gs_prof_cuda_sample *s)
{
    uint64_t sum = 0;
    for (unsigned kind = 0; kind < GS_CUDA_SHOWN_HOST; kind++)
        sum = gs_add_sat(sum, s->bytes[kind]);
    return at_most(sum, GS_BYTES_MAX);
}

static void put_devices(struct gs_recording *r, const struct gs_stacks *stacks,
                        struct gs_memory_facts *out)
{
    struct gs_prof_process p = {0};
    struct gs_profile profile = {.processes = &p, .n_processes = 1};
    gs_cuda_build(r, stacks, &profile, &p);
    const struct gs_prof_cuda *c = p.cuda;
    out->has_cuda = c && c->n_contexts;
    if (out->has_cuda) {
        out->n_devices = c->n_devices;
        out->devices = gs_xcalloc(c->n_devices, sizeof(*out->devices));
        for (size_t i = 0; i < c->n_devices; i++)
            out->devices[i] = (struct gs_memory_device){
                device_name(&c->devices[i]), at_most(c->devices[i].context_bytes, GS_BYTES_MAX),
                c->devices[i].source != GS_CUDA_SOURCE_UNKNOWN};
        out->n_device_moments = c->n_samples;
        out->device_moments = gs_xcalloc(c->n_samples, sizeof(*out->device_moments));
        for (size_t i = 0; i < c->n_samples; i++)
            out->device_moments[i] = (struct gs_memory_device_moment){
                unix_ns(r, r->start_ns) + at_most(c->samples[i].t_ns, UNIX_MAX),
                on_devices(&c->samples[i])};
    }
    gs_cuda_free(p.cuda);
    free(profile.cuda_rows);
    free(profile.cuda_held_rows);
}

void gs_memory_facts_take(struct gs_recording *r, const struct gs_stacks *stacks,
                          struct gs_memory_facts *out)
{
    *out = (struct gs_memory_facts){.pid = r->pid,
                                    .ppid = r->ppid,
                                    .free_threaded = r->free_threaded,
                                    .helper = is_helper(r),
                                    .damaged = !gs_recording_is_whole(r),
                                    .n_threads = r->n_threads ? r->n_threads : 1};
    gs_memory_rows_sort(&r->memory);
    out->why_not = why_not(r);
    out->forked = has_older_arenas(r);
    put_moments(r, out);
    put_times(r, out);
    put_devices(r, stacks, out);
}

void gs_memory_facts_free(struct gs_memory_facts *f)
{
    for (size_t i = 0; i < f->n_devices; i++)
        free(f->devices[i].name);
    free(f->devices);
    free(f->device_moments);
    free(f->moments);
    free(f->why_not);
}
