/* SPDX-License-Identifier: MIT
 * speedscope's file format: shared frames, and one "sampled" profile for each thread (of live
 * bytes: process) and metric that has any weight. The weights are the profile's rows; there is no
 * time axis in them.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "analyzer/export.h"
#include "analyzer/json_writer.h"
#include "analyzer/xalloc.h"

/* speedscope sorts recursively; deeper stacks overflow it (its issue 386). */
enum { MAX_DEPTH = 500 };
#define UNUSED UINT32_MAX

struct metric_rows {
    struct gs_export_row *rows;
    size_t n, next; /* next: not yet written */
};
struct writer {
    const struct gs_profile *p;
    struct gs_json json;
    struct metric_rows metrics[GS_N_METRICS]; /* empty where it is not wanted */
    uint32_t *frame_no;                       /* profile's frame -> number in the file */
    uint32_t n_frames;                        /* numbers given */
    uint32_t no_stack, cut; /* synthetic frames; UNUSED until a sample needs one */
};

static const struct gs_prof_frame NO_STACK = {
    .file = "", .func = "(no stack)", .line = -1, .kind = GS_FRAME_SYNTHETIC, .module = ""};
static const struct gs_prof_frame CUT = {
    .file = "", .func = "(outer frames cut)", .line = -1, .kind = GS_FRAME_SYNTHETIC, .module = ""};

static void take_rows(struct writer *w, int only_metric)
{
    for (int m = 0; m < GS_N_METRICS; m++)
        if (only_metric < 0 || only_metric == m)
            w->metrics[m].rows = gs_export_rows(w->p, (enum gs_metric)m, &w->metrics[m].n);
}

static void mark_frames(struct writer *w, const struct metric_rows *rows, bool *seen)
{
    const struct gs_profile *p = w->p;
    for (size_t i = 0; i < rows->n; i++)
        for (uint32_t n = rows->rows[i].node; n != 0 && !seen[n]; n = p->nodes[n].parent) {
            seen[n] = true;
            w->frame_no[p->nodes[n].frame] = 0;
        }
}

/* Only frames that some row uses get a number, in the order of the profile's frames. */
static void number_frames(struct writer *w)
{
    const struct gs_profile *p = w->p;
    bool *seen = gs_xcalloc(p->n_nodes ? p->n_nodes : 1, sizeof(*seen));
    w->frame_no = gs_xmalloc(p->n_frames ? p->n_frames : 1, sizeof(*w->frame_no));
    for (size_t i = 0; i < p->n_frames; i++)
        w->frame_no[i] = UNUSED;
    for (int m = 0; m < GS_N_METRICS; m++)
        mark_frames(w, &w->metrics[m], seen);
    for (size_t i = 0; i < p->n_frames; i++) {
        if (w->frame_no[i] != UNUSED)
            w->frame_no[i] = w->n_frames++;
    }
    free(seen);
}

/* The profile may have such a frame already: frames are to be there once. */
static uint32_t synthetic_frame(struct writer *w, const struct gs_prof_frame *frame)
{
    for (size_t i = 0; i < w->p->n_frames; i++) {
        const struct gs_prof_frame *f = &w->p->frames[i];
        if (w->frame_no[i] != UNUSED && !*f->file && strcmp(f->func, frame->func) == 0)
            return w->frame_no[i];
    }
    return w->n_frames++;
}

static void number_synthetic_frames(struct writer *w)
{
    for (int m = 0; m < GS_N_METRICS; m++)
        for (size_t i = 0; i < w->metrics[m].n; i++) {
            uint32_t node = w->metrics[m].rows[i].node;
            if (node == 0 && w->no_stack == UNUSED)
                w->no_stack = synthetic_frame(w, &NO_STACK);
            if (w->cut == UNUSED && gs_export_stack(w->p, node, NULL, 0) > MAX_DEPTH - 1)
                w->cut = synthetic_frame(w, &CUT);
        }
}

static void put_frame(struct gs_json *j, const struct gs_prof_frame *f)
{
    gs_json_begin_object(j);
    gs_json_kv_string(j, "name", f->func);
    if (*f->file || *f->module) /* speedscope colours by file */
        gs_json_kv_string(j, "file", *f->file ? f->file : f->module);
    if (*f->file && f->line >= 0)
        gs_json_kv_i64(j, "line", f->line);
    gs_json_end_object(j);
}

static void put_frames(struct writer *w)
{
    uint32_t n = 0;
    gs_json_key(&w->json, "shared");
    gs_json_begin_object(&w->json);
    gs_json_key(&w->json, "frames");
    gs_json_begin_array(&w->json);
    for (size_t i = 0; i < w->p->n_frames; i++) {
        if (w->frame_no[i] != UNUSED) {
            put_frame(&w->json, &w->p->frames[i]);
            n++;
        }
    }
    for (; n < w->n_frames; n++) /* in the order their numbers were given */
        put_frame(&w->json, n == w->no_stack ? &NO_STACK : &CUT);
    gs_json_end_array(&w->json);
    gs_json_end_object(&w->json);
}

static void put_sample(struct writer *w, const struct gs_export_row *row)
{
    uint32_t path[MAX_DEPTH - 1];
    size_t depth = gs_export_stack(w->p, row->node, path, MAX_DEPTH - 1);
    gs_json_begin_array_inline(&w->json);
    if (depth == 0)
        gs_json_u64(&w->json, w->no_stack);
    bool cut = depth > MAX_DEPTH - 1;
    if (cut) {
        gs_json_u64(&w->json, w->cut);
        depth = MAX_DEPTH - 1;
    }
    size_t d = 0;
    if (depth > 0 && !cut)
        gs_json_u64(&w->json, w->frame_no[path[d++]]);
    for (; d < depth; d++)
        gs_json_next_u64(&w->json, w->frame_no[path[d]]);
    gs_json_end_array(&w->json);
}

static uint64_t sum_weights(const struct gs_export_row *rows, size_t n)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += rows[i].weight;
    return sum;
}

static void put_profile(struct writer *w, const struct gs_export_row *rows, size_t n, int metric)
{
    static const char *const units[] = {
#define X(NAME, name, unit, title) unit,
        GS_METRIC_LIST(X)
#undef X
    };
    static const char *const titles[] = {
#define X(NAME, name, unit, title) title,
        GS_METRIC_LIST(X)
#undef X
    };
    struct gs_json *j = &w->json;
    char *label = gs_export_label(w->p, &rows[0]);
    char *name = gs_xasprintf("%s \xe2\x80\x94 %s", titles[metric], label);
    gs_json_begin_object(j);
    gs_json_kv_string(j, "type", "sampled");
    gs_json_kv_string(j, "name", name);
    gs_json_kv_string(j, "unit", units[metric]);
    gs_json_kv_u64(j, "startValue", 0);
    gs_json_kv_u64(j, "endValue", sum_weights(rows, n));
    gs_json_key(j, "samples");
    gs_json_begin_array(j);
    for (size_t i = 0; i < n; i++)
        put_sample(w, &rows[i]);
    gs_json_end_array(j);
    GS_JSON_COLUMN(j, "weights", rows, n, weight);
    gs_json_end_object(j);
    free(name);
    free(label);
}

static bool is_before(const struct gs_export_row *a, const struct gs_export_row *b)
{
    return a->process != b->process ? a->process < b->process : a->thread < b->thread;
}

/* The first thread that has rows left; NULL at the end. */
static const struct gs_export_row *next_thread(const struct writer *w)
{
    const struct gs_export_row *first = NULL;
    for (int m = 0; m < GS_N_METRICS; m++) {
        const struct metric_rows *r = &w->metrics[m];
        if (r->next < r->n && (!first || is_before(&r->rows[r->next], first)))
            first = &r->rows[r->next];
    }
    return first;
}

/* Steps over the rows of that thread, and returns how many there are. */
static size_t take_thread(struct metric_rows *r, const struct gs_export_row *thread)
{
    size_t n = 0;
    while (r->next < r->n && r->rows[r->next].process == thread->process &&
           r->rows[r->next].thread == thread->thread) {
        r->next++;
        n++;
    }
    return n;
}

/* The worst thread: the one that lost most by waiting; where none waited, the one that held most.
 * What processes have, bytes or counts, compares only with its like. */
struct worst {
    size_t index;
    uint64_t wait, other, process;
};

static bool is_of_process(int metric)
{
    return metric >= GS_METRIC_ALLOC;
}

static void consider(struct worst *worst, size_t index, int metric, uint64_t weight)
{
    uint64_t *most = metric == GS_METRIC_WAIT ? &worst->wait
                     : is_of_process(metric)  ? &worst->process
                                              : &worst->other;
    bool passed =
        (metric != GS_METRIC_WAIT && worst->wait) || (is_of_process(metric) && worst->other);
    if (weight <= *most || passed)
        return;
    *most = weight;
    worst->index = index;
}

static size_t put_profiles(struct writer *w)
{
    const struct gs_export_row *thread;
    struct worst worst = {0};
    size_t n_profiles = 0;
    gs_json_key(&w->json, "profiles");
    gs_json_begin_array(&w->json);
    while ((thread = next_thread(w)) != NULL) {
        for (int m = 0; m < GS_N_METRICS; m++) {
            const struct gs_export_row *rows = w->metrics[m].rows + w->metrics[m].next;
            size_t n = take_thread(&w->metrics[m], thread);
            if (n == 0)
                continue;
            put_profile(w, rows, n, m);
            consider(&worst, n_profiles++, m, sum_weights(rows, n));
        }
    }
    gs_json_end_array(&w->json);
    return worst.index;
}

bool gs_export_speedscope(const struct gs_profile *p, int only_metric, FILE *out)
{
    struct writer w = {.p = p, .no_stack = UNUSED, .cut = UNUSED};
    gs_json_init(&w.json, out, false);
    take_rows(&w, only_metric);
    number_frames(&w);
    number_synthetic_frames(&w);
    gs_json_begin_object(&w.json);
    gs_json_kv_string(&w.json, "$schema", "https://www.speedscope.app/file-format-schema.json");
    gs_json_kv_string(&w.json, "exporter", "gilscope@" GILSCOPE_VERSION);
    gs_json_kv_string(&w.json, "name", p->verdict ? p->verdict : "gilscope");
    put_frames(&w);
    gs_json_kv_u64(&w.json, "activeProfileIndex", put_profiles(&w));
    gs_json_end_object(&w.json);
    for (int m = 0; m < GS_N_METRICS; m++)
        free(w.metrics[m].rows);
    free(w.frame_no);
    return gs_json_finish(&w.json);
}
