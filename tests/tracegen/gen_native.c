/* SPDX-License-Identifier: MIT
 * Native stacks of a program (--native): a third of its stacks have native frames around Python's,
 * and some of these do not fit together.
 */
#include "tests/tracegen/tracegen.h"

enum { MODULE_PYTHON = 1, MODULE_WORK = 2, N_PLACES = 64, LOOP_PLACES = 8, MAX_RUNS = 64 };
enum { MIX_NATIVE = 11, MIX_FRAMES };

static void put_module(struct gen_chunks *c, uint32_t module, const char *path)
{
    uint64_t start = UINT64_C(0x7f0000000000) + ((uint64_t)module << 32);
    gs_record_begin(&c->w, GS_RECORD_NATIVE_MODULE);
    gs_record_put_u(&c->w, module);
    gs_record_put_u(&c->w, 1); /* t */
    gs_record_put_u(&c->w, start);
    gs_record_put_u(&c->w, start + 0x100000);
    gs_record_put_u(&c->w, start);
    gen_put_text(c, "build-id");
    gen_put_text(c, path);
    gen_record_end(c);
}

static void put_symbol(struct gen_chunks *c, uint32_t module, uint64_t offset, uint32_t depth,
                       const char *function, const char *file)
{
    gs_record_begin(&c->w, GS_RECORD_SYMBOL);
    gs_record_put_u(&c->w, module);
    gs_record_put_u(&c->w, offset);
    gs_record_put_u(&c->w, depth);
    gen_put_text(c, function);
    gen_put_text(c, file);
    gs_record_put_z(&c->w, *file ? 1 + (int64_t)offset % 90 : 0);
    gen_record_end(c);
}

/* Every third place of the library is not known, every fourth has a function inlined into it. */
static void define_places(struct gen_chunks *c)
{
    char name[32];
    put_module(c, MODULE_PYTHON, "/usr/lib/libpython3.12.so.1.0");
    put_module(c, MODULE_WORK, "/srv/job/libwork.so");
    for (uint32_t i = 0; i < LOOP_PLACES; i++)
        put_symbol(c, MODULE_PYTHON, i, 0,
                   i % 2 ? "_PyEval_EvalFrameDefault.cold" : "_PyEval_EvalFrameDefault", "");
    for (uint32_t i = 0; i < N_PLACES; i++) {
        snprintf(name, sizeof(name), "work_%u", i / 2);
        if (i % 4 == 0)
            put_symbol(c, MODULE_WORK, i, 0, "inlined", "/src/work.h");
        if (i % 3)
            put_symbol(c, MODULE_WORK, i, i % 4 == 0, name, i % 5 ? "/src/work.c" : "");
    }
}

static void put_place(struct gen_chunks *c, uint32_t module, uint32_t offset)
{
    gs_record_put_u(&c->w, module);
    gs_record_put_u(&c->w, offset);
}

uint32_t gen_native_define(struct gen_stacks *s, struct gen_chunks *c, uint32_t stack,
                           uint32_t depth)
{
    struct gen_rng r = {gen_mix(s->seed, MIX_FRAMES, stack)};
    uint32_t runs[MAX_RUNS], n_runs = 0;
    if (gen_mix(s->seed, MIX_NATIVE, stack) % 3)
        return stack;
    if (!s->has_places)
        define_places(c);
    s->has_places = true;
    for (uint32_t left = depth; left > 0 && n_runs < MAX_RUNS; left -= runs[n_runs++])
        runs[n_runs] = 1 + gen_below(&r, left);
    uint32_t loops = gen_below(&r, 8) ? n_runs : gen_below(&r, MAX_RUNS); /* or they do not fit */
    gs_record_begin(&c->w, GS_RECORD_NATIVE_STACK);
    gs_record_put_u(&c->w, stack);
    gs_record_put_u(&c->w, stack + s->n);
    gs_record_put_u(&c->w, gen_below(&r, 8) == 0);
    gs_record_put_u(&c->w, n_runs);
    for (uint32_t i = 0; i < n_runs; i++)
        gs_record_put_u(&c->w, runs[i]);
    gs_record_put_u(&c->w, 2 * loops + 1);
    for (uint32_t i = 0; i < loops; i++) {
        put_place(c, MODULE_WORK, gen_below(&r, N_PLACES));
        put_place(c, MODULE_PYTHON, gen_below(&r, LOOP_PLACES));
    }
    put_place(c, 0, 0x1000 + gen_below(&r, 4)); /* made at run time */
    gen_record_end(c);
    return stack + s->n;
}
