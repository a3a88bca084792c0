/* SPDX-License-Identifier: MIT
 * The fast engine: windows side by side, one worker a core; the workers' sums are added in the end.
 */
#include <stdlib.h>
#include <string.h>

#include "analyzer/engine_cpu.h"
#include "analyzer/parallel.h"
#include "analyzer/xalloc.h"

struct gs_engine {
    char unused;
};

static enum gs_status cpu_open(struct gs_engine **out, struct gs_error *err)
{
    (void)err;
    *out = gs_xcalloc(1, sizeof(**out));
    return GS_OK;
}

static void cpu_close(struct gs_engine *e)
{
    free(e);
}

struct crew {
    const struct gs_windows *rows;
    struct gs__worker *workers;
};

static void work(void *ctx, unsigned worker, size_t window)
{
    struct crew *c = ctx;
    gs__cpu_window(&c->workers[worker], c->rows, window);
    gs_window_forget(c->rows, window);
}

static void open_worker(struct gs__worker *w, const struct gs_engine_job *job,
                        const struct gs_bins *bins)
{
    size_t n_threads = job->rows->threads.n;
    gs_decoder_open(&w->d, job->r, job->stacks, job->rows->size);
    gs_gil_result_open(&w->out, job->rows);
    w->bins = gs_bins_like(bins);
    w->n_near = (uint8_t)(n_threads < GS__THREADS ? n_threads : GS__THREADS);
    gs_square_sums_open(&w->pairs, w->n_near + 1u);
    gs_square_sums_open(&w->chains, GS__CHAINS);
}

static void close_pairs(struct gs__worker *w)
{
    gs_square_sums_empty_words(&w->pairs);
    for (size_t i = 0; i < w->n_near; i++)
        for (size_t k = 0; k < w->n_near; k++) {
            const struct gs_sum *m = &w->pairs.sums[i * w->pairs.width + k];
            if (m->count)
                gs_pairs_add(&w->out.pairs, (uint32_t)w->threads.keys[i],
                             (uint32_t)w->threads.keys[k], m->ns, m->count);
        }
}

static void close_chains(struct gs__worker *w, const struct gs_chain_stacks *chains)
{
    gs_square_sums_empty_words(&w->chains);
    for (size_t i = 0; i < chains->waiters.n; i++)
        for (size_t k = 0; k < chains->holders.n; k++) {
            const struct gs_sum *m = &w->chains.sums[i * GS__CHAINS + k];
            uint64_t key = chains->waiters.keys[i] << 32 | chains->holders.keys[k];
            if (m->count)
                gs_summap_add(&w->out.chains, key, m->ns, m->count);
        }
}

static void close_hists(struct gs__worker *w)
{
    for (size_t i = 0; i < w->threads.n && i < w->n_near; i++)
        for (uint64_t bucket = 0; bucket < GS_HIST_BUCKETS; bucket++)
            if (w->hists[i][bucket]) {
                gs_summap_add(&w->out.wait_hists, w->threads.keys[i] << 10 | bucket, 0,
                              w->hists[i][bucket]);
                w->out.wait_hist[bucket] += w->hists[i][bucket];
            }
}

/* The first worker's names become the whole's. */
static void add_actors(struct gs__worker *w, struct gs_gil_result *out)
{
    bool is_first = out->map.n == 0;
    const uint64_t *keys = w->d.actors.keys;
    if (is_first) {
        gs_idmap_free(&out->map);
        out->map = w->d.actors;
        w->d.actors = (struct gs_idmap){0};
    }
    gs_gil_result_reserve(out, is_first ? w->n_actors : out->map.n + w->n_actors);
    for (size_t i = 0; i < w->n_actors; i++) {
        size_t to = is_first ? i : gs_idmap_add(&out->map, keys[i]);
        gs__actor_add_to(w, i, &out->actors[to]);
    }
}

/* Tables become maps, as all engines hand over. */
static void hand_over(struct gs__worker *w, const struct gs_windows *rows,
                      const struct gs_bins *bins, struct gs_gil_result *out)
{
    close_pairs(w);
    close_chains(w, &rows->chains);
    close_hists(w);
    add_actors(w, out);
    gs_gil_result_merge(out, &w->out);
    gs_bins_add_all(bins, &w->bins);
}

static void close_worker(struct gs__worker *w)
{
    gs_decoder_close(&w->d);
    gs_window_rows_free(&w->rows);
    gs_gil_result_free(&w->out);
    gs_bins_free(&w->bins);
    gs_square_sums_close(&w->pairs);
    gs_square_sums_close(&w->chains);
    gs__cut_free(w);
    gs_idmap_free(&w->threads);
    for (size_t i = 0; i < GS__THREADS; i++)
        free(w->hists[i]);
}

static enum gs_status cpu_run(struct gs_engine *e, const struct gs_engine_job *job,
                              const struct gs_bins *bins, struct gs_gil_result *out,
                              struct gs_error *err)
{
    unsigned n = gs_parallel_workers(job->jobs, job->rows->n);
    enum gs_status status = GS_OK;
    (void)e;
    gs_gil_result_open(out, job->rows);
    if (!job->rows->n)
        return GS_OK;
    struct crew crew = {job->rows, gs_xcalloc(n, sizeof(*crew.workers))};
    for (unsigned i = 0; i < n; i++)
        open_worker(&crew.workers[i], job, bins);
    gs_parallel(n, job->rows->n, work, &crew);
    for (unsigned i = 0; i < n; i++) {
        if (crew.workers[i].failed)
            status = gs_error_set(err, GS_ERR_LIMIT,
                                  "rows of one GIL that cannot be told apart by their numbers are "
                                  "too many: analyse parts of the capture");
        hand_over(&crew.workers[i], job->rows, bins, out);
        close_worker(&crew.workers[i]);
    }
    gs_gil_result_close(out);
    free(crew.workers);
    return status;
}

const struct gs_engine_ops gs_engine_cpu = {
    .name = "cpu",
    .open = cpu_open,
    .run = cpu_run,
    .close = cpu_close,
};
