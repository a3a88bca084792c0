/* SPDX-License-Identifier: MIT
 * usage: gs_make_cuda SEED FILE: a capture of CUDA at random, the same for a seed: calls that free
 * what lives and what does not, contexts that end, rows told again and lost ones, waits for the
 * GIL. Seeds that leave 1 after division by 3 have no sums of the agent's; every second clock runs
 * at 2.6 GHz.
 */
#include <stdio.h>
#include <stdlib.h>

#include "tests/unit/capture_builder.h"

enum { N_STACKS = 9, N_CONTEXTS = 3, N_PLACES = 24, N_CALLS = 12, CHUNKS = 12, ROWS = 60 };

struct gen {
    struct cap c;
    uint64_t rng, t, seq, slice_seq;
    bool sums;
};

static uint64_t below(struct gen *g, uint64_t n)
{
    return cap_random(&g->rng) % n;
}

static void put_clock(struct gen *g, uint64_t ticks, uint64_t ns)
{
    gs_record_begin(&g->c.w, GS_RECORD_CLOCK);
    gs_record_put_u(&g->c.w, ticks);
    gs_record_put_u(&g->c.w, ns);
    gs_record_put_z(&g->c.w, 0);
    g->c.n_records += gs_record_end(&g->c.w);
}

static void put_definitions(struct gen *g, bool ticks_are_ns)
{
    cap_records(&g->c);
    cap_process(&g->c, 77, g->t, ticks_are_ns);
    if (!ticks_are_ns) {
        put_clock(g, g->t, 1000000000);
        put_clock(g, g->t + 2600000000u, 2000000000);
    }
    for (uint64_t i = 1; i < N_STACKS; i++) {
        cap_code(&g->c, i, "/app/net.py", "step", (int)i);
        CAP_REC(&g->c, GS_RECORD_STACK, i, 0, 2, i, 0, 1, 0);
    }
    for (uint64_t i = 0; i < 4; i++)
        cap_thread(&g->c, i, "worker");
    for (uint64_t i = 0; i < 2; i++)
        cap_cuda_device(&g->c, i, "H100", i ? "0:2" : "0:1", 1000000);
    cap_cuda_driver(&g->c, GS_CUDA_LOADING_LAZY);
    cap_end_records(&g->c);
}

static uint64_t any_what(struct gen *g)
{
    static const uint64_t ops[] = {1, 1, 1, 1, 2, 2, 2, 3, 3, 4, 5, 6, 7, 9, 11, 60};
    uint64_t op = ops[below(g, 16)];
    uint64_t kind = op <= 2 ? 1 + below(g, 9) : op == 5 || op == 6 ? GS_CUDA_KIND_MODULE : 0;
    uint64_t flags = below(g, 3) == 0   ? GS_CUDA_HELD | GS_CUDA_HAD
                     : below(g, 4) == 0 ? GS_CUDA_HAD
                                        : 0;
    if (below(g, 40) == 0)
        op = GS_CUDA_OP_CONTEXT_END;
    if (op == GS_CUDA_OP_FREE && below(g, 10) == 0)
        flags |= GS_CUDA_UNKNOWN;
    return GS_CUDA_WHAT(op, kind, flags, op % N_CALLS);
}

static struct cap_cuda any_row(struct gen *g)
{
    g->t += below(g, 900);
    g->seq += 1 + (below(g, 30) == 0); /* some are lost */
    struct cap_cuda row = {
        .t = g->t,
        .seq = g->seq,
        .what = any_what(g),
        .thread = below(g, 5) ? below(g, 4) : GS_NO_THREAD,
        .context = below(g, N_CONTEXTS + 1),
        .result = below(g, 12) ? 0 : 1 + below(g, 3),
        .duration = below(g, 1500),
        .bytes = below(g, 9) ? below(g, 5000) : 0,
        .address = 4096 * below(g, N_PLACES),
        .stack = below(g, N_STACKS + 1),
    };
    return row;
}

static void put_rows(struct gen *g)
{
    struct cap_cuda rows[ROWS];
    size_t n = 0;
    while (n < ROWS) {
        rows[n++] = any_row(g);
        if (n < ROWS && below(g, 10) == 0) {
            rows[n] = rows[below(g, n)];
            rows[n++].what |= (uint64_t)GS_CUDA_AGAIN << 16;
        }
    }
    cap_cuda(&g->c, rows, n);
}

static void put_waits(struct gen *g, uint64_t from)
{
    struct cap_row rows[ROWS];
    size_t n = 0;
    for (uint64_t t = from; t < g->t && n < ROWS; t += below(g, 2000)) {
        rows[n] = (struct cap_row){.seq = ++g->slice_seq, .t_acq = t, .thread = below(g, 4)};
        rows[n].flags = GS_SLICE_TURN | (below(g, 4) ? GS_SLICE_WAIT : 0);
        rows[n].hold = below(g, 50);
        rows[n].wait = rows[n].flags & GS_SLICE_WAIT ? below(g, 5000) : 0;
        rows[n].wait_ds = rows[n].wait ? 1 : 0;
        rows[n++].hold_stack = 1;
    }
    if (n)
        cap_slices(&g->c, rows, n);
}

static void put_sums(struct gen *g)
{
    for (uint64_t context = 1; context <= N_CONTEXTS; context++)
        for (uint64_t kind = 1; kind <= GS_CUDA_KIND_MODULE; kind++)
            if (below(g, 4))
                CAP_REC(&g->c, GS_RECORD_CUDA_LIVE, g->t, context, kind, below(g, 900),
                        below(g, 900), below(g, 9), below(g, 99999), below(g, 99999));
    for (uint64_t call = 0; call < N_CALLS; call++)
        if (below(g, 3))
            cap_cuda_call(&g->c, call, call, "cuCall",
                          (const uint64_t[]){g->t, below(g, 900), below(g, 9), below(g, 999999),
                                             below(g, 900), below(g, 999999)});
    if (below(g, 2))
        CAP_REC(&g->c, GS_RECORD_CUDA_STATE, g->t, g->seq + below(g, 5), below(g, 99), below(g, 9),
                below(g, 3), below(g, 99999), 99999);
}

static void put_records(struct gen *g)
{
    cap_records(&g->c);
    for (uint64_t context = 1; context <= N_CONTEXTS; context++)
        if (below(g, 2))
            CAP_REC(&g->c, GS_RECORD_CUDA_CONTEXT, context, g->t / context, context / 2, 1, 500,
                    below(g, 2) * 900000, below(g, 3) * 400000, below(g, 2) * 1000000, 0, context);
    if (below(g, 9) == 0)
        CAP_REC(&g->c, GS_RECORD_CUDA_CONTEXT_END, 1 + below(g, N_CONTEXTS), g->t);
    if (below(g, 2))
        CAP_REC(&g->c, GS_RECORD_CUDA_USED, g->t - below(g, 900), 0, below(g, 999999));
    if (g->sums)
        put_sums(g);
    cap_end_records(&g->c);
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: gs_make_cuda SEED FILE\n");
        return 2;
    }
    uint64_t seed = strtoull(argv[1], NULL, 10);
    struct gen g = {.rng = 88172645463325252u + seed, .t = 4000000, .sums = seed % 3 != 1};
    for (unsigned i = 0; i < 20; i++)
        below(&g, 1);
    cap_open(&g.c, seed + 1);
    put_definitions(&g, seed % 2 == 0);
    for (unsigned i = 0; i < CHUNKS; i++) {
        uint64_t from = g.t;
        put_rows(&g);
        put_waits(&g, from);
        put_records(&g);
    }
    FILE *f = fopen(argv[2], "wb");
    bool ok = f && fwrite(g.c.data, 1, g.c.len, f) == g.c.len;
    ok = f && fclose(f) == 0 && ok;
    cap_close(&g.c);
    if (!ok)
        perror(argv[2]);
    return !ok;
}
