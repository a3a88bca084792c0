/* SPDX-License-Identifier: MIT */
#include "analyzer/engine_cuda_devices.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "analyzer/engine_rates.h"
#include "analyzer/fmt_units.h"
#include "analyzer/now.h"
#include "analyzer/parallel.h"
#include "analyzer/xalloc.h"

/* ---- open, close ---- */

static bool is_usable(const struct gs_cuda_device *d)
{
    return d->library.at != NULL;
}

unsigned gs_cuda_devices_usable(const struct gs_cuda_devices *d)
{
    unsigned n = 0;
    for (unsigned k = 0; k < d->n; k++)
        n += is_usable(&d->at[k]);
    return n;
}

static void open_one(void *ctx, unsigned worker, size_t k)
{
    struct gs_cuda_device *d = (struct gs_cuda_device *)ctx + k;
    uint64_t begin_ns = gs_now_ns();
    (void)worker;
    if (gs_cuda_library_open(&d->library, d->number, &d->why_not) != GS_OK)
        return;
    d->open_ns = (double)(gs_now_ns() - begin_ns);
    snprintf(d->name, sizeof(d->name), "%s", d->library.at->device(d->library.device));
}

/* The next n of them. The first alone, as it tells how many there are. */
static void open_more(struct gs_cuda_devices *d, unsigned n)
{
    unsigned from = d->n;
    d->at = gs_xrealloc(d->at, d->n + n, sizeof(*d->at));
    for (; d->n < from + n; d->n++)
        d->at[d->n] = (struct gs_cuda_device){.number = d->n};
    gs_parallel(n, n, open_one, d->at + from);
    d->n_there = d->at[0].library.n_devices > 0 ? d->at[0].library.n_devices : 1;
}

void gs_cuda_devices_open(struct gs_cuda_devices *d, unsigned n)
{
    if (d->n == 0 && n)
        open_more(d, 1);
    for (unsigned usable; (usable = gs_cuda_devices_usable(d)) < n && d->n < d->n_there;) {
        unsigned left = d->n_there - d->n;
        open_more(d, n - usable < left ? n - usable : left);
    }
}

const struct gs_error *gs_cuda_devices_why_not(const struct gs_cuda_devices *d)
{
    static const struct gs_error none;
    for (unsigned k = 0; k < d->n; k++)
        if (d->at[k].why_not.status != GS_OK)
            return &d->at[k].why_not;
    return &none;
}

void gs_cuda_devices_close(struct gs_cuda_devices *d)
{
    for (unsigned k = 0; k < d->n; k++)
        gs_cuda_library_close(&d->at[k].library);
    free(d->at);
    memset(d, 0, sizeof(*d));
}

/* ---- dealing out ---- */

struct place { /* of a task, in the order of the work */
    uint64_t rows;
    size_t task;
};
struct deal {
    struct gs_cuda_device **devices; /* usable ones */
    size_t n_devices;
    const struct gs_engine_task *tasks;
    enum gs_cuda_task_state *state;
    struct place *order;
    size_t n;
    atomic_size_t next; /* the first of each device is its own, then who is done takes the next */
    pthread_mutex_t bins;
};

static int largest_first(const void *pa, const void *pb)
{
    const struct place *a = pa, *b = pb;
    if (a->rows != b->rows)
        return a->rows > b->rows ? -1 : 1;
    return a->task < b->task ? -1 : a->task > b->task;
}

static void note_gil(struct gs_cuda_device *d, uint64_t rows, uint64_t ns)
{
    d->gils++;
    d->rows += rows;
    if (rows >= GS_RATES_ROWS_MIN)
        d->row_ns = (double)ns / (double)rows;
}

static bool count_one(struct deal *deal, struct gs_cuda_device *d, const struct place *at)
{
    const struct gs_engine_task *task = &deal->tasks[at->task];
    struct gs_bins bins = gs_bins_like(task->bins);
    struct gs_cuda_sums sums;
    uint64_t begin_ns = gs_now_ns();
    bool is_counted =
        gs_cuda_run(&d->library, &task->job, &bins, task->out, &sums, &d->why_not) == GS_OK;
    if (is_counted) {
        pthread_mutex_lock(&deal->bins);
        gs_bins_add_all(task->bins, &bins);
        pthread_mutex_unlock(&deal->bins);
        deal->state[at->task] = GS_CUDA_TASK_COUNTED;
        note_gil(d, at->rows, gs_now_ns() - begin_ns);
    } else {
        gs_gil_result_free(task->out);
        gs_cuda_library_close(&d->library);
    }
    gs_bins_free(&bins);
    return is_counted;
}

static void work(void *ctx, unsigned worker, size_t device)
{
    struct deal *deal = ctx;
    size_t at = device;
    (void)worker;
    while (at < deal->n && count_one(deal, deal->devices[device], &deal->order[at]))
        at = atomic_fetch_add(&deal->next, 1);
}

static void list_tasks(struct deal *deal, size_t n)
{
    deal->order = gs_xmalloc(n, sizeof(*deal->order));
    for (size_t i = 0; i < n; i++)
        if (deal->state[i] == GS_CUDA_TASK_OF_DEVICE)
            deal->order[deal->n++] = (struct place){deal->tasks[i].job.rows->n_rows, i};
    if (deal->n)
        qsort(deal->order, deal->n, sizeof(*deal->order), largest_first);
}

static void list_devices(struct deal *deal, struct gs_cuda_devices *d)
{
    deal->devices = gs_xmalloc(d->n, sizeof(struct gs_cuda_device *));
    for (unsigned k = 0; k < d->n; k++)
        if (is_usable(&d->at[k]))
            deal->devices[deal->n_devices++] = &d->at[k];
}

void gs_cuda_devices_count(struct gs_cuda_devices *d, const struct gs_engine_task *tasks,
                           enum gs_cuda_task_state *state, size_t n)
{
    struct deal deal = {.tasks = tasks, .state = state};
    list_tasks(&deal, n);
    list_devices(&deal, d);
    atomic_init(&deal.next, deal.n_devices);
    pthread_mutex_init(&deal.bins, NULL);
    if (deal.n && deal.n_devices)
        gs_parallel((unsigned)deal.n_devices, deal.n_devices, work, &deal);
    pthread_mutex_destroy(&deal.bins);
    free(deal.order);
    free(deal.devices);
}

/* ---- what they did ---- */

static char *line_of(const struct gs_cuda_device *d)
{
    bool failed = d->why_not.status != GS_OK;
    return gs_xasprintf("device %u%s%s%s: %u GIL%s, %s rows%s%s", d->number, *d->name ? " (" : "",
                        d->name, *d->name ? ")" : "", d->gils, d->gils == 1 ? "" : "s",
                        gs_fmt_count(d->rows).s, failed ? "; failed: " : "",
                        failed ? d->why_not.text : "");
}

char *gs_cuda_devices_text(const struct gs_cuda_devices *d)
{
    char *all = NULL;
    for (unsigned k = 0; k < d->n; k++) {
        char *line = line_of(&d->at[k]), *before = all;
        all = before ? gs_xasprintf("%s\n%s", before, line) : gs_xstrndup(line, strlen(line));
        free(line);
        free(before);
    }
    return all;
}
