/* SPDX-License-Identifier: MIT
 * What the page embeds beyond the stats: frames, nodes, rows and chains as columns.
 */
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>

#include "analyzer/stats.h"
#include "analyzer/whatif/job.h"

/* A column: of each frame the text that stands at `offset` of struct gs_prof_frame. */
static void put_texts(struct gs_json *j, const struct gs_profile *p, const char *key, size_t offset)
{
    gs_json_key(j, key);
    gs_json_begin_array_inline(j);
    for (size_t i = 0; i < p->n_frames; i++)
        gs_json_string(j, *(const char *const *)((const char *)&p->frames[i] + offset));
    gs_json_end_array(j);
}

/* Beside the columns of all frames; not there where all are Python's. Addresses are strings: a
 * script's numbers are exact to 2^53 only. */
static void put_native(struct gs_json *j, const struct gs_profile *p)
{
    gs_json_key(j, "kind");
    gs_json_begin_array_inline(j);
    for (size_t i = 0; i < p->n_frames; i++)
        gs_json_string(j, gs_frame_kind_names[p->frames[i].kind]);
    gs_json_end_array(j);
    put_texts(j, p, "module", offsetof(struct gs_prof_frame, module));
    gs_json_key(j, "address");
    gs_json_begin_array_inline(j);
    for (size_t i = 0; i < p->n_frames; i++) {
        char text[2 + 16 + 1] = "";
        if (gs_frame_is_native(&p->frames[i]))
            snprintf(text, sizeof(text), "0x%" PRIx64, p->frames[i].address);
        gs_json_string(j, text);
    }
    gs_json_end_array(j);
}

static void put_frames(struct gs_json *j, const struct gs_profile *p)
{
    gs_json_key(j, "frames");
    gs_json_begin_object(j);
    put_texts(j, p, "file", offsetof(struct gs_prof_frame, file));
    put_texts(j, p, "func", offsetof(struct gs_prof_frame, func));
    gs_json_key(j, "line");
    gs_json_begin_array_inline(j);
    for (size_t i = 0; i < p->n_frames; i++)
        gs_json_i64(j, p->frames[i].line);
    gs_json_end_array(j);
    if (gs_profile_has_native(p))
        put_native(j, p);
    gs_json_end_object(j);
}

static void put_nodes(struct gs_json *j, const struct gs_profile *p)
{
    gs_json_key(j, "nodes");
    gs_json_begin_object(j);
    GS_JSON_STEPS(j, "parent", p->nodes, p->n_nodes, parent);
    GS_JSON_STEPS(j, "frame", p->nodes, p->n_nodes, frame);
    gs_json_end_object(j);
}

static void put_rows(struct gs_json *j, const struct gs_profile *p)
{
    gs_json_key(j, "rows");
    gs_json_begin_object(j);
    GS_JSON_COLUMN(j, "process", p->rows, p->n_rows, process);
    GS_JSON_COLUMN(j, "thread", p->rows, p->n_rows, thread);
    GS_JSON_STEPS(j, "node", p->rows, p->n_rows, node);
    GS_JSON_COLUMN(j, "hold", p->rows, p->n_rows, hold_ns);
    GS_JSON_COLUMN(j, "hold_est", p->rows, p->n_rows, hold_est_ns);
    GS_JSON_COLUMN(j, "blame", p->rows, p->n_rows, blamed_ns);
    GS_JSON_COLUMN(j, "wait", p->rows, p->n_rows, wait_ns);
    GS_JSON_COLUMN(j, "hold_n", p->rows, p->n_rows, hold_count);
    GS_JSON_COLUMN(j, "wait_n", p->rows, p->n_rows, wait_count);
    gs_json_end_object(j);
}

static void put_chains(struct gs_json *j, const struct gs_profile *p)
{
    gs_json_key(j, "chains");
    gs_json_begin_object(j);
    GS_JSON_COLUMN(j, "process", p->chains, p->n_chains, process);
    GS_JSON_COLUMN(j, "waiter", p->chains, p->n_chains, waiter_node);
    GS_JSON_COLUMN(j, "holder", p->chains, p->n_chains, holder_node);
    GS_JSON_COLUMN(j, "ns", p->chains, p->n_chains, ns);
    GS_JSON_COLUMN(j, "count", p->chains, p->n_chains, count);
    gs_json_end_object(j);
}

bool gs_report_json(const struct gs_profile *p, FILE *out)
{
    struct gs_json j;
    gs_json_init(&j, out, false);
    gs_json_begin_object(&j);
    gs_stats_json_members(&j, p, true);
    put_frames(&j, p);
    put_nodes(&j, p);
    put_rows(&j, p);
    put_chains(&j, p);
    gs_report_json_memory(&j, p);
    gs_report_json_cuda(&j, p);
    gs_report_json_counters(&j, p);
    if (p->savings)
        gs_savings_json(&j, p->savings, p);
    gs_json_end_object(&j);
    return gs_json_finish(&j);
}
