/* SPDX-License-Identifier: MIT
 * The document of contract.md, and the parts the report page adds to it.
 */
#include <stdlib.h>
#include <string.h>

#include "analyzer/idmap.h"
#include "analyzer/stats.h"
#include "analyzer/xalloc.h"

#define TOP_STACKS 50

/* ---- capture ---- */

/* "key=value" -> member; a repeated key would make the object ambiguous: the first one stays. */
static bool is_repeated(char *const *list, size_t i, size_t key_len)
{
    for (size_t k = 0; k < i; k++)
        if (strncmp(list[k], list[i], key_len + 1) == 0)
            return true;
    return false;
}

static void put_settings(struct gs_json *j, const struct gs_profile *p)
{
    gs_json_key(j, "settings");
    gs_json_begin_object(j);
    const struct gs_prof_process *first = p->n_processes ? &p->processes[0] : NULL;
    for (size_t i = 0; first && i < first->n_settings && i < 256; i++) {
        const char *s = first->settings[i], *eq = strchr(s, '=');
        if (!eq || is_repeated(first->settings, i, (size_t)(eq - s)))
            continue;
        char *key = gs_xstrndup(s, (size_t)(eq - s));
        gs_json_kv_string(j, key, eq + 1);
        free(key);
    }
    gs_json_end_object(j);
}

static uint64_t overhead_thousandths(const struct gs_profile *p)
{
    unsigned __int128 v = (unsigned __int128)p->overhead_ns * 100000;
    return p->process_cpu_ns ? (uint64_t)(v / p->process_cpu_ns) : 0;
}

static void put_capture(struct gs_json *j, const struct gs_profile *p)
{
    char format[32];
    snprintf(format, sizeof(format), "%u.%u", p->format_major, p->format_minor);
    gs_json_key(j, "capture");
    gs_json_begin_object(j);
    gs_json_kv_string(j, "format", format);
    gs_json_kv_u64(j, "files", p->n_files);
    gs_json_kv_u64(j, "duration_ns", p->duration_ns);
    put_settings(j, p);
    gs_json_kv_bool(j, "complete", p->complete);
    gs_json_kv_u64(j, "lost_events", p->lost_events);
    gs_json_kv_u64(j, "overhead_ns", p->overhead_ns);
    gs_json_key(j, "overhead_pct");
    gs_json_milli(j, overhead_thousandths(p));
    gs_json_kv_u64(j, "damaged_chunks", p->damaged_chunks);
    gs_json_kv_u64(j, "skipped_bytes", p->skipped_bytes);
    gs_json_end_object(j);
}

/* ---- processes ---- */

static void put_hist(struct gs_json *j, const char *key, const struct gs_hist *h)
{
    gs_json_key(j, key);
    gs_json_begin_array_inline(j);
    for (size_t i = 0; i < h->n; i++) {
        gs_json_begin_array(j);
        gs_json_u64(j, h->buckets[i].lower_ns);
        gs_json_u64(j, h->buckets[i].count);
        gs_json_end_array(j);
    }
    gs_json_end_array(j);
}

static void put_gil_members(struct gs_json *j, const struct gs_prof_gil *g)
{
    gs_json_kv_u64(j, "hold_ns", g->hold_ns);
    gs_json_kv_u64(j, "wait_ns", g->wait_ns);
    gs_json_kv_u64(j, "open_hold_ns", g->open_hold_ns);
    gs_json_kv_u64(j, "open_wait_ns", g->open_wait_ns);
    gs_json_kv_u64(j, "acquisitions", g->acquisitions);
    gs_json_kv_u64(j, "contended", g->contended);
    gs_json_kv_u64(j, "forced_drops", g->forced_drops);
    gs_json_kv_u64(j, "unknown_holder_ns", g->unknown_holder_ns);
    put_hist(j, "wait_hist", &g->wait_hist);
    put_hist(j, "hold_hist", &g->hold_hist);
}

static void put_gils(struct gs_json *j, const struct gs_prof_process *p)
{
    gs_json_key(j, "gil");
    gs_json_begin_object(j);
    put_gil_members(j, &p->gil);
    gs_json_end_object(j);
    gs_json_key(j, "gils");
    gs_json_begin_array(j);
    for (size_t i = 0; i < p->n_gils; i++) {
        gs_json_begin_object(j);
        gs_json_kv_i64(j, "interpreter", p->gils[i].interpreter);
        put_gil_members(j, &p->gils[i]);
        gs_json_end_object(j);
    }
    gs_json_end_array(j);
}

static void put_thread(struct gs_json *j, const struct gs_prof_thread *t)
{
    gs_json_begin_object(j);
    gs_json_kv_u64(j, "thread", t->thread);
    gs_json_kv_u64(j, "tid", t->tid);
    gs_json_kv_string(j, "name", t->name);
    gs_json_kv_u64(j, "gil", t->gil);
    gs_json_kv_u64(j, "hold_ns", t->hold_ns);
    gs_json_kv_u64(j, "wait_ns", t->wait_ns);
    gs_json_kv_u64(j, "open_hold_ns", t->open_hold_ns);
    gs_json_kv_u64(j, "open_wait_ns", t->open_wait_ns);
    gs_json_kv_u64(j, "acquisitions", t->acquisitions);
    gs_json_kv_u64(j, "releases", t->releases);
    gs_json_kv_u64(j, "contended", t->contended);
    gs_json_kv_u64(j, "forced_drops", t->forced_drops);
    gs_json_kv_u64(j, "cpu_ns", t->cpu_ns);
    gs_json_kv_u64(j, "runqueue_ns", t->runqueue_ns);
    gs_json_kv_u64(j, "wait_p50_ns", t->wait_p50_ns);
    gs_json_kv_u64(j, "wait_p99_ns", t->wait_p99_ns);
    gs_json_kv_u64(j, "wait_max_ns", t->wait_max_ns);
    gs_json_kv_u64(j, "blamed_ns", t->blamed_ns);
    gs_json_kv_u64(j, "first_ns", t->first_ns);
    gs_json_kv_u64(j, "last_ns", t->last_ns);
    gs_json_end_object(j);
}

/* Thread index -> kernel tid; -1 for "all the rest". */
static void index_threads(const struct gs_prof_process *p, struct gs_idmap *map, uint32_t **tids)
{
    *tids = gs_xmalloc(p->n_threads, sizeof(**tids));
    for (size_t i = 0; i < p->n_threads; i++)
        (*tids)[gs_idmap_add(map, p->threads[i].thread)] = p->threads[i].tid;
}

static int64_t tid_of(const struct gs_idmap *map, const uint32_t *tids, int64_t thread)
{
    uint32_t at = thread < 0 ? GS_IDMAP_NONE : gs_idmap_find(map, (uint64_t)thread);
    return at == GS_IDMAP_NONE ? -1 : (int64_t)tids[at];
}

static void put_blame(struct gs_json *j, const struct gs_prof_process *p)
{
    struct gs_idmap map = {0};
    uint32_t *tids;
    index_threads(p, &map, &tids);
    gs_json_key(j, "blame");
    gs_json_begin_array(j);
    for (size_t i = 0; i < p->n_blame; i++) {
        const struct gs_prof_pair *b = &p->blame[i];
        gs_json_begin_object(j);
        gs_json_kv_i64(j, "waiter", b->waiter);
        gs_json_kv_i64(j, "holder", b->holder);
        gs_json_kv_i64(j, "waiter_tid", tid_of(&map, tids, b->waiter));
        gs_json_kv_i64(j, "holder_tid", tid_of(&map, tids, b->holder));
        gs_json_kv_u64(j, "ns", b->ns);
        gs_json_end_object(j);
    }
    gs_json_end_array(j);
    gs_idmap_free(&map);
    free(tids);
}

static void put_u64_array(struct gs_json *j, const char *key, const uint64_t *v, size_t n)
{
    gs_json_key(j, key);
    gs_json_begin_array_inline(j);
    for (size_t i = 0; i < n; i++)
        gs_json_u64(j, v[i]);
    gs_json_end_array(j);
}

static void put_timeline_and_edges(struct gs_json *j, const struct gs_prof_process *p)
{
    gs_json_key(j, "timeline");
    gs_json_begin_object(j);
    gs_json_kv_u64(j, "bin_ns", p->timeline.bin_ns);
    put_u64_array(j, "hold", p->timeline.hold_ns, p->timeline.n);
    put_u64_array(j, "wait", p->timeline.wait_ns, p->timeline.n);
    gs_json_end_object(j);
    gs_json_key(j, "edges");
    gs_json_begin_array(j);
    for (size_t i = 0; i < p->n_edges; i++) {
        gs_json_begin_object(j);
        gs_json_kv_i64(j, "waker", p->edges[i].waker);
        gs_json_kv_i64(j, "wakee", p->edges[i].wakee);
        gs_json_kv_u64(j, "blocked_ns", p->edges[i].blocked_ns);
        gs_json_kv_u64(j, "count", p->edges[i].count);
        gs_json_end_object(j);
    }
    gs_json_end_array(j);
}

/* One line each. */
static void put_notes(struct gs_json *j, const char *notes)
{
    gs_json_key(j, "notes");
    gs_json_begin_array(j);
    for (const char *s = notes; s && *s;) {
        size_t len = strcspn(s, "\n");
        gs_json_string_n(j, s, len);
        s += len + (s[len] == '\n');
    }
    gs_json_end_array(j);
}

static void put_process(struct gs_json *j, const struct gs_profile *profile, size_t i, bool report)
{
    const struct gs_prof_process *p = &profile->processes[i];
    gs_json_begin_object(j);
    gs_json_kv_u64(j, "pid", p->pid);
    gs_json_kv_u64(j, "ppid", p->ppid);
    gs_json_kv_string(j, "exe", p->exe);
    gs_json_key(j, "cmdline");
    gs_json_begin_array_inline(j);
    for (size_t k = 0; k < p->n_cmdline; k++)
        gs_json_string(j, p->cmdline[k]);
    gs_json_end_array(j);
    gs_json_kv_string(j, "hostname", p->hostname);
    gs_json_kv_string(j, "python", p->python);
    gs_json_kv_bool(j, "free_threaded", p->free_threaded);
    gs_json_kv_string(j, "agent", p->agent_version);
    gs_json_kv_i64(j, "start_unix_ns", p->start_unix_ns);
    gs_json_kv_u64(j, "duration_ns", p->duration_ns);
    gs_json_kv_u64(j, "detail_from_ns", p->detail_from_ns);
    gs_json_kv_bool(j, "complete", p->complete);
    gs_json_kv_u64(j, "lost_events", p->lost_events);
    gs_json_kv_u64(j, "lost_chunks", p->lost_chunks);
    gs_json_kv_u64(j, "lost_definitions", p->lost_definitions);
    gs_json_kv_u64(j, "level", p->level);
    gs_json_kv_u64(j, "level_end", p->level_end);
    put_notes(j, p->notes);
    put_gils(j, p);
    gs_json_key(j, "threads");
    gs_json_begin_array(j);
    for (size_t k = 0; k < p->n_threads; k++)
        put_thread(j, &p->threads[k]);
    gs_json_end_array(j);
    put_blame(j, p);
    gs_stats_json_gc(j, p);
    gs_stats_json_memory(j, profile, i, report);
    gs_stats_json_cuda(j, profile, i, report);
    gs_stats_json_counters(j, profile, i, report);
    if (report)
        put_timeline_and_edges(j, p);
    gs_json_end_object(j);
}

/* ---- stacks ---- */

static void put_frame(struct gs_json *j, const struct gs_prof_frame *f)
{
    char *s;
    if (f->file[0])
        s = gs_xasprintf("%s:%s:%d", f->file, f->func, f->line);
    else if (f->module[0] && !gs_frame_is_raw(f))
        s = gs_xasprintf("%s:%s", f->module, f->func);
    else
        s = gs_xasprintf("%s", f->func);
    gs_json_string(j, s);
    free(s);
}

/* Of each frame of the stack; not there where none is native. */
static void put_kinds(struct gs_json *j, const struct gs_profile *p, const uint32_t *path,
                      size_t depth)
{
    bool any = false;
    for (size_t i = 0; i < depth; i++)
        any |= gs_frame_is_native(&p->frames[path[i]]);
    if (!any)
        return;
    gs_json_key(j, "kinds");
    gs_json_begin_array_inline(j);
    for (size_t i = 0; i < depth; i++)
        gs_json_string(j, gs_frame_kind_names[p->frames[path[i]].kind]);
    gs_json_end_array(j);
}

/* Outermost first. */
void gs_stats_json_stack(struct gs_json *j, const struct gs_profile *p, uint32_t node)
{
    size_t depth = 0;
    for (uint32_t n = node; n; n = p->nodes[n].parent)
        depth++;
    uint32_t *path = gs_xmalloc(depth, sizeof(*path));
    for (size_t i = depth; node; node = p->nodes[node].parent)
        path[--i] = p->nodes[node].frame;
    gs_json_key(j, "stack");
    gs_json_begin_array_inline(j);
    for (size_t i = 0; i < depth; i++)
        put_frame(j, &p->frames[path[i]]);
    gs_json_end_array(j);
    put_kinds(j, p, path, depth);
    free(path);
}

static void put_top_holders(struct gs_json *j, const struct gs_profile *p)
{
    gs_json_key(j, "top_holders");
    gs_json_begin_array(j);
    for (size_t i = 0; i < p->n_holders && i < TOP_STACKS; i++) {
        const struct gs_prof_stack_total *t = &p->holders[i];
        gs_json_begin_object(j);
        gs_stats_json_stack(j, p, t->node);
        gs_json_kv_u64(j, "hold_ns", t->hold_ns);
        gs_json_kv_u64(j, "hold_est_ns", t->hold_est_ns);
        gs_json_kv_u64(j, "blamed_ns", t->blamed_ns);
        gs_json_kv_u64(j, "count", t->hold_count);
        gs_json_end_object(j);
    }
    gs_json_end_array(j);
}

static void put_top_waiters(struct gs_json *j, const struct gs_profile *p)
{
    gs_json_key(j, "top_waiters");
    gs_json_begin_array(j);
    for (size_t i = 0; i < p->n_waiters && i < TOP_STACKS; i++) {
        const struct gs_prof_stack_total *t = &p->waiters[i];
        gs_json_begin_object(j);
        gs_stats_json_stack(j, p, t->node);
        gs_json_kv_u64(j, "wait_ns", t->wait_ns);
        gs_json_kv_u64(j, "count", t->wait_count);
        gs_json_end_object(j);
    }
    gs_json_end_array(j);
}

/* ---- findings ---- */

static void put_evidence(struct gs_json *j, const struct gs_profile *p, const struct gs_finding *f)
{
    gs_json_key(j, "evidence");
    gs_json_begin_object(j);
    gs_json_kv_u64(j, "ns", f->ns);
    gs_json_kv_u64(j, "of_ns", f->of_ns);
    if (f->of_bytes) {
        gs_json_kv_u64(j, "bytes", f->bytes);
        gs_json_kv_u64(j, "of_bytes", f->of_bytes);
    }
    if (f->process >= 0)
        gs_json_kv_u64(j, "pid", p->processes[f->process].pid);
    if (f->process >= 0 && f->thread >= 0) {
        const struct gs_prof_thread *t = &p->processes[f->process].threads[f->thread];
        gs_json_kv_u64(j, "thread", t->thread);
        gs_json_kv_u64(j, "tid", t->tid);
        gs_json_kv_string(j, "thread_name", t->name);
    }
    if (f->node > 0) {
        const struct gs_prof_frame *frame = &p->frames[p->nodes[f->node].frame];
        gs_json_kv_string(j, "file", frame->file);
        gs_json_kv_string(j, "func", frame->func);
        gs_json_kv_i64(j, "line", frame->line);
    }
    gs_json_end_object(j);
}

static void put_findings(struct gs_json *j, const struct gs_profile *p, bool report)
{
    static const char *const severity[] = {"high", "medium", "low"};
    gs_json_key(j, "findings");
    gs_json_begin_array(j);
    for (size_t i = 0; i < p->n_findings; i++) {
        const struct gs_finding *f = &p->findings[i];
        gs_json_begin_object(j);
        gs_json_kv_string(j, "id", f->id);
        gs_json_kv_string(j, "severity", severity[f->severity]);
        gs_json_kv_string(j, "claim", f->claim);
        put_evidence(j, p, f);
        gs_json_kv_string(j, "suggestion", f->suggestion);
        if (report) {
            gs_json_kv_i64(j, "node", f->node);
            gs_json_kv_i64(j, "process", f->process);
            gs_json_kv_i64(j, "thread", f->thread);
        }
        gs_json_end_object(j);
    }
    gs_json_end_array(j);
}

void gs_stats_json_members(struct gs_json *j, const struct gs_profile *p, bool with_report_parts)
{
    gs_json_kv_string(j, "gilscope", GILSCOPE_VERSION);
    gs_json_kv_string(j, "engine", p->engine);
    gs_json_kv_string(j, "verdict", p->verdict);
    put_capture(j, p);
    gs_json_key(j, "processes");
    gs_json_begin_array(j);
    for (size_t i = 0; i < p->n_processes; i++)
        put_process(j, p, i, with_report_parts);
    gs_json_end_array(j);
    gs_stats_json_job_memory(j, p);
    gs_stats_json_job_cuda(j, p);
    put_top_holders(j, p);
    put_top_waiters(j, p);
    put_findings(j, p, with_report_parts);
}

bool gs_stats_json(const struct gs_profile *p, FILE *out)
{
    struct gs_json j;
    gs_json_init(&j, out, true);
    gs_json_begin_object(&j);
    gs_stats_json_members(&j, p, false);
    gs_json_end_object(&j);
    return gs_json_finish(&j);
}
