/* SPDX-License-Identifier: MIT */
#include "analyzer/whatif/marks.h"

#include <stdlib.h>
#include <string.h>

#include "analyzer/xalloc.h"

/* ---- places ---- */

static bool is_in(const char *word, const char *const *words, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(word, words[i]) == 0)
            return true;
    return false;
}

static const char *last_part(const char *function)
{
    const char *dot = strrchr(function, '.');
    return dot ? dot + 1 : function;
}

static bool is_of_sockets(struct gs_frame f)
{
    static const char *const files[] = {"socket.py", "ssl.py", "selectors.py"};
    return is_in(f.file, files, sizeof(files) / sizeof(*files));
}

/* FUNCTION, FILE:FUNCTION or FILE:LINE; a function is called by its name or with what it is in. */
static bool is_called(struct gs_frame f, const char *name)
{
    const char *colon = name ? strchr(name, ':') : NULL;
    if (!name)
        return false;
    size_t len = colon ? (size_t)(colon - name) : 0;
    if (colon && (strlen(f.file) != len || strncmp(f.file, name, len) != 0))
        return false;
    name = colon ? colon + 1 : name;
    if (colon && strspn(name, "0123456789") == strlen(name))
        return strtoul(name, NULL, 10) == f.line;
    return strcmp(f.function, name) == 0 || strcmp(last_part(f.function), name) == 0;
}

/* Where Python's own library waits for others to send something. */
static bool waits_for_others(struct gs_frame f)
{
    static const char *const functions[] = {"accept", "readinto", "recv",  "recv_into",
                                            "read",   "recvfrom", "select"};
    return is_of_sockets(f) &&
           is_in(last_part(f.function), functions, sizeof(functions) / sizeof(*functions));
}

/* A call in a function is one that it makes itself, or through the library. A node's parent comes
 * before it. */
static void look_at_stacks(struct gs_marks *m, const struct gs_stacks *s,
                           const struct gs_mark_names *names)
{
    m->at = gs_xcalloc(s->n_nodes + 1, 1);
    m->outside = gs_xcalloc(s->n_nodes + 1, 1);
    uint8_t *named = gs_xcalloc(s->n_nodes + 1, 1);
    for (uint32_t i = 1; i < s->n_nodes; i++) {
        struct gs_frame f = gs_frame_of(s, i);
        bool inside = is_of_sockets(f) || gs_file_is_librarys(f.file);
        uint32_t parent = s->nodes[i].parent;
        m->at[i] = (inside && m->at[parent]) || is_called(f, names->progress);
        named[i] = (inside && named[parent]) || is_called(f, names->outside);
        m->outside[i] = named[i] || waits_for_others(f);
    }
    free(named);
}

static void count_accepts(struct gs_marks *m, const struct gs_evidence *e,
                          const struct gs_stacks *s)
{
    for (size_t i = 0; i < e->n_turns; i++) {
        uint32_t node = e->turns[i].node;
        if (m->outside[node] && strcmp(last_part(gs_frame_of(s, node).function), "accept") == 0)
            m->accepts++;
    }
}

/* ---- what was named ---- */

static bool takes(const struct gs_marks *m, const struct gs_act *act, enum gs_unit unit)
{
    bool gets = act->op.kind == GS_OP_GET && act->op.item != GS_NO_TASK;
    if (unit == GS_UNIT_ITEM ? !gets : act->op.kind != GS_OP_ACQUIRE)
        return false;
    return m->at[act->node] || m->objects[act->op.object];
}

bool gs_marks_begin_with(const struct gs_marks *m, const struct gs_act *act)
{
    return (m->unit == GS_UNIT_ITEM || m->unit == GS_UNIT_LOCK) && takes(m, act, m->unit);
}

bool gs_marks_begin_behind(const struct gs_marks *m, const struct gs_turn_row *turn)
{
    return m->unit == GS_UNIT_WAIT && !turn->forced && m->at[turn->node];
}

bool gs_marks_is_outside(const struct gs_marks *m, const struct gs_turn_row *turn)
{
    return !turn->forced && (m->outside[turn->node] || gs_marks_begin_behind(m, turn));
}

static bool is_there(const struct gs_marks *m, const struct gs_acts *a, const struct gs_evidence *e,
                     enum gs_unit unit)
{
    struct gs_marks tried = *m;
    tried.unit = unit;
    for (size_t i = 0; i < e->n_turns && unit == GS_UNIT_WAIT; i++)
        if (gs_marks_begin_behind(&tried, &e->turns[i]))
            return true;
    for (size_t i = 0; i < a->n_acts && unit != GS_UNIT_WAIT; i++)
        if (takes(m, &a->acts[i], unit))
            return true;
    return false;
}

static void find_named(struct gs_marks *m, const struct gs_acts *a, const struct gs_evidence *e,
                       const struct gs_program *p, const char *name)
{
    static const char *const texts[] = {
        [GS_UNIT_ITEM] = "items", [GS_UNIT_WAIT] = "waits", [GS_UNIT_LOCK] = "takings of locks"};
    for (size_t i = 0; i < p->n_objects; i++)
        m->objects[i] = strcmp(p->objects[i].name, name) == 0;
    for (enum gs_unit unit = GS_UNIT_ITEM; unit <= GS_UNIT_LOCK && !m->unit; unit++)
        if (is_there(m, a, e, unit))
            m->unit = unit;
    if (m->unit)
        m->what = gs_xasprintf("%s in %s", texts[m->unit], name);
}

/* ---- what seems best ---- */

/* The queue that most items were got from. */
static void find_queue(struct gs_marks *m, const struct gs_acts *a, const struct gs_program *p)
{
    uint32_t *n = gs_xcalloc(p->n_objects + 1, sizeof(*n)), best = 0;
    for (size_t i = 0; i < a->n_acts; i++)
        n[a->acts[i].op.object] +=
            a->acts[i].op.kind == GS_OP_GET && a->acts[i].op.item != GS_NO_TASK;
    for (uint32_t i = 1; i < p->n_objects; i++)
        best = n[i] > n[best] ? i : best;
    if (n[best] >= GS_MARKS_LEAST) {
        m->unit = GS_UNIT_ITEM;
        m->objects[best] = 1;
        m->what = gs_xasprintf("items of %s", p->objects[best].name);
    }
    free(n);
}

void gs_marks_find(struct gs_marks *m, const struct gs_acts *a, const struct gs_evidence *e,
                   const struct gs_stacks *stacks, const struct gs_program *p,
                   const struct gs_mark_names *names)
{
    memset(m, 0, sizeof(*m));
    m->objects = gs_xcalloc(p->n_objects + 1, 1);
    look_at_stacks(m, stacks, names);
    count_accepts(m, e, stacks);
    if (names->progress) {
        find_named(m, a, e, p, names->progress);
        return;
    }
    find_queue(m, a, p);
    if (m->unit == GS_UNIT_NONE && m->accepts >= GS_MARKS_LEAST) {
        m->unit = GS_UNIT_THREAD;
        m->what = gs_xasprintf("threads that have ended");
    }
}

void gs_marks_free(struct gs_marks *m)
{
    free(m->what);
    free(m->at);
    free(m->objects);
    free(m->outside);
    memset(m, 0, sizeof(*m));
}

/* ---- when what is done had come ---- */

#define MOST_PASSES 8u /* as many queues one behind another are seen through */

struct came {
    struct gs_program *p;
    const struct gs_arrival *arrivals;
    size_t n_arrivals, arrival; /* the next one */
    uint64_t *tasks, *threads;  /* 0: nobody knows */
    bool changed;
};

static void set(struct came *x, uint64_t *at, uint64_t came_ns)
{
    x->changed |= *at != came_ns;
    *at = came_ns;
}

static void pass_thread(struct came *x, uint32_t thread)
{
    struct gs_program *p = x->p;
    uint64_t came_ns = x->threads[thread];
    for (uint32_t i = p->threads[thread].first_op; p->ops[i].kind != GS_OP_END; i++) {
        struct gs_op *op = &p->ops[i];
        bool has_item = op->item != GS_NO_TASK;
        if (x->arrival < x->n_arrivals && x->arrivals[x->arrival].op == i)
            came_ns = x->arrivals[x->arrival++].came_ns;
        else if (op->kind == GS_OP_PUT && has_item)
            set(x, &x->tasks[op->item], came_ns);
        else if (op->kind == GS_OP_GET && has_item)
            came_ns = x->tasks[op->item];
        else if (op->kind == GS_OP_START)
            set(x, &x->threads[p->objects[op->object].thread], came_ns);
        else if (op->kind == GS_OP_MARK)
            op->ns = came_ns;
    }
}

void gs_marks_set_came(struct gs_program *p, const struct gs_arrival *arrivals, size_t n_arrivals)
{
    struct came x = {.p = p, .arrivals = arrivals, .n_arrivals = n_arrivals, .changed = true};
    x.tasks = gs_xcalloc(p->n_tasks + 1, sizeof(*x.tasks));
    x.threads = gs_xcalloc(p->n_threads + 1, sizeof(*x.threads));
    for (unsigned pass = 0; pass < MOST_PASSES && x.changed; pass++) {
        x.changed = false;
        x.arrival = 0;
        for (uint32_t t = 0; t < p->n_threads; t++)
            pass_thread(&x, t);
    }
    free(x.tasks);
    free(x.threads);
}
