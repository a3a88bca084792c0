/* SPDX-License-Identifier: MIT
 * What the process keeps in memory: arenas whose pools fill and empty, samples of allocations, and
 * what the system says of it all.
 */
#include <stdlib.h>
#include <string.h>

#include "tests/tracegen/tracegen.h"

#define MAX_ARENAS 24u
#define MAX_LIVE   1024u /* samples */
#define MEAN_BYTES (512u << 10)
#define N_POOLS    64u
#define ARENA_BASE UINT64_C(0x7f3a00000000)
#define HEAP_BASE  UINT64_C(0x55d000000000)
#define FILE_BYTES (14u << 20)
#define HEAP_BYTES (9u << 20)

struct arena {
    uint32_t id;
    uint64_t address;
    uint16_t cells[N_POOLS];
};
struct sample {
    uint64_t id, points;
};
struct gen_memory {
    struct gen_process *p;
    struct gen_rng rng;
    uint32_t pool_bytes, n_arenas, next_arena, n_live;
    struct arena arenas[MAX_ARENAS];
    struct sample live[MAX_LIVE];
    struct gen_memory_sums sums;
};

struct gen_memory *gen_memory_open(struct gen_process *p)
{
    struct gen_memory *m = gen_alloc(1, sizeof(*m));
    m->p = p;
    m->rng.state = gen_mix(p->seed, 6, 0);
    m->pool_bytes = p->stacks.python_hex >= 0x030a0000 ? 16384 : 4096;
    return m;
}

void gen_memory_close(struct gen_memory *m)
{
    free(m);
}

struct gen_memory_sums gen_memory_sums(const struct gen_memory *m)
{
    struct gen_memory_sums s = m->sums;
    s.arenas = m->n_arenas;
    s.arena_bytes = (uint64_t)m->n_arenas * N_POOLS * m->pool_bytes;
    for (uint32_t i = 0; i < m->n_arenas; i++)
        for (uint32_t k = 0; k < N_POOLS; k++)
            s.pool_used_bytes += 16 * GS_POOL_CELL_CLASS(m->arenas[i].cells[k]) *
                                 GS_POOL_CELL_USED(m->arenas[i].cells[k]);
    for (uint32_t i = 0; i < m->n_live; i++)
        s.alloc_live_bytes += m->live[i].points * MEAN_BYTES;
    return s;
}

/* ---- samples of allocations ---- */

static void free_one(struct gen_memory *m, uint64_t t)
{
    uint32_t at = gen_below(&m->rng, m->n_live);
    GEN_ROW(&m->p->chunks, GS_STREAM_FREE, t, m->live[at].id);
    m->live[at] = m->live[--m->n_live];
}

static uint64_t place(struct gen_memory *m, uint64_t bytes)
{
    if (m->n_arenas == 0 || bytes > 512)
        return HEAP_BASE + 16 * (uint64_t)gen_below(&m->rng, HEAP_BYTES / 16);
    const struct arena *a = &m->arenas[gen_below(&m->rng, m->n_arenas)];
    uint64_t pool = (uint64_t)gen_below(&m->rng, N_POOLS) * m->pool_bytes;
    return a->address + pool + GS_POOL_HDR_BYTES + 16 * gen_below(&m->rng, 100);
}

void gen_memory_alloc(struct gen_memory *m, const struct gen_turn *t)
{
    struct gen_rng *r = &m->rng;
    if (m->n_live == MAX_LIVE || (m->n_live > 0 && gen_below(r, 5) < 2))
        free_one(m, t->acq);
    uint64_t bytes = 1 + gen_draw_lognormal(r, (struct gen_lognormal){7 << 16, GEN_SPREAD(2500)});
    struct sample s = {++m->sums.alloc_samples, 1 + bytes / MEAN_BYTES};
    uint64_t address = place(m, bytes), domain = gen_below(r, 2); /* one draw after another */
    uint32_t thread = gen_below(r, 50) ? t->thread : GS_NO_THREAD;
    GEN_ROW(&m->p->chunks, GS_STREAM_ALLOC, t->acq, s.id, address, bytes, s.points, domain, thread,
            t->hold_stack);
    m->live[m->n_live++] = s;
}

/* ---- arenas ---- */

static void put_reading(struct gen_memory *m, const struct arena *a, uint64_t t)
{
    for (unsigned quad = 0; quad < N_POOLS / 4; quad++) {
        uint64_t cells = 0;
        for (unsigned i = 0; i < 4; i++)
            cells |= (uint64_t)a->cells[4 * quad + i] << 16 * i;
        if (quad == 0 || cells)
            GEN_ROW(&m->p->chunks, GS_STREAM_POOLS, t, a->id, quad, cells);
    }
}

static void change_pools(struct gen_memory *m, struct arena *a)
{
    struct gen_rng *r = &m->rng;
    for (uint32_t n = 1 + gen_below(r, 24); n > 0; n--) {
        uint32_t size_class = 1 + gen_below(r, GS_POOL_CLASSES);
        uint32_t holds = (m->pool_bytes - GS_POOL_HDR_BYTES) / (16 * size_class);
        uint32_t used = gen_below(r, 4) ? gen_below(r, (holds < 1023 ? holds : 1023) + 1) : 0;
        a->cells[gen_below(r, N_POOLS)] = (uint16_t)GS_POOL_CELL(size_class, used);
    }
}

static void end_arena(struct gen_memory *m, uint64_t t)
{
    uint32_t at = gen_below(&m->rng, m->n_arenas);
    GEN_RECORD(&m->p->chunks, GS_RECORD_ARENA_END, m->arenas[at].id, t);
    m->arenas[at] = m->arenas[--m->n_arenas];
}

static void begin_arena(struct gen_memory *m, uint64_t t)
{
    uint64_t bytes = (uint64_t)N_POOLS * m->pool_bytes;
    struct arena *a = &m->arenas[m->n_arenas++];
    uint32_t stack = gen_draw_stack(&m->p->stacks, &m->p->chunks, &m->rng, 0);
    *a = (struct arena){.id = m->next_arena++};
    a->address = ARENA_BASE + a->id * bytes;
    GEN_RECORD(&m->p->chunks, GS_RECORD_ARENA, a->id, t, a->address, bytes, m->pool_bytes, stack);
}

/* ---- what the system says ---- */

static void put_maps(struct gen_memory *m, uint64_t t, uint64_t arena_bytes)
{
    const uint64_t kinds[][2] = {{GS_MAP_FILE, FILE_BYTES},    {GS_MAP_FILE_PRIVATE, 3u << 20},
                                 {GS_MAP_HEAP, HEAP_BYTES},    {GS_MAP_STACK, 132u << 10},
                                 {GS_MAP_ARENAS, arena_bytes}, {GS_MAP_AGENT, 5u << 20},
                                 {GS_MAP_OTHER, 2u << 20}};
    const size_t n = sizeof(kinds) / sizeof(*kinds);
    uint64_t rss = 0;
    for (size_t i = 0; i < n; i++)
        rss += kinds[i][1];
    struct gen_chunks *c = &m->p->chunks;
    gs_record_begin(&c->w, GS_RECORD_MAPS);
    gs_record_put_u(&c->w, t);
    gs_record_put_u(&c->w, rss);
    gs_record_put_u(&c->w, rss - FILE_BYTES / 2);
    gs_record_put_u(&c->w, rss - FILE_BYTES);
    gs_record_put_u(&c->w, rss - FILE_BYTES);
    gs_record_put_u(&c->w, 0);
    gs_record_put_u(&c->w, n);
    for (size_t i = 0; i < n; i++) {
        gs_record_put_u(&c->w, kinds[i][0]);
        gs_record_put_u(&c->w, kinds[i][1]);
    }
    gen_record_end(c);
}

static void put_state(struct gen_memory *m, uint64_t t, bool last)
{
    struct gen_chunks *c = &m->p->chunks;
    struct gen_memory_sums s = gen_memory_sums(m);
    if (s.arena_bytes > m->sums.peak_arena_bytes)
        m->sums.peak_arena_bytes = s.arena_bytes;
    m->sums.samples++;
    GEN_RECORD(c, GS_RECORD_MEMORY, t, FILE_BYTES + HEAP_BYTES + (10u << 20) + s.arena_bytes,
               FILE_BYTES, s.arenas, s.arena_bytes, 3, 49152, 0, 0);
    GEN_RECORD(c, GS_RECORD_HEAP, t, HEAP_BYTES / 3 * 2, HEAP_BYTES / 3);
    GEN_RECORD(c, GS_RECORD_ALLOC_STATE, t, MEAN_BYTES, s.alloc_samples, 0, 0);
    if (last)
        put_maps(m, t, s.arena_bytes);
}

/* Arenas end and begin, some of them change and are read, then all is summed up. */
void gen_memory_look(struct gen_memory *m, uint64_t t, bool last)
{
    if (m->n_arenas > 1 && gen_below(&m->rng, 6) == 0)
        end_arena(m, t);
    while (m->n_arenas < MAX_ARENAS && gen_below(&m->rng, 3) > 0)
        begin_arena(m, t);
    for (uint32_t i = 0; i < m->n_arenas; i++) {
        if (gen_below(&m->rng, 3) && m->arenas[i].cells[0])
            continue;
        change_pools(m, &m->arenas[i]);
        put_reading(m, &m->arenas[i], t);
    }
    put_state(m, t, last);
}
