/* SPDX-License-Identifier: MIT
 * gs_cuda_count [--repeat N] CAPTURE: counts the capture's busiest GIL N times on the CPU and on
 * the device that libgilscope_cuda.so has, from the results of the survey on, and prints the times
 * of all runs as JSON, the first of each apart, as it also takes memory. The sums must agree.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analyzer/engine_cuda_run.h"
#include "analyzer/json_writer.h"
#include "analyzer/now.h"
#include "analyzer/xalloc.h"
#include "tests/bench/one_gil.h"

#define BINS 1000u

struct bench {
    struct one_gil g;
    struct gs_engine *cpu;
    struct gs_cuda_library cuda;
    uint64_t open_ns;
    struct gs_bins bins;
    size_t repeat;
};

static struct gs_engine_job job_of(const struct bench *b)
{
    return (struct gs_engine_job){&b->g.r, &b->g.stacks, &b->g.gil->rows, 0};
}

static void clear_bins(struct bench *b)
{
    memset(b->bins.hold_ns, 0, BINS * sizeof(uint64_t));
    memset(b->bins.wait_ns, 0, BINS * sizeof(uint64_t));
}

/* A number that all sums are in. */
static uint64_t digest(const struct bench *b, const struct gs_gil_result *res)
{
    uint64_t sum = res->wait_ns + 3 * res->unknown_holder_ns + 5 * res->pairs.rest_ns;
    for (size_t i = 0; i < res->map.n; i++) {
        const struct gs_actor_sums *a = &res->actors[i];
        sum += res->map.keys[i] * (a->hold_ns + 7 * a->blamed_ns + 11 * a->wait_ns +
                                   13 * a->wait_max_ns + 17 * a->acquires);
    }
    for (size_t i = 0; i < res->chains.map.n; i++)
        sum += res->chains.map.keys[i] * res->chains.sums[i].ns;
    for (size_t i = 0; i < res->wait_hists.map.n; i++)
        sum += res->wait_hists.map.keys[i] * res->wait_hists.sums[i].count;
    for (size_t i = 0; i < BINS; i++)
        sum += (i + 1) * (b->bins.hold_ns[i] + 19 * b->bins.wait_ns[i]);
    return sum;
}

/* Wall clock. */
static uint64_t run(struct bench *b, bool on_device, uint64_t *sums, struct gs_cuda_sums *steps)
{
    struct gs_error err = {0};
    struct gs_engine_job job = job_of(b);
    struct gs_gil_result *res = gs_xmalloc(1, sizeof(*res));
    clear_bins(b);
    uint64_t begin_ns = gs_now_ns();
    enum gs_status s = on_device ? gs_cuda_run(&b->cuda, &job, &b->bins, res, steps, &err)
                                 : gs_engine_cpu.run(b->cpu, &job, &b->bins, res, &err);
    uint64_t ns = gs_now_ns() - begin_ns;
    if (s != GS_OK)
        one_gil_fail(on_device ? "cuda" : "cpu", err.text);
    *sums = digest(b, res);
    gs_gil_result_free(res);
    free(res);
    return ns;
}

/* By the device's clock, of each run. */
static void put_steps(struct gs_json *j, const struct gs_cuda_sums *runs, size_t n)
{
    static const char *const names[] = {
#define X(NAME, name) name,
        GS_CUDA_STEP_LIST(X)
#undef X
    };
    gs_json_key(j, "step_us");
    gs_json_begin_object(j);
    for (int k = 0; k < GS_CUDA_STEPS; k++) {
        gs_json_key(j, names[k]);
        gs_json_begin_array_inline(j);
        for (size_t i = 0; i < n; i++)
            gs_json_u64(j, (uint64_t)(1000 * runs[i].step_ms[k]));
        gs_json_end_array(j);
    }
    gs_json_end_object(j);
    gs_json_kv_u64(j, "windows", runs->n_windows);
}

static void put_engine(struct gs_json *j, struct bench *b, bool on_device, uint64_t *sums)
{
    struct gs_cuda_sums *runs = gs_xcalloc(b->repeat, sizeof(*runs));
    gs_json_key(j, on_device ? "cuda" : "cpu");
    gs_json_begin_object(j);
    gs_json_kv_u64(j, "first_ns", run(b, on_device, sums, runs));
    gs_json_key(j, "wall_ns");
    gs_json_begin_array_inline(j);
    for (size_t i = 0; i < b->repeat; i++)
        gs_json_u64(j, run(b, on_device, sums, &runs[i]));
    gs_json_end_array(j);
    if (on_device)
        put_steps(j, runs, b->repeat);
    gs_json_end_object(j);
    free(runs);
}

static void open_bench(struct bench *b, const char *path)
{
    struct gs_error err = {0};
    one_gil_open(&b->g, path);
    uint64_t begin_ns = gs_now_ns();
    if (gs_cuda_library_open(&b->cuda, 0, &err) != GS_OK ||
        gs_engine_cpu.open(&b->cpu, &err) != GS_OK)
        one_gil_fail("open", err.text);
    b->open_ns = gs_now_ns() - begin_ns;
    const struct gs_windows *w = &b->g.gil->rows;
    b->bins = (struct gs_bins){.origin_ns = w->min_ns, .n = BINS};
    b->bins.bin_ns = 1 + (w->max_ns - w->min_ns) / BINS;
    b->bins.bins_per_ns = 1.0 / (double)b->bins.bin_ns;
    b->bins = gs_bins_like(&b->bins);
}

static bool print(struct bench *b)
{
    struct gs_json j;
    uint64_t cuda_sums, cpu_sums;
    gs_json_init(&j, stdout, false);
    gs_json_begin_object(&j);
    gs_json_kv_string(&j, "device", b->cuda.at->device(b->cuda.device));
    gs_json_kv_u64(&j, "slices", b->g.gil->rows.n_rows);
    gs_json_kv_u64(&j, "bytes", gs_chunk_list_bytes(&b->g.gil->slice_chunks));
    gs_json_kv_u64(&j, "open_ns", b->open_ns);
    put_engine(&j, b, true, &cuda_sums);
    put_engine(&j, b, false, &cpu_sums);
    gs_json_end_object(&j);
    if (cuda_sums != cpu_sums)
        one_gil_fail("sums", "the engines disagree");
    return gs_json_finish(&j);
}

int main(int argc, char **argv)
{
    static const struct option options[] = {{"repeat", required_argument, NULL, 'r'}, {0}};
    struct bench b = {.repeat = 5};
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;)
        b.repeat = c == 'r' ? (size_t)atoi(optarg) : 0;
    if (argc != optind + 1 || b.repeat < 1 || b.repeat > 1000)
        one_gil_fail("usage", "gs_cuda_count [--repeat N] CAPTURE");
    open_bench(&b, argv[optind]);
    bool ok = print(&b);
    gs_cuda_library_close(&b.cuda);
    gs_engine_cpu.close(b.cpu);
    gs_bins_free(&b.bins);
    one_gil_close(&b.g);
    return ok ? 0 : 1;
}
