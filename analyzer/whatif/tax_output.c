/* SPDX-License-Identifier: MIT */
#include "analyzer/fmt_units.h"
#include "analyzer/json_writer.h"
#include "analyzer/whatif/tax.h"

static void kv_known(struct gs_json *j, const char *key, bool is_known, uint64_t v)
{
    gs_json_key(j, key);
    if (is_known)
        gs_json_u64(j, v);
    else
        gs_json_null(j);
}

static void put_process(struct gs_json *j, const struct gs_tax_process *p)
{
    const struct gs_tax_sums *s = &p->sums;
    bool known = !p->why_not;
    gs_json_begin_object_inline(j);
    gs_json_kv_u64(j, "pid", p->pid);
    kv_known(j, "pickle_ns", known, s->held_ns[GS_TAX_PICKLE]);
    kv_known(j, "ipc_ns", known, s->held_ns[GS_TAX_IPC] + s->ipc_cpu_ns);
    kv_known(j, "ipc_wait_ns", known && s->has_ipc_off, s->ipc_wait_ns);
    kv_known(j, "start_ns", known, s->held_ns[GS_TAX_START]);
    gs_json_kv_u64(j, "unseen_ns", s->held_ns[GS_TAX_UNSEEN]);
    gs_json_kv_u64(j, "cpu_ns", p->cpu_ns);
    gs_json_kv_string(j, "why_not", p->why_not);
    gs_json_end_object(j);
}

static uint64_t tax_ns(const struct gs_tax_total *all)
{
    return all->pickle_ns + all->ipc_ns + all->start_ns;
}

/* Of the time of those that are known, thousandths. */
static void put_share(struct gs_json *j, const struct gs_tax_total *all)
{
    gs_json_key(j, "share");
    if (all->n_known && all->time_ns)
        gs_json_milli(j, (uint64_t)((double)tax_ns(all) * 1000 / (double)all->time_ns + 0.5));
    else
        gs_json_null(j);
}

void gs_tax_json(struct gs_json *j, const struct gs_tax *t, const uint64_t *duplicated_bytes)
{
    struct gs_tax_total all = gs_tax_total(t);
    bool known = all.n_known > 0;
    if (t->n_processes < 2) {
        gs_json_null(j);
        return;
    }
    gs_json_begin_object(j);
    kv_known(j, "pickle_ns", known, all.pickle_ns);
    kv_known(j, "ipc_ns", known, all.ipc_ns);
    kv_known(j, "ipc_wait_ns", known && all.has_ipc_off, all.ipc_wait_ns);
    kv_known(j, "start_ns", known, all.start_ns);
    kv_known(j, "duplicated_bytes", duplicated_bytes != NULL,
             duplicated_bytes ? *duplicated_bytes : 0);
    put_share(j, &all);
    kv_known(j, "estimated_ns", known, all.estimated_ns);
    kv_known(j, "unseen_ns", known, all.unseen_ns);
    gs_json_kv_u64(j, "cpu_ns", all.cpu_ns);
    gs_json_kv_u64(j, "known_processes", all.n_known);
    gs_json_key(j, "processes");
    gs_json_begin_array(j);
    for (size_t i = 0; i < t->n_processes; i++)
        put_process(j, &t->processes[i]);
    gs_json_end_array(j);
    gs_json_end_object(j);
}

static void put_unknown(const struct gs_tax *t, FILE *out)
{
    for (size_t i = 0; i < t->n_processes; i++)
        if (t->processes[i].why_not)
            fprintf(out, "            nothing is known of process %u: %s\n", t->processes[i].pid,
                    t->processes[i].why_not);
}

void gs_tax_text(const struct gs_tax *t, FILE *out)
{
    struct gs_tax_total all = gs_tax_total(t);
    if (t->n_processes < 2)
        return;
    fprintf(out, "\n%zu processes\n", t->n_processes);
    if (all.n_known)
        fprintf(out,
                "  tax       %s: %s of pickling, %s of pipes and queues, %s of beginning; %s of "
                "their time (%s of it by samples)\n",
                gs_fmt_ns(tax_ns(&all)).s, gs_fmt_ns(all.pickle_ns).s, gs_fmt_ns(all.ipc_ns).s,
                gs_fmt_ns(all.start_ns).s, gs_fmt_percent(tax_ns(&all), all.time_ns).s,
                gs_fmt_ns(all.estimated_ns).s);
    if (all.n_known && all.has_ipc_off && all.ipc_wait_ns)
        fprintf(out, "            and %s of waiting in them\n", gs_fmt_ns(all.ipc_wait_ns).s);
    put_unknown(t, out);
}
