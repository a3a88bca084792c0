/* SPDX-License-Identifier: MIT */
#include "analyzer/whatif/program.h"

#include <stdlib.h>
#include <string.h>

#include "analyzer/xalloc.h"

static const uint8_t object_kinds[GS_N_OPS] = {
#define GS_OP_OBJECT(name, object) [GS_OP_##name] = GS_OBJECT_##object,
    GS_OPS(GS_OP_OBJECT)
#undef GS_OP_OBJECT
};

uint32_t gs_program_object(struct gs_program *p, enum gs_object_kind kind, const char *name)
{
    struct gs_object o = {.name = gs_xstrndup(name, strlen(name)), .kind = kind};
    GS_PUSH(p->objects, p->n_objects, p->cap_objects, o);
    return (uint32_t)p->n_objects - 1;
}

uint32_t gs_program_task(struct gs_program *p)
{
    struct gs_task t = {GS_NO_OP};
    GS_PUSH(p->tasks, p->n_tasks, p->cap_tasks, t);
    return (uint32_t)p->n_tasks - 1;
}

static void end_list(struct gs_program *p)
{
    struct gs_op end = {.kind = GS_OP_END};
    GS_PUSH(p->ops, p->n_ops, p->cap_ops, end);
}

uint32_t gs_program_thread(struct gs_program *p, const char *name, bool late)
{
    struct gs_program_thread t = {.late = late};
    t.object = gs_program_object(p, GS_OBJECT_THREAD, name);
    p->objects[t.object].thread = (uint32_t)p->n_threads;
    GS_PUSH(p->threads, p->n_threads, p->cap_threads, t);
    return (uint32_t)p->n_threads - 1;
}

void gs_program_begin(struct gs_program *p, uint32_t thread)
{
    end_list(p);
    p->threads[thread].first_op = (uint32_t)p->n_ops;
}

void gs_program_op(struct gs_program *p, struct gs_op op)
{
    GS_PUSH(p->ops, p->n_ops, p->cap_ops, op);
}

static bool takes_time(const struct gs_op *op)
{
    return op->kind == GS_OP_PY || op->kind == GS_OP_NATIVE || op->kind == GS_OP_LATENCY ||
           op->kind == GS_OP_SUBMIT;
}

/* A pool's GET says where the work of its item begins. */
static const char *check_op(struct gs_program *p, size_t i, uint64_t *left_ns)
{
    struct gs_op *op = &p->ops[i];
    uint8_t kind = object_kinds[op->kind];
    if (kind == GS_OBJECT_NONE)
        op->object = op->kind == GS_OP_PY ? op->object : 0;
    else if (op->object >= p->n_objects || p->objects[op->object].kind != kind)
        return "an operation names an object of another kind";
    bool has_item = kind == GS_OBJECT_CHANNEL && op->item != GS_NO_TASK;
    if (has_item && op->item >= p->n_tasks)
        return "an item is not in the program";
    if (has_item && op->kind == GS_OP_GET && p->objects[op->object].pool)
        p->tasks[op->item].first_op = (uint32_t)i + 1;
    if (op->kind == GS_OP_UNTIL && op->ns > GS_PROGRAM_MOST_NS)
        return "it is too long";
    if (op->kind == GS_OP_MARK)
        op->item = (uint32_t)p->n_marks++;
    if (takes_time(op)) {
        if (op->ns > *left_ns)
            return "it is too long";
        *left_ns -= op->ns;
    }
    return NULL;
}

const char *gs_program_finish(struct gs_program *p)
{
    uint64_t left_ns = GS_PROGRAM_MOST_NS;
    const char *why = NULL;
    p->n_marks = 0;
    end_list(p);
    if (p->n_ops > GS_OP_MOST || p->n_tasks > GS_OP_MOST || p->n_objects > GS_OBJECTS)
        return "it has too many operations";
    for (size_t i = 0; i < p->n_ops && !why; i++)
        why = check_op(p, i, &left_ns);
    return why;
}

void gs_program_free(struct gs_program *p)
{
    for (size_t i = 0; i < p->n_objects; i++)
        free(p->objects[i].name);
    free(p->ops);
    free(p->objects);
    free(p->tasks);
    free(p->threads);
    memset(p, 0, sizeof(*p));
}
