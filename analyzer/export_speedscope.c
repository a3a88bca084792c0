/* SPDX-License-Identifier: MIT
 * speedscope's file format: shared frames, and one "sampled" profile for each thread and metric
 * that has any weight. The weights are the profile's rows; there is no time axis in them.
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

struct writer {
    const struct gs_profile *p;
    struct gs_json json;
    uint32_t *frame_no;     /* profile's frame -> number in the file */
    uint32_t n_frames;      /* numbers given */
    uint32_t no_stack, cut; /* synthetic frames; UNUSED until a sample needs one */
};

static const struct gs_prof_frame NO_STACK = {.file = "", .func = "(no stack)", .line = -1};
static const struct gs_prof_frame CUT = {.file = "", .func = "(outer frames cut)", .line = -1};

static bool wanted(int only_metric, int metric)
{
    return only_metric < 0 || only_metric == metric;
}

static uint64_t row_weight_any(const struct gs_prof_row *row, int only_metric)
{
    uint64_t sum = 0;
    for (int m = 0; m < GS_N_METRICS; m++)
        sum += wanted(only_metric, m) ? gs_row_weight(row, (enum gs_metric)m) : 0;
    return sum;
}

/* Only frames that some row uses get a number, in the order of the profile's frames. */
static void number_frames(struct writer *w, int only_metric)
{
    const struct gs_profile *p = w->p;
    bool *seen = gs_xcalloc(p->n_nodes ? p->n_nodes : 1, sizeof(*seen));
    w->frame_no = gs_xmalloc(p->n_frames ? p->n_frames : 1, sizeof(*w->frame_no));
    for (size_t i = 0; i < p->n_frames; i++)
        w->frame_no[i] = UNUSED;
    for (size_t i = 0; i < p->n_rows; i++) {
        if (!row_weight_any(&p->rows[i], only_metric))
            continue;
        for (uint32_t n = p->rows[i].node; n != 0 && !seen[n]; n = p->nodes[n].parent) {
            seen[n] = true;
            w->frame_no[p->nodes[n].frame] = 0;
        }
    }
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

static void number_synthetic_frames(struct writer *w, int only_metric)
{
    for (size_t i = 0; i < w->p->n_rows; i++) {
        const struct gs_prof_row *row = &w->p->rows[i];
        if (!row_weight_any(row, only_metric))
            continue;
        if (row->node == 0 && w->no_stack == UNUSED)
            w->no_stack = synthetic_frame(w, &NO_STACK);
        if (w->cut == UNUSED && gs_export_stack(w->p, row->node, NULL, 0) > MAX_DEPTH - 1)
            w->cut = synthetic_frame(w, &CUT);
    }
}

static void put_frame(struct gs_json *j, const struct gs_prof_frame *f)
{
    gs_json_begin_object(j);
    gs_json_kv_string(j, "name", f->func);
    if (*f->file)
        gs_json_kv_string(j, "file", f->file);
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

static void put_sample(struct writer *w, const struct gs_prof_row *row)
{
    uint32_t path[MAX_DEPTH - 1];
    size_t depth = gs_export_stack(w->p, row->node, path, MAX_DEPTH - 1);
    gs_json_begin_array_inline(&w->json);
    if (depth == 0)
        gs_json_u64(&w->json, w->no_stack);
    if (depth > MAX_DEPTH - 1) {
        gs_json_u64(&w->json, w->cut);
        depth = MAX_DEPTH - 1;
    }
    for (size_t d = 0; d < depth; d++)
        gs_json_u64(&w->json, w->frame_no[path[d]]);
    gs_json_end_array(&w->json);
}

/* Rows [first, last) are one thread's. */
struct thread_rows {
    const struct gs_prof_row *first, *last;
};

static uint64_t thread_weight(const struct thread_rows *t, enum gs_metric metric)
{
    uint64_t sum = 0;
    for (const struct gs_prof_row *r = t->first; r < t->last; r++)
        sum += gs_row_weight(r, metric);
    return sum;
}

static void put_profile(struct writer *w, const struct thread_rows *t, enum gs_metric metric,
                        uint64_t weight)
{
    struct gs_json *j = &w->json;
    char *label = gs_export_thread_label(w->p, t->first);
    char *name = gs_xasprintf("gil %s \xe2\x80\x94 %s", gs_metric_names[metric], label);
    gs_json_begin_object(j);
    gs_json_kv_string(j, "type", "sampled");
    gs_json_kv_string(j, "name", name);
    gs_json_kv_string(j, "unit", "nanoseconds");
    gs_json_kv_u64(j, "startValue", 0);
    gs_json_kv_u64(j, "endValue", weight);
    gs_json_key(j, "samples");
    gs_json_begin_array(j);
    for (const struct gs_prof_row *r = t->first; r < t->last; r++) {
        if (gs_row_weight(r, metric))
            put_sample(w, r);
    }
    gs_json_end_array(j);
    gs_json_key(j, "weights");
    gs_json_begin_array_inline(j);
    for (const struct gs_prof_row *r = t->first; r < t->last; r++) {
        if (gs_row_weight(r, metric))
            gs_json_u64(j, gs_row_weight(r, metric));
    }
    gs_json_end_array(j);
    gs_json_end_object(j);
    free(name);
    free(label);
}

static bool next_thread(const struct gs_profile *p, struct thread_rows *t)
{
    const struct gs_prof_row *end = p->rows + p->n_rows;
    t->first = t->last;
    while (t->last < end && t->last->process == t->first->process &&
           t->last->thread == t->first->thread)
        t->last++;
    return t->first < end;
}

/* The worst thread: the one that lost most by waiting; where none waited, the one that held most.
 */
struct worst {
    size_t index;
    uint64_t wait, other;
};

static void consider(struct worst *worst, size_t index, enum gs_metric metric, uint64_t weight)
{
    if (metric == GS_METRIC_WAIT && weight > worst->wait) {
        worst->wait = weight;
        worst->index = index;
    } else if (worst->wait == 0 && weight > worst->other) {
        worst->other = weight;
        worst->index = index;
    }
}

static size_t put_profiles(struct writer *w, int only_metric)
{
    struct thread_rows t = {w->p->rows, w->p->rows};
    struct worst worst = {0};
    size_t n = 0;
    gs_json_key(&w->json, "profiles");
    gs_json_begin_array(&w->json);
    while (w->p->n_rows && next_thread(w->p, &t)) {
        for (int m = 0; m < GS_N_METRICS; m++) {
            uint64_t weight = thread_weight(&t, (enum gs_metric)m);
            if (!weight || !wanted(only_metric, m))
                continue;
            put_profile(w, &t, (enum gs_metric)m, weight);
            consider(&worst, n++, (enum gs_metric)m, weight);
        }
    }
    gs_json_end_array(&w->json);
    return worst.index;
}

bool gs_export_speedscope(const struct gs_profile *p, int only_metric, FILE *out)
{
    struct writer w = {.p = p, .no_stack = UNUSED, .cut = UNUSED};
    gs_json_init(&w.json, out, false);
    number_frames(&w, only_metric);
    number_synthetic_frames(&w, only_metric);
    gs_json_begin_object(&w.json);
    gs_json_kv_string(&w.json, "$schema", "https://www.speedscope.app/file-format-schema.json");
    gs_json_kv_string(&w.json, "exporter", "gilscope@" GILSCOPE_VERSION);
    gs_json_kv_string(&w.json, "name", p->verdict ? p->verdict : "gilscope");
    put_frames(&w);
    gs_json_kv_u64(&w.json, "activeProfileIndex", put_profiles(&w, only_metric));
    gs_json_end_object(&w.json);
    free(w.frame_no);
    return gs_json_finish(&w.json);
}
