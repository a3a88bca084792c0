/* SPDX-License-Identifier: MIT
 * One device and its primary context: memory of three kinds that comes and goes, waits for the
 * device with and without the GIL, and the sums that the agent keeps of all calls.
 */
#include <stdlib.h>
#include <string.h>

#include "tests/tracegen/tracegen.h"

#define MAX_BLOCKS 512u
#define CONTEXT    1u
#define FREE_BYTES (UINT64_C(78) << 30)

/* X(name, op, driver function); the index is the CUDA_CALL's number. */
#define CALLS(X)                                                                                   \
    X(MALLOC, ALLOC, "cuMemAlloc_v2")                                                              \
    X(MALLOC_HOST, ALLOC, "cuMemHostAlloc")                                                        \
    X(MALLOC_ASYNC, ALLOC, "cuMemAllocAsync")                                                      \
    X(FREE, FREE, "cuMemFree_v2")                                                                  \
    X(FREE_HOST, FREE, "cuMemFreeHost")                                                            \
    X(FREE_ASYNC, FREE, "cuMemFreeAsync")                                                          \
    X(SYNC, SYNC, "cuStreamSynchronize")                                                           \
    X(COPY, COPY, "cuMemcpyDtoH_v2")                                                               \
    X(LAUNCH, LAUNCH, "cuLaunchKernel")

enum call {
#define X(name, op, text) CALL_##name,
    CALLS(X)
#undef X
        N_CALLS
};
static const struct {
    uint8_t op;
    const char *name;
} calls[] = {
#define X(name, op, text) [CALL_##name] = {GS_CUDA_OP_##op, text},
    CALLS(X)
#undef X
};
static const uint8_t kinds[] = {GS_CUDA_KIND_DEVICE, GS_CUDA_KIND_HOST, GS_CUDA_KIND_POOL};
enum { N_KINDS = 3 };

struct block {
    uint64_t address, bytes;
    uint8_t kind; /* index of kinds[] */
};
struct call_sums {
    uint64_t calls, failed, ticks, held_calls, held_ticks;
};
struct kind_sums {
    uint64_t allocs, frees, failed, live, peak;
};
struct gen_cuda {
    struct gen_process *p;
    struct gen_rng rng;
    uint64_t seq, next_address, live, peak, end;
    struct block blocks[MAX_BLOCKS];
    uint32_t n_blocks;
    struct call_sums calls[N_CALLS];
    struct kind_sums kinds[N_KINDS];
};

static void put_definitions(struct gen_cuda *c, uint64_t t)
{
    struct gen_chunks *out = &c->p->chunks;
    gs_record_begin(&out->w, GS_RECORD_CUDA_DRIVER);
    gs_record_put_u(&out->w, t);
    gs_record_put_u(&out->w, 13000);
    gs_record_put_u(&out->w, GS_CUDA_LOADING_LAZY);
    gen_put_text(out, "/usr/lib/x86_64-linux-gnu/libcuda.so.1");
    gen_record_end(out);
    gs_record_begin(&out->w, GS_RECORD_CUDA_DEVICE);
    gs_record_put_u(&out->w, 0);
    gen_put_text(out, "NVIDIA H100 80GB HBM3");
    gen_put_text(out, "0000:1b:00.0");
    gs_record_put_u(&out->w, UINT64_C(80) << 30);
    gen_record_end(out);
    GEN_RECORD(out, GS_RECORD_CUDA_CONTEXT, CONTEXT, t, 0, GS_CUDA_PRIMARY,
               gen_ticks(&c->p->clock, 180000000), FREE_BYTES, FREE_BYTES - (500u << 20),
               UINT64_C(80) << 30, 0, 0);
}

struct gen_cuda *gen_cuda_open(struct gen_process *p, uint64_t t)
{
    struct gen_cuda *c = gen_alloc(1, sizeof(*c));
    c->p = p;
    c->rng.state = gen_mix(p->seed, 7, 0);
    c->next_address = UINT64_C(0x7f8000000000);
    put_definitions(c, t);
    return c;
}

void gen_cuda_close(struct gen_cuda *c)
{
    free(c);
}

uint64_t gen_cuda_end(const struct gen_cuda *c)
{
    return c->end;
}

struct gen_cuda_sums gen_cuda_sums(const struct gen_cuda *c)
{
    struct gen_cuda_sums s = {.live_bytes = c->live, .peak_bytes = c->peak};
    for (unsigned i = 0; i < N_KINDS; i++) {
        s.allocations += c->kinds[i].allocs;
        s.frees += c->kinds[i].frees;
        s.failed += c->kinds[i].failed;
    }
    return s;
}

/* ---- calls ---- */

struct row {
    enum call call;
    uint64_t kind, result, duration, bytes, address;
};

static bool is_on_device(unsigned kind)
{
    return kinds[kind] != GS_CUDA_KIND_HOST;
}

static void put_row(struct gen_cuda *c, const struct gen_turn *t, const struct row *r)
{
    uint64_t at = t->acq + t->hold / 4;
    bool held = at + r->duration <= t->acq + t->hold;
    uint64_t flags = held ? GS_CUDA_HELD | GS_CUDA_HAD : GS_CUDA_HAD;
    struct call_sums *s = &c->calls[r->call];
    c->end = at + r->duration > c->end ? at + r->duration : c->end;
    s->calls++;
    s->failed += r->result != 0;
    s->ticks += r->duration;
    s->held_calls += held;
    s->held_ticks += held ? r->duration : 0;
    GEN_ROW(&c->p->chunks, GS_STREAM_CUDA, at, ++c->seq,
            GS_CUDA_WHAT(calls[r->call].op, r->kind, flags, r->call), t->thread, CONTEXT, r->result,
            r->duration, r->bytes, r->address, t->hold_stack);
}

static void allocate(struct gen_cuda *c, const struct gen_turn *t, uint64_t duration)
{
    unsigned kind = gen_below(&c->rng, N_KINDS);
    struct kind_sums *k = &c->kinds[kind];
    uint64_t bytes =
        512 * (1 + gen_draw_lognormal(&c->rng, (struct gen_lognormal){10 << 16, GEN_SPREAD(3000)}));
    bool fails = gen_below(&c->rng, 200) == 0;
    struct row r = {.call = CALL_MALLOC + kind, .kind = kinds[kind], .duration = duration};
    r.bytes = bytes;
    if (fails) {
        r.result = 2; /* out of memory */
        k->failed++;
    } else {
        r.address = c->next_address;
        c->next_address += bytes;
        c->blocks[c->n_blocks++] = (struct block){r.address, bytes, (uint8_t)kind};
        k->allocs++;
        k->live += bytes;
        k->peak = k->live > k->peak ? k->live : k->peak;
        c->live += is_on_device(kind) ? bytes : 0;
        c->peak = c->live > c->peak ? c->live : c->peak;
    }
    put_row(c, t, &r);
}

static void let_go(struct gen_cuda *c, const struct gen_turn *t, uint64_t duration)
{
    uint32_t at = gen_below(&c->rng, c->n_blocks);
    struct block b = c->blocks[at];
    struct row r = {.call = CALL_FREE + b.kind,
                    .kind = kinds[b.kind],
                    .duration = duration,
                    .bytes = b.bytes,
                    .address = b.address};
    c->blocks[at] = c->blocks[--c->n_blocks];
    c->kinds[b.kind].frees++;
    c->kinds[b.kind].live -= b.bytes;
    c->live -= is_on_device(b.kind) ? b.bytes : 0;
    put_row(c, t, &r);
}

static void wait_for_device(struct gen_cuda *c, const struct gen_turn *t, uint64_t duration)
{
    struct row r = {.call = gen_below(&c->rng, 2) ? CALL_SYNC : CALL_COPY,
                    .duration = 8 * duration};
    if (r.call == CALL_COPY)
        r.bytes = 4096 * (uint64_t)(1 + gen_below(&c->rng, 10000));
    put_row(c, t, &r);
}

void gen_cuda_call(struct gen_cuda *c, const struct gen_turn *t)
{
    uint32_t launches = gen_below(&c->rng, 40), what = gen_below(&c->rng, 5);
    uint64_t duration = 1 + t->hold / (1 + gen_below(&c->rng, 16));
    struct call_sums *s = &c->calls[CALL_LAUNCH];
    s->calls += launches;
    s->ticks += launches * 9000;
    s->held_calls += launches;
    s->held_ticks += launches * 9000;
    if (what < 2 && c->n_blocks < MAX_BLOCKS)
        allocate(c, t, duration);
    else if (what < 4 && c->n_blocks > 0)
        let_go(c, t, duration);
    else
        wait_for_device(c, t, duration);
}

/* ---- sums ---- */

void gen_cuda_state(struct gen_cuda *c, uint64_t t)
{
    struct gen_chunks *out = &c->p->chunks;
    for (unsigned i = 0; i < N_CALLS; i++) {
        const struct call_sums *s = &c->calls[i];
        const uint64_t v[] = {t, s->calls, s->failed, s->ticks, s->held_calls, s->held_ticks};
        if (!s->calls)
            continue;
        gs_record_begin(&out->w, GS_RECORD_CUDA_CALL);
        gs_record_put_u(&out->w, i);
        gs_record_put_u(&out->w, calls[i].op);
        gen_put_text(out, calls[i].name);
        for (unsigned k = 0; k < 6; k++)
            gs_record_put_u(&out->w, v[k]);
        gen_record_end(out);
    }
    for (unsigned i = 0; i < N_KINDS; i++) {
        const struct kind_sums *k = &c->kinds[i];
        GEN_RECORD(out, GS_RECORD_CUDA_LIVE, t, CONTEXT, kinds[i], k->allocs, k->frees, k->failed,
                   k->live, k->peak);
    }
    GEN_RECORD(out, GS_RECORD_CUDA_STATE, t, c->seq, 0, 0, 0, c->live, c->peak);
    GEN_RECORD(out, GS_RECORD_CUDA_USED, t, 0, (500u << 20) + c->live);
}
