/* SPDX-License-Identifier: MIT
 * A thread's time is turns of the GIL, and between them stretches off the GIL. A turn is computing
 * in the interpreter. A stretch is a wait that an act accounts for; or else it is native computing
 * as far as the thread's CPU clock went on, and the rest is latency. Waiting for the GIL is left
 * out.
 */
#include "analyzer/whatif/from_capture.h"

#include <stdlib.h>
#include <string.h>

#include "analyzer/whatif/acts.h"
#include "analyzer/whatif/bounds.h"
#include "analyzer/xalloc.h"

#define LOOK_AFTER_NS 50000u   /* the agent looks at the CPU clock after longer stretches */
#define SWITCH_NS     5000000u /* CPython's switch interval */
#define LONG_FIRST_NS 5000000u /* longer than what Python reads of itself as it begins */

typedef unsigned __int128 u128;

struct lister {
    struct gs_capture_program *out;
    const struct gs_evidence *e;
    const struct gs_recording *r;
    const struct gs_acts *acts;
    size_t act, cover;     /* next ones of the thread */
    size_t look, end_look; /* next sync row that is a look at the CPU clock */
    uint64_t cpu_ns;       /* at the last look */
    uint64_t since_ns;     /* computing since, as the wall clock says */
    size_t since_op;       /* the program's operations since */
    bool has_look;
    bool in_ipc; /* the stretch in hand began in a pipe or queue between processes */
    uint64_t ipc_cpu_ns, ipc_wait_ns;
    uint64_t own_share; /* of the interpreter's time that is not the agent's, 2^-32ths */
    uint64_t kept;      /* of the turn in hand, that one process need do, too; 2^-32ths */
    const struct gs_listing *how;
    uint32_t gil; /* lock of the program, or GS_NO_OBJECT */
};

static void add_op(struct lister *l, enum gs_op_kind kind, uint64_t ns)
{
    if (ns)
        gs_program_op(&l->out->program, (struct gs_op){.kind = kind, .item = GS_NO_TASK, .ns = ns});
}

/* The GIL is let go after each switch interval, if not before. */
static void add_py_under_gil(struct lister *l, uint64_t ns)
{
    for (uint64_t part; ns > 0; ns -= part) {
        part = ns < SWITCH_NS ? ns : SWITCH_NS;
        gs_program_op(&l->out->program, gs_op_on(GS_OP_ACQUIRE, l->gil));
        add_op(l, GS_OP_PY, part);
        gs_program_op(&l->out->program, gs_op_on(GS_OP_RELEASE, l->gil));
    }
}

static void add_py(struct lister *l, uint64_t ns)
{
    ns = (uint64_t)((u128)ns * l->own_share >> 32);
    ns = (uint64_t)((u128)ns * l->kept >> 32);
    l->out->py_ns += ns;
    if (l->gil == GS_NO_OBJECT)
        add_op(l, GS_OP_PY, ns);
    else
        add_py_under_gil(l, ns);
}

static void add_native(struct lister *l, uint64_t ns)
{
    l->out->native_ns += ns;
    add_op(l, GS_OP_NATIVE, ns);
}

static void add_latency(struct lister *l, uint64_t ns)
{
    l->out->latency_ns += ns;
    add_op(l, GS_OP_LATENCY, ns);
}

/* ---- stretches off the GIL ---- */

/* A look at the CPU clock from `from_ns` to `to_ns`: the last one. */
static const struct gs_sync_row *look_within(struct lister *l, uint64_t from_ns, uint64_t to_ns)
{
    const struct gs_sync_row *found = NULL;
    for (; l->look < l->end_look && l->e->syncs[l->look].t_ns <= to_ns; l->look++)
        if (l->e->syncs[l->look].op == GS_SYNC_CPU && l->e->syncs[l->look].t_ns >= from_ns)
            found = &l->e->syncs[l->look];
    return found;
}

/* Of what was computed since the last look a part only had a core. */
static void shorten(struct lister *l, uint64_t cpu_ns)
{
    struct gs_program *p = &l->out->program;
    uint64_t share = ((u128)cpu_ns << 32) / l->since_ns;
    for (size_t i = l->since_op; i < p->n_ops; i++) {
        struct gs_op *op = &p->ops[i];
        if (op->kind != GS_OP_PY && op->kind != GS_OP_NATIVE)
            continue;
        uint64_t ns = (uint64_t)((u128)op->ns * share >> 32);
        *(op->kind == GS_OP_PY ? &l->out->py_ns : &l->out->native_ns) -= op->ns - ns;
        l->out->no_core_ns += op->kind == GS_OP_PY ? op->ns - ns : 0;
        op->ns = ns;
    }
}

static void remember_look(struct lister *l, const struct gs_sync_row *look)
{
    l->cpu_ns = look->value;
    l->since_ns = 0;
    l->since_op = l->out->program.n_ops;
    l->has_look = true;
}

static const struct gs_cover *cover_of(struct lister *l, uint32_t thread, uint64_t from_ns,
                                       uint64_t to_ns)
{
    const struct gs_acts *a = l->acts;
    while (l->cover < a->n_covers && a->covers[l->cover].thread == thread &&
           a->covers[l->cover].to_ns <= from_ns)
        l->cover++;
    if (l->cover >= a->n_covers || a->covers[l->cover].thread != thread ||
        a->covers[l->cover].from_ns >= to_ns)
        return NULL;
    return &a->covers[l->cover];
}

static void add_ipc(struct lister *l, uint64_t cpu_ns, uint64_t wait_ns)
{
    l->ipc_cpu_ns += l->in_ipc ? cpu_ns : 0;
    l->ipc_wait_ns += l->in_ipc ? wait_ns : 0;
}

/* What of a stretch was computing nobody looked. */
static void add_unseen(struct lister *l, uint64_t ns)
{
    bool is_short = ns < LOOK_AFTER_NS;
    l->since_ns += is_short ? ns : 0;
    l->out->unknown_ns += is_short ? 0 : ns;
    add_ipc(l, is_short ? ns : 0, is_short ? 0 : ns);
    if (is_short)
        add_native(l, ns);
    else
        add_latency(l, ns);
}

/* most_native_ns: by the CPU clock, of a stretch that no act accounts for. */
static void add_off(struct lister *l, const struct gs_cover *cover, uint64_t ns,
                    uint64_t most_native_ns)
{
    uint64_t native_ns = most_native_ns < ns ? most_native_ns : ns;
    if (!cover) {
        add_ipc(l, native_ns, ns - native_ns);
        add_native(l, native_ns);
        add_latency(l, ns - native_ns);
    } else if (cover->sleeps) {
        add_latency(l, ns);
    } else {
        l->out->blocked_ns += ns;
    }
}

/* Unpickling lets nobody in: who lets go in the function that does it, reads. */
static bool is_ipc(const struct gs_evidence *e, uint32_t node)
{
    return e->classes[node] == GS_TAX_IPC || e->classes[node] == GS_TAX_PICKLE;
}

/* Who has to let the GIL go asks for it again at once: what lies between is waiting for a core. */
static void add_stretch(struct lister *l, const struct gs_turn_row *turn,
                        const struct gs_turn_row *last)
{
    uint64_t from_ns = last->rel_ns;
    uint64_t ns = turn->asked_ns > from_ns && !last->forced ? turn->asked_ns - from_ns : 0;
    const struct gs_sync_row *look = look_within(l, from_ns, turn->acq_ns);
    const struct gs_cover *cover = cover_of(l, turn->thread, from_ns, turn->asked_ns);
    l->in_ipc = is_ipc(l->e, last->node);
    if (!look && !cover) {
        add_unseen(l, ns);
        return;
    }
    uint64_t cpu_ns = look && look->value > l->cpu_ns ? look->value - l->cpu_ns : 0;
    bool knows = look && l->has_look;
    l->out->unknown_ns += look && !knows && !cover && ns > LONG_FIRST_NS ? ns : 0;
    if (knows && cpu_ns < l->since_ns)
        shorten(l, cpu_ns);
    add_off(l, cover, ns, knows && cpu_ns > l->since_ns ? cpu_ns - l->since_ns : 0);
    if (look)
        remember_look(l, look);
}

/* ---- turns, with what was done in them ---- */

/* The thread's acts up to `until_ns`, with the interpreter's computing from *from_ns on between. */
static void add_acts(struct lister *l, uint32_t thread, uint64_t *from_ns, uint64_t until_ns)
{
    const struct gs_acts *a = l->acts;
    for (;
         l->act < a->n_acts && a->acts[l->act].thread == thread && a->acts[l->act].t_ns <= until_ns;
         l->act++) {
        const struct gs_act *act = &a->acts[l->act];
        if (act->t_ns > *from_ns) {
            add_py(l, act->t_ns - *from_ns);
            *from_ns = act->t_ns;
        }
        gs_program_op(&l->out->program, act->op);
    }
}

static uint64_t kept_of(const struct lister *l, const struct gs_turn_row *turn)
{
    uint64_t ns = turn->rel_ns - turn->acq_ns;
    if (!l->how->as_threads || turn->dropped_ns == 0 || ns == 0)
        return UINT64_C(1) << 32;
    uint64_t dropped_ns = turn->dropped_ns < ns ? turn->dropped_ns : ns;
    return (uint64_t)(((u128)(ns - dropped_ns) << 32) / ns);
}

static void add_turn(struct lister *l, const struct gs_turn_row *turn)
{
    uint64_t from_ns = turn->acq_ns;
    l->kept = kept_of(l, turn);
    add_acts(l, turn->thread, &from_ns, turn->rel_ns);
    if (turn->rel_ns > from_ns)
        add_py(l, turn->rel_ns - from_ns);
    l->since_ns += turn->rel_ns - turn->acq_ns;
    l->out->gil_wait_ns += turn->acq_ns - turn->asked_ns;
}

static void list_thread(struct lister *l, uint32_t thread)
{
    const struct gs_evidence *e = l->e;
    size_t first = e->turn_from[thread], end = e->turn_from[thread + 1];
    if (first == end)
        return;
    l->out->n_threads++;
    l->look = e->sync_from[thread];
    l->end_look = e->sync_from[thread + 1];
    l->cpu_ns = l->since_ns = 0;
    l->since_op = l->out->program.n_ops;
    l->has_look = l->r->threads[thread].tid != l->r->pid; /* whose clock began before Python */
    gs_program_begin(&l->out->program, l->how->first_thread + thread);
    if (thread == l->how->begins)
        add_native(l, l->how->begin_ns);
    for (size_t i = first; i < end; i++) {
        if (i > first)
            add_stretch(l, &e->turns[i], &e->turns[i - 1]);
        add_turn(l, &e->turns[i]);
    }
    uint64_t last_ns = UINT64_MAX;
    add_acts(l, thread, &last_ns, UINT64_MAX);
    l->out->thread_ns += e->turns[end - 1].rel_ns - e->turns[first].asked_ns;
}

static void skip_thread(struct lister *l, uint32_t thread)
{
    const struct gs_acts *a = l->acts;
    while (l->act < a->n_acts && a->acts[l->act].thread <= thread)
        l->act++;
    while (l->cover < a->n_covers && a->covers[l->cover].thread <= thread)
        l->cover++;
}

/* The agent's hooks run while the GIL is held. */
static uint64_t own_share(const struct gs_evidence *e, const struct gs_recording *r)
{
    uint64_t hold_ns = 0, cost_ns = r->hook_ns;
    for (size_t i = 0; i < e->n_turns; i++)
        hold_ns += e->turns[i].rel_ns - e->turns[i].acq_ns;
    if (cost_ns >= hold_ns)
        return UINT64_C(1) << 32;
    return (uint64_t)(((u128)(hold_ns - cost_ns) << 32) / hold_ns);
}

uint32_t gs_program_threads(struct gs_program *p, const struct gs_recording *r)
{
    uint32_t first = (uint32_t)p->n_threads;
    for (size_t t = 0; t < r->n_threads; t++) {
        char name[40];
        snprintf(name, sizeof(name), "thread %zu", first + t);
        gs_program_thread(p, name, false);
    }
    return first;
}

static uint64_t find_wall(const struct gs_evidence *e)
{
    uint64_t first_ns = UINT64_MAX, last_ns = 0;
    for (size_t i = 0; i < e->n_turns; i++) {
        first_ns = e->turns[i].asked_ns < first_ns ? e->turns[i].asked_ns : first_ns;
        last_ns = e->turns[i].rel_ns > last_ns ? e->turns[i].rel_ns : last_ns;
    }
    return last_ns > first_ns ? last_ns - first_ns : 0;
}

/* Not below what the program takes at least: others may have gone on meanwhile. */
static void shorten_wall(struct gs_capture_program *out)
{
    struct gs_relaxed relaxed;
    gs_relaxed_run(&out->program, 1u << 16, &relaxed);
    uint64_t least_ns = relaxed.makespan_ns < out->wall_ns ? relaxed.makespan_ns : out->wall_ns;
    bool fits = out->no_core_ns < out->wall_ns - least_ns;
    out->no_core_ns = fits ? out->no_core_ns : out->wall_ns - least_ns;
    out->wall_ns -= out->no_core_ns;
}

static size_t count_threads(const struct gs_evidence *e)
{
    size_t n = 0;
    for (size_t t = 0; t < e->n_threads; t++)
        n += e->turn_from[t] < e->turn_from[t + 1];
    return n;
}

void gs_program_list(struct gs_evidence *e, const struct gs_recording *r,
                     const struct gs_stacks *stacks, const struct gs_listing *how,
                     struct gs_capture_program *out)
{
    struct gs_acts acts;
    gs_acts_find(&acts, e, stacks, &out->program, how->first_thread, how->more);
    struct lister l = {.out = out, .e = e, .r = r, .acts = &acts, .own_share = own_share(e, r)};
    l.how = how;
    l.gil = GS_NO_OBJECT;
    if (how->has_gil && count_threads(e) > 1)
        l.gil = gs_program_object(&out->program, GS_OBJECT_LOCK, "GIL");
    for (uint32_t t = 0; t < e->n_threads; t++) {
        list_thread(&l, t);
        skip_thread(&l, t);
    }
    e->tax.ipc_cpu_ns = l.ipc_cpu_ns;
    e->tax.ipc_wait_ns = l.ipc_wait_ns;
    e->tax.has_ipc_off = e->folded_turns == 0 && (r->locks & GS_SYNC_LOCK);
    out->doubtful += acts.recorded_edges + acts.unmatched;
    gs_acts_free(&acts);
}

const char *gs_program_from_evidence(struct gs_evidence *e, const struct gs_recording *r,
                                     const struct gs_stacks *stacks, struct gs_capture_program *out)
{
    memset(out, 0, sizeof(*out));
    gs_program_threads(&out->program, r);
    gs_program_list(e, r, stacks, &(struct gs_listing){.begins = UINT32_MAX}, out);
    out->wall_ns = find_wall(e);
    out->no_core_ns += e->late_ns;
    const char *why = gs_program_finish(&out->program);
    if (why)
        gs_program_free(&out->program);
    else
        shorten_wall(out);
    return why;
}

void gs_capture_program_free(struct gs_capture_program *c)
{
    gs_program_free(&c->program);
    memset(c, 0, sizeof(*c));
}
