/* SPDX-License-Identifier: MIT
 * Names for stacks, for days: the tables fill, new generations begin, no id is given twice and none
 * ever means another stack than it was given for.
 * LINK: gs_agent_objects
 */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "preload/pyabi/pyabi_internal.h"
#include "preload/stack_intern.h"

/* A code object without names or table, told by its line. */
struct fake_code {
    uintptr_t refs, type, filename, name, table;
    int32_t line, pad;
};

static struct gs_pyabi abi;
static char scratch[4][512];

static struct gs_py_frame frame_of(const struct fake_code *c, uint32_t instr_off)
{
    return (struct gs_py_frame){(uintptr_t)c, code_key(&abi, (uintptr_t)c, (const uint8_t *)c),
                                instr_off, false};
}

static int start(void **state)
{
    (void)state;
    memset(&abi, 0, sizeof(abi));
    memset(&abi.off, 0xff, sizeof(abi.off)); /* all absent */
    abi.minor = 12;
    abi.in.code_type = 4711;
    abi.off.object_type = offsetof(struct fake_code, type);
    abi.off.code_filename = offsetof(struct fake_code, filename);
    abi.code_name_key = offsetof(struct fake_code, name);
    abi.off.code_linetable = offsetof(struct fake_code, table);
    abi.off.code_firstlineno = offsetof(struct fake_code, line);
    abi.off.var_size = 0;
    abi.off.unicode_size = 64;
    return gs_stack_intern_init(&abi) ? 0 : -1;
}

/* ---- what the drain thread does ---- */

#define MAX_IDS (3u << 20)

static struct defined {
    uint32_t stack_line, stack_off; /* of the stack with this id: its one frame */
    uint32_t code_line;             /* of the code with this id */
} defined[MAX_IDS];
static uint32_t n_stacks, n_codes, generations;

static void take_definition(const struct gs_def *d)
{
    assert_true(d->id > 0 && d->id < MAX_IDS);
    if (d->kind == GS_DEF_CODE) {
        assert_int_equal(defined[d->id].code_line, 0); /* never twice */
        defined[d->id].code_line = (uint32_t)((const struct gs_def_code *)d)->first_line;
        n_codes++;
        return;
    }
    const struct gs_def_stack *s = (const struct gs_def_stack *)d;
    assert_int_equal(d->n, 1);
    assert_int_equal(defined[d->id].stack_line, 0);
    assert_true(defined[s->frames[0].code].code_line > 0); /* defined before it is used */
    defined[d->id].stack_line = defined[s->frames[0].code].code_line;
    defined[d->id].stack_off = s->frames[0].instr_off;
    n_stacks++;
}

static void drain(void)
{
    const struct gs_def *d;
    while ((d = gs_defs_peek())) {
        take_definition(d);
        gs_defs_pop(d);
    }
    if (gs_intern_is_filling()) {
        gs_intern_new_generation();
        generations++;
    }
}

static int forget(void **state)
{
    memset(defined, 0, sizeof(defined));
    n_stacks = n_codes = generations = 0;
    return start(state);
}

static uint32_t intern(const struct fake_code *c, uint32_t off, void *buf)
{
    struct gs_py_frame f = frame_of(c, off);
    return gs_stack_intern(&f, 1, false, buf, sizeof(scratch[0]));
}

/* ---- tests ---- */

static void equal_stacks_have_one_id(void **state)
{
    (void)state;
    struct fake_code a = {.type = 4711, .line = 10}, b = {.type = 4711, .line = 20};
    uint32_t id = intern(&a, 4, scratch[0]);
    assert_true(id > 0);
    assert_int_equal(intern(&a, 4, scratch[0]), id);
    assert_int_not_equal(intern(&a, 6, scratch[0]), id);
    assert_int_not_equal(intern(&b, 4, scratch[0]), id);
    drain();
    assert_int_equal(n_stacks, 3);
    assert_int_equal(n_codes, 2);
    gs_intern_new_generation();
    uint32_t again = intern(&a, 4, scratch[0]);
    assert_true(again > id);
    drain();
    assert_int_equal(defined[again].stack_line, 10);
    assert_int_equal(defined[id].stack_line, 10); /* still */
}

/* A program that makes code by exec() for days: far more of it than a table holds. */
static void a_full_table_starts_anew_and_loses_nothing(void **state)
{
    enum { N = 400000 };
    struct fake_code *codes = calloc(N, sizeof(*codes)), hot = {.type = 4711, .line = 1};
    (void)state;
    for (uint32_t i = 0; i < N; i++) {
        codes[i] = (struct fake_code){.type = 4711, .line = (int32_t)i + 2};
        uint32_t id = intern(&codes[i], i, scratch[0]), hot_id = intern(&hot, 2, scratch[0]);
        assert_true(id && hot_id);
        if (i % 1000 == 0 || i + 1 == N) {
            drain();
            assert_int_equal(defined[id].stack_line, i + 2);
            assert_int_equal(defined[id].stack_off, i);
            assert_int_equal(defined[hot_id].stack_line, 1);
        }
    }
    assert_true(generations >= 10); /* of 32,768 codes and a bit */
    assert_int_equal(gs_intern_losses().stacks, 0);
    assert_int_equal(gs_intern_losses().definitions, 0);
    assert_true(n_codes >= N + generations && n_codes <= N + 1 + generations); /* hot ones anew */
    free(codes);
}

#define N_THREADS 3
#define N_CODES   3000
#define N_OFFS    40
#define N_USES    400000

static struct fake_code shared[N_CODES];
static struct use {
    uint32_t id, line, off;
} * uses[N_THREADS];
static atomic_int running;

static void *use_stacks(void *arg)
{
    size_t me = (size_t)arg;
    uint64_t rng = 0x9e3779b97f4a7c15u * (me + 1);
    for (uint32_t i = 0; i < N_USES; i++) {
        rng ^= rng << 13;
        rng ^= rng >> 7;
        rng ^= rng << 17;
        const struct fake_code *c = &shared[rng % N_CODES];
        uint32_t off = (uint32_t)(rng >> 32) % N_OFFS;
        uses[me][i] = (struct use){intern(c, off, scratch[me]), (uint32_t)c->line, off};
        if (!uses[me][i].id)
            sched_yield(); /* the drain needs the CPU */
    }
    running--;
    return NULL;
}

/* Generations change under the hooks' feet, as often as can be. */
static void no_id_ever_means_another_stack(void **state)
{
    pthread_t t[N_THREADS];
    uint32_t lost = 0;
    (void)state;
    for (int i = 0; i < N_CODES; i++)
        shared[i] = (struct fake_code){.type = 4711, .line = i + 1};
    running = N_THREADS;
    for (size_t i = 0; i < N_THREADS; i++) {
        uses[i] = calloc(N_USES, sizeof(**uses));
        assert_int_equal(pthread_create(&t[i], NULL, use_stacks, (void *)i), 0);
    }
    while (running) {
        drain();
        gs_intern_new_generation();
        generations++;
    }
    for (size_t i = 0; i < N_THREADS; i++)
        pthread_join(t[i], NULL);
    drain();
    for (size_t i = 0; i < N_THREADS; i++) {
        for (uint32_t k = 0; k < N_USES; k++) {
            const struct use *u = &uses[i][k];
            lost += !u->id;
            assert_true(!u->id || (defined[u->id].stack_line == u->line &&
                                   defined[u->id].stack_off == u->off));
        }
        free(uses[i]);
    }
    assert_true(generations > 10);
    assert_int_equal(lost, gs_intern_losses().stacks);
    assert_true(lost < N_THREADS * N_USES / 2); /* the buffer was full, and counted */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(equal_stacks_have_one_id, forget),
        cmocka_unit_test_setup(a_full_table_starts_anew_and_loses_nothing, forget),
        cmocka_unit_test_setup(no_id_ever_means_another_stack, forget),
    };
    return cmocka_run_group_tests_name("stack_intern", tests, NULL, NULL);
}
