/* SPDX-License-Identifier: MIT
 * engine_ns [options] STAGE CAPTURE...: times one stage of the analysis on a capture in memory, and
 * prints the times and what the stage found as JSON. STAGE: see engine_stages.c; or `stats`, which
 * prints the document of `gilscope stats --json`, engine's name blotted out, and times nothing.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "analyzer/stats.h"
#include "analyzer/xalloc.h"
#include "tests/bench/engine_stages.h"

struct times {
    uint64_t wall_ns, cpu_ns;
};

static uint64_t now_ns(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static struct times measure(const struct stage *stage, struct stages *s)
{
    stages_clear(s);
    uint64_t wall = now_ns(CLOCK_MONOTONIC), cpu = now_ns(CLOCK_PROCESS_CPUTIME_ID);
    stage->run(s);
    return (struct times){now_ns(CLOCK_MONOTONIC) - wall, now_ns(CLOCK_PROCESS_CPUTIME_ID) - cpu};
}

/* Of this program alone: what getrusage() says begins with what the parent had when it forked. */
static uint64_t peak_rss_kib(void)
{
    char line[256];
    unsigned long long kib = 0;
    FILE *f = fopen("/proc/self/status", "re");
    while (f && fgets(line, sizeof(line), f) && sscanf(line, "VmHWM: %llu", &kib) != 1)
        ;
    if (f)
        fclose(f);
    return kib;
}

/* ---- what the stage found ---- */

static void put_row(struct gs_json *j, const uint64_t *values, size_t n)
{
    gs_json_begin_array_inline(j);
    for (size_t i = 0; i < n; i++)
        gs_json_u64(j, values[i]);
    gs_json_end_array(j);
}
#define PUT_ROW(j, ...)                                                                            \
    put_row(j, (const uint64_t[]){__VA_ARGS__},                                                    \
            sizeof((const uint64_t[]){__VA_ARGS__}) / sizeof(uint64_t))

static void put_groups(struct gs_json *j, const struct stages *s)
{
    gs_json_key(j, "groups"); /* stack, hold, wait, rows */
    gs_json_begin_array(j);
    for (uint32_t i = 0; s->by_node && i < s->g.stacks.n_nodes; i++) {
        const struct stage_sum *sum = &s->by_node[i];
        if (sum->count)
            PUT_ROW(j, i, sum->hold_ns, sum->wait_ns, sum->count);
    }
    gs_json_end_array(j);
}

static void put_hist(struct gs_json *j, const char *key, const uint64_t *counts)
{
    gs_json_key(j, key); /* bucket, rows */
    gs_json_begin_array(j);
    for (unsigned b = 0; b < GS_HIST_BUCKETS; b++)
        if (counts[b])
            PUT_ROW(j, b, counts[b]);
    gs_json_end_array(j);
}

static void put_profile(struct gs_json *j, const struct gs_profile *p)
{
    gs_json_key(j, "rows"); /* stack, hold, blamed, wait: of a thread each */
    gs_json_begin_array(j);
    for (size_t i = 0; i < p->n_rows; i++)
        PUT_ROW(j, p->rows[i].node, p->rows[i].hold_ns, p->rows[i].blamed_ns, p->rows[i].wait_ns);
    gs_json_end_array(j);
    if (p->n_processes)
        gs_json_kv_u64(j, "unknown_holder_ns", p->processes[0].gil.unknown_holder_ns);
}

static void put_times(struct gs_json *j, const char *key, const struct times *t, size_t n,
                      size_t which)
{
    gs_json_key(j, key);
    gs_json_begin_array_inline(j);
    for (size_t i = 0; i < n; i++)
        gs_json_u64(j, which ? t[i].cpu_ns : t[i].wall_ns);
    gs_json_end_array(j);
}

static void print(const struct stages *s, const struct times *t, size_t n)
{
    struct gs_json j;
    gs_json_init(&j, stdout, false);
    gs_json_begin_object(&j);
    put_times(&j, "wall_ns", t, n, 0);
    put_times(&j, "cpu_ns", t, n, 1);
    gs_json_kv_u64(&j, "slices", s->g.gil->rows.n_rows);
    gs_json_kv_u64(&j, "peak_rss_kib", peak_rss_kib());
    put_groups(&j, s);
    put_hist(&j, "hold_hist", s->hold_hist);
    put_hist(&j, "wait_hist", s->wait_hist);
    gs_json_kv_u64(&j, "ordered_rows", s->n_rows);
    gs_json_kv_u64(&j, "order_hash", s->hash);
    put_profile(&j, &s->profile);
    gs_json_end_object(&j);
    if (!gs_json_finish(&j))
        one_gil_fail("stdout", "cannot be written");
}

static void time_stage(const struct stage *stage, struct stages *s, size_t repeat, const char *path)
{
    struct times *t = gs_xmalloc(repeat, sizeof(*t));
    one_gil_open(&s->g, path);
    s->check = true;
    measure(stage, s); /* also reads the file */
    s->check = false;
    for (size_t i = 0; i < repeat; i++)
        t[i] = measure(stage, s);
    s->check = true;
    measure(stage, s);
    print(s, t, repeat);
    stages_clear(s);
    one_gil_close(&s->g);
    free(t);
}

static void print_stats(const struct gs_load_options *options, const char *const *paths, size_t n)
{
    struct gs_captures captures = one_gil_captures(paths, n);
    struct gs_profile p;
    struct gs_error err = {0};
    if (gs_profile_build(&captures, options, &p, &err) != GS_OK)
        one_gil_fail(paths[0], err.text);
    p.engine = "any";
    if (!gs_stats_json(&p, stdout))
        one_gil_fail("stdout", "cannot be written");
    gs_profile_free(&p);
    gs_captures_close(&captures);
}

static const struct option long_options[] = {{"engine", required_argument, NULL, 'e'},
                                             {"jobs", required_argument, NULL, 'j'},
                                             {"window-rows", required_argument, NULL, 'w'},
                                             {"repeat", required_argument, NULL, 'r'},
                                             {0}};

/* Returns how often the stage is to be timed; 0: an option that is none. */
static size_t parse(int argc, char **argv, struct gs_load_options *o)
{
    size_t repeat = 5;
    for (int c; (c = getopt_long(argc, argv, "", long_options, NULL)) != -1;) {
        if (c == 'e')
            o->engine = optarg;
        else if (c == 'j')
            o->jobs = (unsigned)atoi(optarg);
        else if (c == 'w')
            o->window_rows = (size_t)atoi(optarg);
        else if (c == 'r' && atoi(optarg) > 0)
            repeat = (size_t)atoi(optarg);
        else
            return 0;
    }
    return repeat;
}

int main(int argc, char **argv)
{
    static struct stages s;
    size_t repeat = parse(argc, argv, &s.options);
    const char *name = optind < argc ? argv[optind] : "";
    const struct stage *stage = stage_find(name);
    if (!repeat || argc < optind + 2 || (!stage && strcmp(name, "stats") != 0))
        one_gil_fail("usage", "engine_ns [--engine E] [--jobs N] [--window-rows N] [--repeat N] "
                              "STAGE CAPTURE...");
    if (stage)
        time_stage(stage, &s, repeat, argv[optind + 1]);
    else
        print_stats(&s.options, (const char *const *)argv + optind + 1,
                    (size_t)(argc - optind - 1));
    return 0;
}
