/* SPDX-License-Identifier: MIT
 * The GILs of some processes, counted. Results are added in the order of processes and GILs,
 * whoever counted them.
 */
#include <stdlib.h>

#include "analyzer/profile_process.h"
#include "analyzer/xalloc.h"

static struct gs_engine_job job_of(const struct gs_process_builder *b, size_t gil)
{
    return (struct gs_engine_job){b->r, b->stacks, &b->r->gils[gil].rows, b->r->jobs};
}

/* Only one result is in memory at a time. */
static enum gs_status count_in_turn(struct gs_process_builder *b, const struct gs_engine_ops *ops,
                                    struct gs_engine *engine, struct gs_error *err)
{
    enum gs_status s = GS_OK;
    struct gs_gil_result *res = gs_xmalloc(1, sizeof(*res));
    for (size_t i = 0; i < b->r->n_gils && s == GS_OK; i++) {
        struct gs_engine_job job = job_of(b, i);
        s = ops->run(engine, &job, &b->bins, res, err);
        if (s == GS_OK)
            gs_builder_add_gil(b, (uint32_t)i, res);
        gs_gil_result_free(res);
    }
    free(res);
    return s;
}

static void list_tasks(const struct gs_process_builder *b, size_t n, struct gs_gil_result *results,
                       struct gs_engine_task *tasks)
{
    size_t at = 0;
    for (size_t p = 0; p < n; p++)
        for (size_t i = 0; i < b[p].r->n_gils; i++, at++)
            tasks[at] = (struct gs_engine_task){job_of(&b[p], i), &b[p].bins, &results[at]};
}

static void add_results(struct gs_process_builder *b, size_t n, const struct gs_gil_result *results)
{
    size_t at = 0;
    for (size_t p = 0; p < n; p++)
        for (size_t i = 0; i < b[p].r->n_gils; i++)
            gs_builder_add_gil(&b[p], (uint32_t)i, &results[at++]);
}

static enum gs_status count_side_by_side(struct gs_process_builder *b, size_t n, size_t n_gils,
                                         const struct gs_engine_ops *ops, struct gs_engine *engine,
                                         struct gs_error *err)
{
    struct gs_gil_result *results = gs_xcalloc(n_gils, sizeof(*results));
    struct gs_engine_task *tasks = gs_xcalloc(n_gils, sizeof(*tasks));
    list_tasks(b, n, results, tasks);
    enum gs_status s = ops->run_all(engine, tasks, n_gils, err);
    if (s == GS_OK)
        add_results(b, n, results);
    for (size_t i = 0; i < n_gils; i++)
        gs_gil_result_free(&results[i]);
    free(tasks);
    free(results);
    return s;
}

enum gs_status gs_processes_count(struct gs_process_builder *b, size_t n,
                                  const struct gs_engine_ops *ops, struct gs_engine *engine,
                                  struct gs_error *err)
{
    enum gs_status s = GS_OK;
    size_t n_gils = 0;
    for (size_t p = 0; p < n; p++)
        n_gils += b[p].r->n_gils;
    if (n_gils > 1 && ops->at_once && ops->at_once(engine) > 1)
        return count_side_by_side(b, n, n_gils, ops, engine, err);
    for (size_t p = 0; p < n && s == GS_OK; p++)
        s = count_in_turn(&b[p], ops, engine, err);
    return s;
}
