/* SPDX-License-Identifier: MIT
 * Who started, awaited and told whom. A capture does not say which pipe a call used. What it says:
 * that a parent and its children use one kind of queue in one direction, and when. Messages are
 * put and got in one order; so where that order explains every wait (it ended when the message was
 * there), and nothing says that there was more than one pipe, it was so. Else nothing is said.
 */

#include <stdlib.h>
#include <string.h>

#include "analyzer/whatif/merge_parts.h"
#include "analyzer/xalloc.h"

#define SOON_NS      20000000u /* who waits for a message has it so soon after it was sent */
#define LATE_MOST    10u       /* 1/10 of the waiting may be later: nobody had a core */
#define LONG_CALL_NS 50000u    /* shorter ones nobody looks at: they count as computing */

static void add_act(struct gs_part *p, uint64_t t_ns, uint32_t thread, struct gs_op op)
{
    struct gs_act act = {.t_ns = t_ns, .thread = thread, .op = op};
    GS_PUSH(p->more.acts, p->more.n_acts, p->more.cap_acts, act);
}

static void add_cover(struct gs_part *p, const struct gs__call *c)
{
    struct gs_cover cover = {c->from_ns, c->to_ns, c->thread, false};
    if (c->to_ns > c->from_ns)
        GS_PUSH(p->more.covers, p->more.n_covers, p->more.cap_covers, cover);
}

static bool is_child(const struct gs__edges *x, uint32_t child, uint32_t parent)
{
    return x->is_member[child] && x->parts[child]->parent == parent;
}

/* ---- start and end ---- */

/* The turn that a process was made in: whoever makes one holds the GIL. A new program comes to be
 * recorded a while after that. */
static const struct gs_turn_row *turn_at(const struct gs_evidence *e, uint64_t t_ns, bool spawned)
{
    const struct gs_turn_row *found = NULL, *making = NULL;
    for (size_t i = 0; i < e->n_turns; i++) {
        const struct gs_turn_row *turn = &e->turns[i];
        bool makes = e->classes[turn->node] == GS_TAX_START;
        if (turn->acq_ns > t_ns)
            continue;
        if (!found || turn->acq_ns > found->acq_ns)
            found = turn;
        if (makes && (!making || turn->acq_ns > making->acq_ns))
            making = turn;
    }
    return spawned && making ? making : found;
}

static void find_start(struct gs__edges *x, uint32_t child)
{
    struct gs_part *c = x->parts[child], *parent = x->parts[c->parent];
    bool spawned = gs_tax_is_spawned(&c->r);
    const struct gs_turn_row *turn = turn_at(&parent->e, c->r.start_ns, spawned);
    struct gs_program_thread *t = &x->p->threads[c->first_thread + c->main_thread];
    if (!turn)
        return;
    t->late = true;
    uint64_t t_ns = c->r.start_ns < turn->rel_ns ? c->r.start_ns : turn->rel_ns;
    add_act(parent, t_ns, turn->thread, gs_op_on(GS_OP_START, t->object));
}

/* Of those that ended while somebody waited for one, the last; of those before it, the first. */
static uint32_t ended_within(const struct gs__edges *x, const uint8_t *joined,
                             const struct gs__call *c)
{
    uint32_t found = GS_NO_PART;
    for (uint32_t i = 0; i < x->n_parts; i++) {
        const struct gs_recording *r = &x->parts[i]->r;
        bool before = r->ended && r->end_ns + GS__CLOCKS_AGREE_NS < c->from_ns;
        if (!is_child(x, i, c->part) || joined[i] || before ||
            r->end_ns > c->to_ns + GS__CLOCKS_AGREE_NS)
            continue;
        if (found == GS_NO_PART || r->end_ns > x->parts[found]->r.end_ns)
            found = i;
    }
    return found;
}

static uint32_t ended_before(const struct gs__edges *x, const uint8_t *joined,
                             const struct gs__call *c)
{
    uint32_t found = GS_NO_PART;
    for (uint32_t i = 0; i < x->n_parts; i++) {
        uint64_t end_ns = x->parts[i]->r.end_ns;
        if (is_child(x, i, c->part) && !joined[i] && end_ns <= c->from_ns &&
            (found == GS_NO_PART || end_ns < x->parts[found]->r.end_ns))
            found = i;
    }
    return found;
}

static void find_join(struct gs__edges *x, uint8_t *joined, struct gs__call *c)
{
    uint32_t child = ended_within(x, joined, c);
    bool waited = child != GS_NO_PART;
    if (!waited && c->to_ns - c->from_ns < LONG_CALL_NS)
        child = ended_before(x, joined, c);
    if (child == GS_NO_PART)
        return;
    const struct gs_part *p = x->parts[child];
    uint32_t object = x->p->threads[p->first_thread + p->main_thread].object;
    joined[child] = 1;
    c->known = true;
    add_act(x->parts[c->part], c->from_ns, c->thread, gs_op_on(GS_OP_JOIN, object));
    if (waited)
        add_cover(x->parts[c->part], c);
}

/* ---- messages ---- */

struct ends { /* of what may be one pipe */
    struct gs__call **sent, **got;
    size_t n_sent, n_got, cap_sent, cap_got;
};

static int by_sending(const void *pa, const void *pb)
{
    const struct gs__call *a = *(struct gs__call *const *)pa, *b = *(struct gs__call *const *)pb;
    if (a->from_ns != b->from_ns)
        return a->from_ns < b->from_ns ? -1 : 1;
    return a < b ? -1 : a > b;
}

static int by_receipt(const void *pa, const void *pb)
{
    const struct gs__call *a = *(struct gs__call *const *)pa, *b = *(struct gs__call *const *)pb;
    if (a->to_ns != b->to_ns)
        return a->to_ns < b->to_ns ? -1 : 1;
    return a < b ? -1 : a > b;
}

static bool explains(const struct ends *e)
{
    uint64_t waited_ns = 0, late_ns = 0;
    for (size_t k = 0; k < e->n_got; k++) {
        const struct gs__call *sent = e->sent[k], *got = e->got[k];
        uint64_t there_ns = sent->to_ns > got->from_ns ? sent->to_ns : got->from_ns;
        if (got->to_ns + GS__CLOCKS_AGREE_NS < sent->from_ns)
            return false;
        waited_ns += got->to_ns - got->from_ns;
        late_ns += got->to_ns > there_ns + SOON_NS ? got->to_ns - there_ns - SOON_NS : 0;
    }
    return late_ns * LATE_MOST <= waited_ns;
}

static size_t count_threads(struct gs__call *const *calls, size_t n)
{
    struct gs_idmap threads = {0};
    for (size_t i = 0; i < n; i++)
        gs_idmap_add(&threads, gs_pack32(calls[i]->part, calls[i]->thread));
    size_t n_threads = threads.n;
    gs_idmap_free(&threads);
    return n_threads;
}

/* Of a process that was killed the last rows are missing: what was told after them is not known. */
static uint64_t rows_until(const struct gs_part *p)
{
    uint64_t until_ns = 0;
    if (p->r.ended)
        return UINT64_MAX;
    for (size_t i = 0; i < p->r.n_totals; i++)
        until_ns = p->r.totals[i].t_ns > until_ns ? p->r.totals[i].t_ns : until_ns;
    return until_ns;
}

static uint64_t known_until(const struct gs__edges *x, const struct ends *e)
{
    uint64_t until_ns = UINT64_MAX;
    for (size_t i = 0; i < e->n_sent; i++) {
        if (i > 0 && e->sent[i]->part == e->sent[i - 1]->part)
            continue;
        uint64_t ns = rows_until(x->parts[e->sent[i]->part]);
        until_ns = ns < until_ns ? ns : until_ns;
    }
    return until_ns;
}

static void cut(struct ends *e, uint64_t until_ns)
{
    while (e->n_sent && e->sent[e->n_sent - 1]->from_ns > until_ns)
        e->n_sent--;
    while (e->n_got && e->got[e->n_got - 1]->to_ns > until_ns)
        e->n_got--;
}

static void connect(struct gs__edges *x, const struct ends *e)
{
    uint32_t channel = gs_program_object(x->p, GS_OBJECT_CHANNEL, "pipe between processes");
    x->p->objects[channel].pool = x->as_threads && count_threads(e->got, e->n_got) > 1;
    for (size_t k = 0; k < e->n_sent; k++) {
        struct gs_op put = gs_op_on(GS_OP_PUT, channel), get = gs_op_on(GS_OP_GET, channel);
        put.item = get.item = gs_program_task(x->p);
        e->sent[k]->known = true;
        add_act(x->parts[e->sent[k]->part], e->sent[k]->from_ns, e->sent[k]->thread, put);
        if (x->as_threads)
            add_cover(x->parts[e->sent[k]->part], e->sent[k]);
        if (k >= e->n_got)
            continue;
        e->got[k]->known = true;
        add_act(x->parts[e->got[k]->part], e->got[k]->from_ns, e->got[k]->thread, get);
        add_cover(x->parts[e->got[k]->part], e->got[k]);
    }
    x->matched += e->n_got;
}

/* Several pipes would look like one where several can be written to by one thread, or read. */
static bool is_one_pipe(const struct ends *e, enum gs__pipe_kind pipe)
{
    size_t senders = count_threads(e->sent, e->n_sent), readers = count_threads(e->got, e->n_got);
    return pipe == GS__PIPE_BARE ? senders == 1 && readers == 1 : senders == 1 || readers == 1;
}

/* Of one part: what it sent and got by pipes of that kind. */
static void add_ends(struct ends *e, struct gs__calls *calls, uint32_t part,
                     enum gs__pipe_kind pipe, bool sends, bool gets)
{
    for (size_t i = calls->from[part]; i < calls->from[part + 1]; i++) {
        struct gs__call *c = &calls->at[i];
        if (c->pipe != pipe || c->known)
            continue;
        if (c->kind == GS__CALL_SEND && sends)
            GS_PUSH(e->sent, e->n_sent, e->cap_sent, c);
        if (c->kind == GS__CALL_HEAD && gets)
            GS_PUSH(e->got, e->n_got, e->cap_got, c);
    }
}

/* A pool's end puts into the pipe of results, too. */
static void find_messages(struct gs__edges *x, struct gs__calls *calls, uint32_t parent,
                          enum gs__pipe_kind pipe, bool to_children)
{
    struct ends e = {0};
    add_ends(&e, calls, parent, pipe, to_children || pipe == GS__PIPE_RESULTS, !to_children);
    for (uint32_t i = 0; i < x->n_parts; i++)
        if (is_child(x, i, parent))
            add_ends(&e, calls, i, pipe, !to_children, to_children);
    if (e.n_got && e.n_sent) {
        qsort(e.sent, e.n_sent, sizeof(*e.sent), by_sending);
        qsort(e.got, e.n_got, sizeof(*e.got), by_receipt);
        cut(&e, known_until(x, &e));
        if (e.n_got && e.n_got <= e.n_sent && is_one_pipe(&e, pipe) && explains(&e))
            connect(x, &e);
    }
    free(e.sent);
    free(e.got);
}

/* ---- all of them ---- */

/* The rest of a message that is known is no wait for anybody. */
static void know_bodies(struct gs__edges *x, struct gs__calls *calls)
{
    for (size_t i = 0; i < calls->n; i++) {
        struct gs__call *c = &calls->at[i];
        bool behind = i > 0 && c[-1].known && c[-1].part == c->part && c[-1].thread == c->thread;
        if (c->kind == GS__CALL_BODY && behind &&
            (c[-1].kind == GS__CALL_HEAD || c[-1].kind == GS__CALL_BODY)) {
            c->known = true;
            if (x->as_threads)
                add_cover(x->parts[c->part], c);
        }
        if (c->kind == GS__CALL_LOOK_ON) {
            c->known = true;
            add_cover(x->parts[c->part], c);
        }
        uint64_t ns = c->to_ns - c->from_ns;
        x->unmatched_ns += !c->known && ns >= LONG_CALL_NS ? ns : 0;
    }
}

static void list_calls(const struct gs__edges *x, struct gs__calls *calls)
{
    calls->from = gs_xcalloc(x->n_parts + 1, sizeof(*calls->from));
    for (uint32_t i = 0; i < x->n_parts; i++) {
        calls->from[i] = calls->n;
        if (x->is_member[i])
            gs__list_calls(x->parts[i], i, calls);
    }
    calls->from[x->n_parts] = calls->n;
}

static void find_starts_and_ends(struct gs__edges *x, struct gs__calls *calls)
{
    uint8_t *joined = gs_xcalloc(x->n_parts + 1, 1);
    for (uint32_t i = 0; i < x->n_parts; i++) {
        uint32_t parent = x->parts[i]->parent;
        if (x->is_member[i] && parent != GS_NO_PART && x->is_member[parent])
            find_start(x, i);
    }
    for (size_t i = 0; i < calls->n; i++)
        if (calls->at[i].kind == GS__CALL_JOIN)
            find_join(x, joined, &calls->at[i]);
    free(joined);
}

void gs__find_edges(struct gs__edges *x)
{
    struct gs__calls calls = {0};
    list_calls(x, &calls);
    find_starts_and_ends(x, &calls);
    for (uint32_t i = 0; i < x->n_parts; i++)
        for (unsigned pipe = 0; x->is_member[i] && pipe < GS__N_PIPES; pipe++) {
            if (pipe != GS__PIPE_RESULTS)
                find_messages(x, &calls, i, pipe, true);
            if (pipe != GS__PIPE_TASKS)
                find_messages(x, &calls, i, pipe, false);
        }
    know_bodies(x, &calls);
    free(calls.from);
    free(calls.at);
}
