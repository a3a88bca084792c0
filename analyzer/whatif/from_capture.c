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
#include "analyzer/whatif/functions.h"
#include "analyzer/xalloc.h"

#define LOOK_AFTER_NS  50000u   /* the agent looks at the CPU clock after longer stretches */
#define MOST_OPS_BACK  64u      /* from a stretch to what its thread waits for */
#define SWITCH_NS      5000000u /* CPython's switch interval, unless the program set another */
#define MOST_SWITCH_US 1000000000u
#define LEAST_CUT_NS   1000000u /* of turns of one GIL among several: so many operations */
#define LONG_FIRST_NS  5000000u /* longer than what Python reads of itself as it begins */

typedef unsigned __int128 u128;

struct lister {
    struct gs_capture_program *out;
    const struct gs_evidence *e;
    const struct gs_recording *r;
    const struct gs_acts *acts;
    const struct gs_marks *marks;
    size_t act, cover;     /* next ones of the thread */
    size_t look, end_look; /* next sync row that is a look at the CPU clock */
    uint64_t cpu_ns;       /* at the last look */
    uint64_t since_ns;     /* computing since, as the wall clock says */
    size_t since_op;       /* the program's operations since */
    bool has_look;
    uint64_t start_ns; /* of the program */
    bool in_unit;      /* of work */
    size_t cap_marks, cap_arrivals;
    struct gs_functions functions;
    const struct gs_segment_row *segment, *segments_end; /* of the turn in hand */
    uint64_t own_share; /* of the interpreter's time that is not the agent's, 2^-32ths */
    uint64_t py_share;  /* of that, in this thread: nor the collector's */
    uint64_t hold_ns;   /* of all threads */
    struct gs_gc_load gc;
    bool in_ipc; /* the stretch in hand began in a pipe or queue between processes */
    uint64_t ipc_cpu_ns, ipc_wait_ns;
    uint64_t kept; /* of the turn in hand, that one process need do, too; 2^-32ths */
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
    uint64_t most = l->out->switch_ns > LEAST_CUT_NS ? l->out->switch_ns : LEAST_CUT_NS;
    for (uint64_t part; ns > 0; ns -= part) {
        part = ns < most ? ns : most;
        gs_program_op(&l->out->program, gs_op_on(GS_OP_ACQUIRE, l->gil));
        add_op(l, GS_OP_PY, part);
        gs_program_op(&l->out->program, gs_op_on(GS_OP_RELEASE, l->gil));
    }
}

static void add_py(struct lister *l, uint64_t ns, uint32_t function)
{
    ns = (uint64_t)((u128)ns * l->py_share >> 32);
    ns = (uint64_t)((u128)ns * l->kept >> 32);
    l->out->py_ns += ns;
    gs_functions_add(&l->functions, function, ns);
    if (l->gil != GS_NO_OBJECT)
        add_py_under_gil(l, ns);
    else if (ns)
        gs_program_op(&l->out->program,
                      (struct gs_op){.kind = GS_OP_PY,
                                     .object = l->how->alone ? function & (GS_OBJECTS - 1) : 0,
                                     .item = GS_NO_TASK,
                                     .ns = ns});
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

/* ---- marks ---- */

static void end_unit(struct lister *l, uint64_t t_ns)
{
    struct gs_program *p = &l->out->program;
    if (!l->in_unit)
        return;
    l->in_unit = false;
    GS_PUSH(l->out->mark_ns, p->n_marks, l->cap_marks, t_ns - l->start_ns);
    gs_program_op(p, (struct gs_op){.kind = GS_OP_MARK, .item = GS_NO_TASK});
}

/* What came from outside ended the stretch that was just added. */
static void add_arrival(struct lister *l, uint64_t came_ns)
{
    struct gs_program *p = &l->out->program;
    if (p->ops[p->n_ops - 1].kind != GS_OP_LATENCY)
        gs_program_op(p, (struct gs_op){.kind = GS_OP_LATENCY, .item = GS_NO_TASK});
    struct gs_arrival a = {(uint32_t)(p->n_ops - 1), came_ns - l->start_ns};
    GS_PUSH(l->out->arrivals, l->out->n_arrivals, l->cap_arrivals, a);
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

/* The last thing before the stretch for which a thread can park; n_objects: it is not known. */
static size_t waited_for(const struct lister *l)
{
    const struct gs_program *p = &l->out->program;
    size_t first = p->n_ops > MOST_OPS_BACK ? p->n_ops - MOST_OPS_BACK : 0;
    for (size_t i = p->n_ops; i > first; i--)
        switch ((enum gs_op_kind)p->ops[i - 1].kind) {
        case GS_OP_ACQUIRE: /* a wake-up as it was, for it, stands before it */
            return p->ops[i - 2].kind == GS_OP_WAIT ? p->ops[i - 2].object : p->ops[i - 1].object;
        case GS_OP_GET:
        case GS_OP_WAIT:
        case GS_OP_ARRIVE:
        case GS_OP_JOIN:
            return p->ops[i - 1].object;
        case GS_OP_END:
        case GS_OP_NATIVE:
        case GS_OP_LATENCY:
            return p->n_objects;
        default:
            break;
        }
    return p->n_objects;
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
        if (l->out->blocked_on_ns)
            l->out->blocked_on_ns[waited_for(l)] += ns;
    }
}

/* Unpickling lets nobody in: who lets go in the function that does it, reads. */
static bool is_ipc(const struct gs_evidence *e, uint32_t node)
{
    return e->classes[node] == GS_TAX_IPC || e->classes[node] == GS_TAX_PICKLE;
}

static void add_seen(struct lister *l, const struct gs_sync_row *look, const struct gs_cover *cover,
                     uint64_t ns)
{
    uint64_t cpu_ns = look && look->value > l->cpu_ns ? look->value - l->cpu_ns : 0;
    bool knows = look && l->has_look;
    l->out->unknown_ns += look && !knows && !cover && ns > LONG_FIRST_NS ? ns : 0;
    if (knows && cpu_ns < l->since_ns)
        shorten(l, cpu_ns);
    add_off(l, cover, ns, knows && cpu_ns > l->since_ns ? cpu_ns - l->since_ns : 0);
    if (look)
        remember_look(l, look);
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
    bool begins = !cover && gs_marks_begin_behind(l->marks, last);
    if (begins)
        end_unit(l, from_ns);
    if (look || cover)
        add_seen(l, look, cover, ns);
    else
        add_unseen(l, ns);
    if (!cover && l->how->alone && gs_marks_is_outside(l->marks, last))
        add_arrival(l, turn->asked_ns > from_ns ? turn->asked_ns : from_ns);
    l->in_unit |= begins;
}

/* ---- turns, with what was done in them ---- */

/* Each part is computing of the function that had the GIL then. */
static void add_turn_time(struct lister *l, uint64_t from_ns, uint64_t to_ns)
{
    while (from_ns < to_ns) {
        while (l->segment < l->segments_end && l->segment->end_ns <= from_ns)
            l->segment++;
        bool known = l->segment < l->segments_end;
        uint64_t end_ns = known && l->segment->end_ns < to_ns ? l->segment->end_ns : to_ns;
        add_py(l, end_ns - from_ns,
               known ? gs_functions_number(&l->functions, l->segment->node) : 0);
        from_ns = end_ns;
    }
}

/* The thread's acts up to `until_ns`, with the interpreter's computing from *from_ns on between. */
static void add_acts(struct lister *l, uint32_t thread, uint64_t *from_ns, uint64_t until_ns)
{
    const struct gs_acts *a = l->acts;
    for (;
         l->act < a->n_acts && a->acts[l->act].thread == thread && a->acts[l->act].t_ns <= until_ns;
         l->act++) {
        const struct gs_act *act = &a->acts[l->act];
        if (act->t_ns > *from_ns) {
            add_turn_time(l, *from_ns, act->t_ns);
            *from_ns = act->t_ns;
        }
        bool begins = gs_marks_begin_with(l->marks, act);
        if (begins)
            end_unit(l, act->t_ns);
        gs_program_op(&l->out->program, act->op);
        l->in_unit |= begins;
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
    l->segment = turn->n_segments ? &l->e->segments[turn->first_segment] : NULL;
    l->segments_end = turn->n_segments ? l->segment + turn->n_segments : NULL;
    l->kept = kept_of(l, turn);
    add_acts(l, turn->thread, &from_ns, turn->rel_ns);
    if (turn->rel_ns > from_ns)
        add_turn_time(l, from_ns, turn->rel_ns);
    l->since_ns += turn->rel_ns - turn->acq_ns;
    l->out->gil_wait_ns += turn->acq_ns - turn->asked_ns;
}

static uint64_t sum_hold(const struct gs_evidence *e, size_t from, size_t end)
{
    uint64_t hold_ns = 0;
    for (size_t i = from; i < end; i++)
        hold_ns += e->turns[i].rel_ns - e->turns[i].acq_ns;
    return hold_ns;
}

/* When a thread collects is not known, but how much of its turns that was. */
static uint64_t py_share(const struct lister *l, uint32_t thread)
{
    const struct gs_evidence *e = l->e;
    uint64_t hold_ns = sum_hold(e, e->turn_from[thread], e->turn_from[thread + 1]);
    uint64_t gc_ns = gs_gc_time_in(&l->gc, l->r->threads[thread].gc_ns, hold_ns, l->hold_ns);
    return hold_ns ? (uint64_t)((u128)l->own_share * (hold_ns - gc_ns) / hold_ns) : l->own_share;
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
    l->py_share = py_share(l, thread);
    l->since_op = l->out->program.n_ops;
    l->has_look = l->r->threads[thread].tid != l->r->pid; /* whose clock began before Python */
    struct gs_program *p = &l->out->program;
    uint32_t listed = l->how->first_thread + thread;
    gs_program_begin(p, listed);
    l->in_unit = l->marks->unit == GS_UNIT_THREAD && p->threads[listed].late;
    if (thread == l->how->begins)
        add_native(l, l->how->begin_ns);
    for (size_t i = first; i < end; i++) {
        if (i > first)
            add_stretch(l, &e->turns[i], &e->turns[i - 1]);
        add_turn(l, &e->turns[i]);
    }
    uint64_t last_ns = UINT64_MAX;
    add_acts(l, thread, &last_ns, UINT64_MAX);
    if (l->r->threads[thread].end_ns || l->r->end_reason == GS_EVENT_EXIT)
        end_unit(l, e->turns[end - 1].rel_ns);
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
    uint64_t hold_ns = sum_hold(e, 0, e->n_turns), cost_ns = r->hook_ns;
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

static void find_span(const struct gs_evidence *e, uint64_t *first_ns, uint64_t *last_ns)
{
    *first_ns = UINT64_MAX;
    *last_ns = 0;
    for (size_t i = 0; i < e->n_turns; i++) {
        *first_ns = e->turns[i].asked_ns < *first_ns ? e->turns[i].asked_ns : *first_ns;
        *last_ns = e->turns[i].rel_ns > *last_ns ? e->turns[i].rel_ns : *last_ns;
    }
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

static void forget_functions(struct gs_capture_program *c)
{
    for (size_t i = 0; i < c->n_functions; i++)
        free(c->functions[i].name);
    c->n_functions = 0;
}

/* Of the main interpreter: a replay has one GIL. */
static uint64_t switch_interval_ns(const struct gs_recording *r)
{
    for (size_t i = 0; i < r->n_gils; i++)
        if (r->gils[i].interpreter == 0 && r->gils[i].switch_us - 1 < MOST_SWITCH_US)
            return 1000 * r->gils[i].switch_us;
    return SWITCH_NS;
}

static size_t count_threads(const struct gs_evidence *e)
{
    size_t n = 0;
    for (size_t t = 0; t < e->n_threads; t++)
        n += e->turn_from[t] < e->turn_from[t + 1];
    return n;
}

static void list_threads(struct lister *l)
{
    uint64_t first_ns, last_ns;
    find_span(l->e, &first_ns, &last_ns);
    l->start_ns = first_ns;
    for (uint32_t t = 0; t < l->e->n_threads; t++) {
        list_thread(l, t);
        skip_thread(l, t);
    }
    l->out->wall_ns = last_ns > first_ns ? last_ns - first_ns : 0;
}

/* What is only asked of a process that is a program by itself. */
static void begin_alone(struct lister *l, const struct gs_stacks *stacks, struct gs_marks *marks)
{
    struct gs_capture_program *out = l->out;
    if (!l->how->alone)
        return;
    gs_marks_find(marks, l->acts, l->e, stacks, &out->program, &l->how->alone->names);
    out->blocked_on_ns = gs_xcalloc(out->program.n_objects + 1, sizeof(*out->blocked_on_ns));
}

static void end_alone(struct lister *l)
{
    if (!l->how->alone)
        return;
    l->out->gc = l->gc;
    l->out->no_core_ns += l->e->late_ns;
    l->out->n_functions = gs_functions_most(&l->functions, l->out->functions);
}

/* marks: zeroed, filled where the process is alone. */
static void list(struct gs_evidence *e, const struct gs_recording *r,
                 const struct gs_stacks *stacks, const struct gs_listing *how,
                 struct gs_marks *marks, struct gs_capture_program *out)
{
    struct gs_acts acts;
    out->switch_ns = switch_interval_ns(r);
    gs_acts_find(&acts, e, stacks, &out->program, how->first_thread, how->more);
    struct lister l = {.out = out,
                       .e = e,
                       .r = r,
                       .acts = &acts,
                       .marks = marks,
                       .how = how,
                       .gil = GS_NO_OBJECT,
                       .own_share = own_share(e, r)};
    if (how->has_gil && count_threads(e) > 1)
        l.gil = gs_program_object(&out->program, GS_OBJECT_LOCK, "GIL");
    gs_functions_init(&l.functions, stacks);
    l.hold_ns = sum_hold(e, 0, e->n_turns);
    gs_gc_account(r, &l.gc);
    begin_alone(&l, stacks, marks);
    list_threads(&l);
    end_alone(&l);
    gs_functions_free(&l.functions);
    e->tax.ipc_cpu_ns = l.ipc_cpu_ns;
    e->tax.ipc_wait_ns = l.ipc_wait_ns;
    e->tax.has_ipc_off = e->folded_turns == 0 && (r->locks & GS_SYNC_LOCK);
    out->doubtful += acts.recorded_edges + acts.unmatched;
    gs_acts_free(&acts);
}

void gs_program_list(struct gs_evidence *e, const struct gs_recording *r,
                     const struct gs_stacks *stacks, const struct gs_listing *how,
                     struct gs_capture_program *out)
{
    struct gs_marks none = {0};
    list(e, r, stacks, how, &none, out);
}

const char *gs_program_from_evidence(struct gs_evidence *e, const struct gs_recording *r,
                                     const struct gs_stacks *stacks,
                                     const struct gs_kind_options *options,
                                     struct gs_capture_program *out)
{
    struct gs_marks marks = {0};
    memset(out, 0, sizeof(*out));
    gs_program_threads(&out->program, r);
    list(e, r, stacks, &(struct gs_listing){.begins = UINT32_MAX, .alone = options}, &marks, out);
    const char *why = gs_program_finish(&out->program);
    if (!why) {
        shorten_wall(out);
        why = gs_kind_find(out, r, &marks, options);
    }
    if (why)
        gs_capture_program_free(out);
    gs_marks_free(&marks);
    return why;
}

void gs_capture_program_free(struct gs_capture_program *c)
{
    gs_program_free(&c->program);
    free(c->progress);
    free(c->mark_ns);
    free(c->arrivals);
    free(c->blocked_on_ns);
    forget_functions(c);
    memset(c, 0, sizeof(*c));
}
