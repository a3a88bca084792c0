/* SPDX-License-Identifier: MIT
 * gs_sweep_ns [--turns N] [--threads N] [--replays N] [--repeat N]: one program, threads that
 * compute, take locks and hand things on, replayed on as many machines: by one core, by all cores,
 * and by the device that libgilscope_cuda.so has. Prints the times of all runs as JSON. The results
 * must be the same; what the first run on the device took has its opening in it.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analyzer/json_writer.h"
#include "analyzer/now.h"
#include "analyzer/parallel.h"
#include "analyzer/whatif/sweep.h"
#include "analyzer/xalloc.h"

#define CORES 8u
#define LOCKS 4u

struct bench {
    size_t turns, threads, replays, repeat;
    struct gs_program program;
    struct gs_replay_params *params;
    struct gs_replay_result *want, *got;
    uint32_t cap_q16[CORES];
    uint64_t random;
};

static uint64_t next_random(struct bench *b, uint64_t below)
{
    b->random = b->random * UINT64_C(6364136223846793005) + 1442695040888963407u;
    return (b->random >> 33) % below;
}

/* ---- what is replayed ---- */

static void add(struct bench *b, enum gs_op_kind kind, uint32_t object, uint64_t ns)
{
    struct gs_op op = gs_op_on(kind, object);
    op.ns = ns;
    gs_program_op(&b->program, op);
}

/* A turn: some Python, more of it under a lock, now and then something for the next thread. */
static void add_turn(struct bench *b, uint32_t lock, uint32_t from, uint32_t to, size_t i)
{
    add(b, GS_OP_PY, 0, 500 + next_random(b, 30000));
    lock += (uint32_t)next_random(b, LOCKS);
    add(b, GS_OP_ACQUIRE, lock, 0);
    add(b, GS_OP_PY, 0, 100 + next_random(b, 4000));
    add(b, GS_OP_RELEASE, lock, 0);
    if (i % 8 == 0)
        add(b, GS_OP_LATENCY, 0, next_random(b, 90000));
    if (i % 16 == 0) {
        add(b, GS_OP_PUT, to, 0);
        add(b, GS_OP_GET, from, 0);
    }
}

static void make_program(struct bench *b)
{
    struct gs_program *p = &b->program;
    uint32_t queue = 0;
    for (uint32_t i = 0; i < LOCKS; i++)
        gs_program_object(p, GS_OBJECT_LOCK, "lock");
    for (uint32_t t = 0; t < b->threads; t++) {
        uint32_t at = gs_program_object(p, GS_OBJECT_CHANNEL, "queue");
        queue = t ? queue : at;
    }
    for (uint32_t t = 0; t < b->threads; t++) {
        gs_program_begin(p, gs_program_thread(p, "thread", false));
        uint32_t next = queue + (t + 1) % (uint32_t)b->threads;
        for (size_t i = 0; i < b->turns / b->threads; i++)
            add_turn(b, 0, queue + t, next, i);
    }
    const char *why = gs_program_finish(p);
    if (why) {
        fprintf(stderr, "gs_sweep_ns: the program cannot be replayed: %s\n", why);
        exit(1);
    }
}

static void make_params(struct bench *b)
{
    for (uint32_t k = 0; k < CORES; k++)
        b->cap_q16[k] = (k + 1) * 64000;
    b->cap_q16[0] = GS_Q16(1);
    for (size_t i = 0; i < b->replays; i++)
        b->params[i] = (struct gs_replay_params){
            .machine = {CORES, b->cap_q16},
            .s_q16 = (uint32_t)(GS_Q16(1) + next_random(b, GS_Q16(0.3))),
            .latency_q16 = (uint32_t)(GS_Q16(0.95) + next_random(b, GS_Q16(0.2))),
            .lock_policy = next_random(b, 4) ? GS_LOCK_BARGE : GS_LOCK_FIFO,
            .wake_ns = 2000 + next_random(b, 28000),
        };
}

/* ---- how long it takes ---- */

static bool is_same(const struct bench *b)
{
    for (size_t i = 0; i < b->replays; i++) {
        const struct gs_replay_result *x = &b->want[i], *y = &b->got[i];
        if (x->makespan_ns != y->makespan_ns || x->py_ns != y->py_ns || x->steps != y->steps ||
            x->latency_ns != y->latency_ns || x->deadlock != y->deadlock)
            return false;
    }
    return true;
}

/* False: another engine did it, or results differ. */
static bool measure(struct bench *b, struct gs_json *j, const char *key, const char *engine,
                    unsigned jobs)
{
    const char *why_not;
    bool is_right = true;
    struct gs_sweeper *s = gs_sweeper_open(engine, jobs);
    gs_json_key(j, key);
    gs_json_begin_array(j);
    for (size_t i = 0; i < b->repeat; i++) {
        struct gs_sweep sweep = {
            .program = &b->program, .params = b->params, .n = b->replays, .results = b->got};
        uint64_t begin_ns = gs_now_ns();
        gs_sweeper_run(s, &sweep);
        gs_json_u64(j, gs_now_ns() - begin_ns);
        if (!b->want[0].steps)
            memcpy(b->want, b->got, b->replays * sizeof(*b->want));
        is_right = is_right && is_same(b);
    }
    gs_json_end_array(j);
    bool used = strcmp(gs_sweeper_used(s, &why_not), engine) == 0;
    if (!used)
        fprintf(stderr, "gs_sweep_ns: %s did not replay: %s\n", engine, why_not);
    else if (!is_right)
        fprintf(stderr, "gs_sweep_ns: %s: the results are others\n", engine);
    gs_sweeper_close(s);
    return used && is_right;
}

static bool measure_all(struct bench *b)
{
    struct gs_json j;
    gs_json_init(&j, stdout, true);
    gs_json_begin_object(&j);
    bool ok = measure(b, &j, "one_core_ns", "cpu", 1);
    ok = measure(b, &j, "all_cores_ns", "cpu", 0) && ok;
    ok = measure(b, &j, "cuda_ns", "cuda", 0) && ok;
    gs_json_kv_u64(&j, "cores", gs_parallel_workers(0, b->replays));
    gs_json_kv_u64(&j, "replays", b->replays);
    gs_json_kv_u64(&j, "threads", b->threads);
    gs_json_kv_u64(&j, "steps", b->want[0].steps);
    gs_json_end_object(&j);
    return gs_json_finish(&j) && ok;
}

/* ---- */

static size_t number(const char *text, size_t least)
{
    size_t n = (size_t)strtoull(text, NULL, 10);
    return n < least ? least : n;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {{"turns", 1, NULL, 't'},
                                            {"threads", 1, NULL, 'n'},
                                            {"replays", 1, NULL, 'r'},
                                            {"repeat", 1, NULL, 'k'},
                                            {NULL, 0, NULL, 0}};
    struct bench b = {.turns = 100000, .threads = 16, .replays = 300, .repeat = 3, .random = 1};
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (c == '?')
            return 2;
        *(c == 't'   ? &b.turns
          : c == 'n' ? &b.threads
          : c == 'r' ? &b.replays
                     : &b.repeat) = number(optarg, 1);
    }
    b.params = gs_xcalloc(b.replays, sizeof(*b.params));
    b.want = gs_xcalloc(b.replays, sizeof(*b.want));
    b.got = gs_xcalloc(b.replays, sizeof(*b.got));
    make_program(&b);
    make_params(&b);
    bool ok = measure_all(&b);
    gs_program_free(&b.program);
    free(b.params);
    free(b.want);
    free(b.got);
    return ok ? 0 : 1;
}
