/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "analyzer/fmt_units.h"
#include "analyzer/json_writer.h"
#include "analyzer/whatif/job_memory.h"

/* ---- JSON ---- */

static void kv_known(struct gs_json *j, const char *key, uint64_t v, bool known)
{
    gs_json_key(j, key);
    if (known)
        gs_json_u64(j, v);
    else
        gs_json_null(j);
}

static void kv_range(struct gs_json *j, const char *key, const uint64_t *range, bool known)
{
    static const char *const keys[] = {"p10", "p50", "p90"};
    gs_json_key(j, key);
    if (!known) {
        gs_json_null(j);
        return;
    }
    gs_json_begin_object_inline(j);
    for (unsigned i = 0; i < 3; i++)
        gs_json_kv_u64(j, keys[i], range[i]);
    gs_json_end_object(j);
}

void gs_whatif_memory_json(const struct gs_whatif_memory *m, struct gs_json *j)
{
    bool known = !m->why_not;
    gs_json_key(j, "memory");
    gs_json_begin_object(j);
    gs_json_kv_string(j, "why_not", m->why_not);
    gs_json_kv_u64(j, "processes", m->processes);
    gs_json_kv_u64(j, "forked", m->forked);
    gs_json_kv_u64(j, "helpers", m->helpers);
    gs_json_kv_u64(j, "rss_only", m->rss_only);
    gs_json_kv_u64(j, "left_out", m->left_out);
    gs_json_kv_u64(j, "threads", m->threads);
    kv_known(j, "now_bytes", m->now_bytes, known);
    kv_range(j, "threads_bytes", m->threads_bytes, known);
    kv_known(j, "once_bytes", m->once_bytes, known);
    kv_known(j, "own_bytes", m->own_bytes, known);
    kv_known(j, "duplicated_bytes", m->duplicated_bytes, known);
    kv_known(j, "agent_bytes", m->agent_bytes, known);
    kv_known(j, "spawned_bytes", m->spawned_bytes, known && m->spawned_bytes);
    kv_known(j, "forked_bytes", m->forked_bytes, known && m->forked_bytes);
    kv_known(j, "unshared_bytes", m->unshared_bytes, known && m->unshared_bytes);
    kv_known(j, "cuda_now_bytes", m->cuda_now_bytes, m->has_cuda);
    kv_known(j, "cuda_context_bytes", m->cuda_context_bytes, m->has_cuda);
    kv_range(j, "cuda_threads_bytes", m->cuda_threads_bytes, m->has_cuda);
    gs_json_end_object(j);
}

/* ---- text ---- */

static const char *how_started(const struct gs_whatif_memory *m)
{
    if (m->forked && m->forked + m->helpers + 1 < m->processes)
        return ", some of them forked";
    return m->forked ? ", forked" : ", each started by itself";
}

static void put_now(const struct gs_whatif_memory *m, FILE *out)
{
    if (m->processes > 1)
        fprintf(out, "  memory    now (%zu processes%s) %s host", m->processes, how_started(m),
                gs_fmt_bytes(m->now_bytes).s);
    else
        fprintf(out, "  memory    now %s host", gs_fmt_bytes(m->now_bytes).s);
    if (m->has_cuda)
        fprintf(out, " + %s GPU, %s of it contexts", gs_fmt_bytes(m->cuda_now_bytes).s,
                m->cuda_contexts_known ? gs_fmt_bytes(m->cuda_context_bytes).s : "an unknown part");
    fprintf(out, "; %s %s [p10 %s, p90 %s]",
            m->processes > 1 ? "threads of one free-threaded process" : "the same without the GIL",
            gs_fmt_bytes(m->threads_bytes[1]).s, gs_fmt_bytes(m->threads_bytes[0]).s,
            gs_fmt_bytes(m->threads_bytes[2]).s);
    if (m->has_cuda)
        fprintf(out, " + %s GPU", gs_fmt_bytes(m->cuda_threads_bytes[1]).s);
    fputs("\n", out);
}

static void put_others(const struct gs_whatif_memory *m, FILE *out)
{
    if (m->processes < 2)
        return;
    fprintf(out, "            of now %s are copies of what others have, too",
            gs_fmt_bytes(m->duplicated_bytes).s);
    if (m->spawned_bytes)
        fprintf(out, "; each started by itself (spawn) with all that it has: %s",
                gs_fmt_bytes(m->spawned_bytes).s);
    if (m->forked_bytes)
        fprintf(out, "; forked: at least %s", gs_fmt_bytes(m->forked_bytes).s);
    fputs("\n", out);
}

static void put_doubts(const struct gs_whatif_memory *m, FILE *out)
{
    if (m->unshared_bytes)
        fprintf(out,
                "            taken for granted: what each had of the kinds and sizes that its "
                "parent had when it started it is the same, and is held once; else %s\n",
                gs_fmt_bytes(m->unshared_bytes).s);
    if (m->rss_only)
        fprintf(out,
                "            of %zu processes only resident bytes are known: pages that they share "
                "count several times in what is now\n",
                m->rss_only);
    if (m->left_out)
        fprintf(out,
                "            %zu processes did not live at the moment of the most, or too short "
                "for a look\n",
                m->left_out);
    if (m->has_cuda && m->cuda_contexts_known && m->processes > 1)
        fputs("            GPU: MPS was not measured; it saves less than one shared context\n",
              out);
}

void gs_whatif_memory_text(const struct gs_whatif_memory *m, FILE *out)
{
    if (m->why_not) {
        char *safe = gs_fmt_safe(m->why_not, 0);
        fprintf(out, "  memory    no estimate: %s\n", safe);
        free(safe);
        if (m->has_cuda)
            fprintf(out, "            GPU now %s; threads of one process %s\n",
                    gs_fmt_bytes(m->cuda_now_bytes).s, gs_fmt_bytes(m->cuda_threads_bytes[1]).s);
        return;
    }
    put_now(m, out);
    put_others(m, out);
    put_doubts(m, out);
}
