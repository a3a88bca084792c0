/* SPDX-License-Identifier: MIT
 * Whether an upper bound can be said of a program: README.md, "Bounds". It holds where somebody who
 * waits waits for one who goes on, all along; each condition here keeps out what makes that untrue.
 */
#include <stdlib.h>

#include "analyzer/whatif/bounds.h"
#include "analyzer/xalloc.h"

struct look {
    const struct gs_program *p;
    uint32_t *user,
        *n_users;     /* of objects: the last thread to get, arrive, submit, + 1; how many */
    uint32_t *putter; /* of channels: + 1 */
    uint8_t *ended;   /* pools into which an item was put that ends its worker */
    uint8_t *ends;    /* tasks: their worker draws nothing more */
    uint32_t thread, first_pool; /* of the list: pool it reads, + 1 */
    uint32_t n_held;
    bool plain;
};

/* Waits, or may wait, for something that is no lock. */
static bool can_park(const struct gs_program *p, const struct gs_op *op)
{
    switch ((enum gs_op_kind)op->kind) {
    case GS_OP_GET:
    case GS_OP_WAIT:
    case GS_OP_ARRIVE:
    case GS_OP_JOIN:
    case GS_OP_SYNC:
        return true;
    case GS_OP_PUT:
        return p->objects[op->object].capacity > 0;
    default:
        return false;
    }
}

static void find_ends(struct look *l)
{
    const struct gs_program *p = l->p;
    for (size_t i = 0; i < p->n_tasks; i++) {
        uint32_t op = p->tasks[i].first_op;
        while (op != GS_NO_OP && p->ops[op].kind != GS_OP_END && !gs_is_pool_get(p, &p->ops[op]))
            op++;
        l->ends[i] = op == GS_NO_OP || p->ops[op].kind == GS_OP_END;
    }
}

/* One thread puts into a pool, and what ends workers comes last. */
static void on_put(struct look *l, const struct gs_op *op)
{
    const struct gs_object *o = &l->p->objects[op->object];
    l->plain &= o->capacity == 0;
    if (!o->pool)
        return;
    bool ends = op->item == GS_NO_TASK || l->ends[op->item];
    l->plain &= l->putter[op->object] == 0 || l->putter[op->object] == l->thread + 1;
    l->plain &= ends || !l->ended[op->object];
    l->putter[op->object] = l->thread + 1;
    l->ended[op->object] |= ends;
}

static void on_use(struct look *l, const struct gs_op *op)
{
    if (l->user[op->object] == l->thread + 1)
        return;
    l->user[op->object] = l->thread + 1;
    l->n_users[op->object]++;
}

static void on_op(struct look *l, const struct gs_op *op)
{
    bool draws = gs_is_pool_get(l->p, op);
    if (draws) {
        l->plain &= !l->first_pool || l->first_pool == op->object + 1u;
        l->first_pool = op->object + 1u;
    } else if (can_park(l->p, op)) {
        l->plain &= l->n_held == 0 && !l->first_pool;
    }
    if (op->kind == GS_OP_PUT)
        on_put(l, op);
    if (op->kind == GS_OP_GET || op->kind == GS_OP_ARRIVE || op->kind == GS_OP_SUBMIT)
        on_use(l, op);
    l->n_held += op->kind == GS_OP_ACQUIRE;
    l->n_held -= op->kind == GS_OP_RELEASE && l->n_held > 0;
    l->plain &= op->kind != GS_OP_CLEAR && op->kind != GS_OP_UNTIL;
    l->plain &= op->kind != GS_OP_WAIT || !l->p->objects[op->object].recorded;
}

static void check_users(struct look *l)
{
    for (size_t i = 0; i < l->p->n_objects; i++) {
        const struct gs_object *o = &l->p->objects[i];
        if (o->kind == GS_OBJECT_BARRIER)
            l->plain &= l->n_users[i] == o->parties;
        else if (o->kind == GS_OBJECT_DEVICE || (o->kind == GS_OBJECT_CHANNEL && !o->pool))
            l->plain &= l->n_users[i] <= 1;
        l->plain &= !o->pool || !o->lifo;
    }
}

bool gs_program_is_plain(const struct gs_program *p)
{
    struct look l = {.p = p, .plain = true};
    l.user = gs_xcalloc(p->n_objects + 1, sizeof(*l.user));
    l.n_users = gs_xcalloc(p->n_objects + 1, sizeof(*l.n_users));
    l.putter = gs_xcalloc(p->n_objects + 1, sizeof(*l.putter));
    l.ended = gs_xcalloc(p->n_objects + 1, 1);
    l.ends = gs_xcalloc(p->n_tasks + 1, 1);
    find_ends(&l);
    for (uint32_t t = 0; t < p->n_threads; t++) {
        const struct gs_op *op = &p->ops[p->threads[t].first_op];
        l.thread = t;
        l.first_pool = l.n_held = 0;
        for (; op->kind != GS_OP_END; op++)
            on_op(&l, op);
        l.plain &= l.n_held == 0;
    }
    check_users(&l);
    free(l.user);
    free(l.n_users);
    free(l.putter);
    free(l.ended);
    free(l.ends);
    return l.plain;
}
