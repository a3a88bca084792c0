/* SPDX-License-Identifier: MIT
 * Calls of multiprocessing that let the GIL go, by the stack where it was let go. A message is
 * written in one piece, or its head and then its body, in two lines one behind the other; it is
 * read as its head (the first such line of the function), then its body.
 */
#include <stdlib.h>
#include <string.h>

#include "analyzer/whatif/merge_parts.h"
#include "analyzer/whatif/stack_frame.h"
#include "analyzer/xalloc.h"

#define FRAMES_UP   10u
#define ONE_CALL_NS 1000000u /* at most, from one call that waits in `get` to the next */

struct place { /* of a node */
    bool known;
    uint8_t kind, pipe;
    uint32_t line; /* SEND, HEAD: of the function that the piece is sent or read in */
};

struct walk {
    const struct gs_part *p;
    struct place *places;
    uint32_t head_line; /* where heads are read */
};

static bool is_in(const struct gs__frame *f, const char *file)
{
    return gs__path_ends(f->path, file);
}

static bool is_function(const struct gs__frame *f, const char *file, const char *name)
{
    return is_in(f, file) && strcmp(gs__bare_name(f->function), name) == 0;
}

static bool is_of_pipes(const struct gs__frame *f)
{
    return is_in(f, "multiprocessing/connection.py") || is_in(f, "multiprocessing/queues.py") ||
           is_in(f, "multiprocessing/synchronize.py") || is_in(f, "selectors.py");
}

static bool is_join(const struct gs__frame *f)
{
    static const char *const names[] = {"_try_wait", "_wait", "_communicate", "communicate"};
    if (is_function(f, "multiprocessing/popen_fork.py", "poll") ||
        is_function(f, "multiprocessing/popen_fork.py", "wait"))
        return true;
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
        if (is_function(f, "subprocess.py", names[i]))
            return true;
    return false;
}

/* is_alive() and the like look whether a process has ended, and wait for nothing. */
static bool waits_for_end(const struct gs_stacks *s, uint32_t node)
{
    for (unsigned up = 0; node && up < FRAMES_UP; up++, node = s->nodes[node].parent) {
        struct gs__frame f = gs__frame_of(s, node);
        if (is_function(&f, "multiprocessing/process.py", "join") || is_in(&f, "subprocess.py"))
            return true;
    }
    return false;
}

/* Pool puts tasks into the pipe itself, and takes results out of it: workers use the queue. */
static uint8_t pool_pipe(bool sends, bool in_queue)
{
    return sends == in_queue ? GS__PIPE_RESULTS : GS__PIPE_TASKS;
}

/* The frames of pipes and queues, then the one that called them. */
static void look_outward(const struct gs_stacks *s, uint32_t node, struct place *out)
{
    bool in_queue = false, in_get = false;
    for (unsigned up = 0; node && up < FRAMES_UP; up++, node = s->nodes[node].parent) {
        struct gs__frame f = gs__frame_of(s, node);
        if (!is_of_pipes(&f)) {
            if (is_function(&f, "multiprocessing/pool.py", "_wait_for_updates"))
                out->kind = GS__CALL_LOOK_ON;
            else if (is_in(&f, "multiprocessing/pool.py"))
                out->pipe = pool_pipe(out->kind == GS__CALL_SEND, in_queue);
            else if (is_in(&f, "concurrent/futures/process.py"))
                out->kind = GS__CALL_IPC; /* waits for several at once */
            break;
        }
        in_queue |= is_in(&f, "multiprocessing/queues.py");
        in_get |= is_function(&f, "multiprocessing/queues.py", "get");
    }
    if (in_queue && out->pipe == GS__PIPE_BARE)
        out->pipe = GS__PIPE_QUEUE;
    if (in_get && out->kind == GS__CALL_IPC)
        out->kind = GS__CALL_WAIT;
}

static struct place look_at(const struct gs_stacks *s, uint32_t node)
{
    struct place out = {.known = true};
    if (!node)
        return out;
    struct gs__frame f = gs__frame_of(s, node);
    uint32_t parent = s->nodes[node].parent;
    struct gs__frame by = parent ? gs__frame_of(s, parent) : f;
    if (is_join(&f) || is_join(&by)) {
        out.kind = waits_for_end(s, node) ? GS__CALL_JOIN : GS__CALL_NONE;
        return out;
    }
    if (!is_of_pipes(&f))
        return out;
    out.kind = GS__CALL_IPC;
    if (is_function(&f, "multiprocessing/connection.py", "_send"))
        out.kind = GS__CALL_SEND;
    if (is_function(&f, "multiprocessing/connection.py", "_recv"))
        out.kind = GS__CALL_HEAD;
    out.line = by.line;
    look_outward(s, node, &out);
    return out;
}

static const struct place *place_of(struct walk *w, uint32_t node)
{
    struct place *at = &w->places[node];
    if (!at->known)
        *at = look_at(&w->p->stacks, node);
    return at;
}

static void find_head_line(struct walk *w)
{
    const struct gs_evidence *e = &w->p->e;
    w->head_line = UINT32_MAX;
    for (size_t i = 0; i < e->n_turns; i++) {
        const struct place *at = place_of(w, e->turns[i].node);
        if (at->kind == GS__CALL_HEAD && at->line < w->head_line)
            w->head_line = at->line;
    }
}

/* ---- one thread ---- */

static void add_call(struct gs__calls *out, struct gs__call call, uint32_t line,
                     uint32_t *last_line)
{
    struct gs__call *last = out->n ? &out->at[out->n - 1] : NULL;
    bool same = last && last->part == call.part && last->thread == call.thread;
    bool is_body =
        call.kind == GS__CALL_SEND && same && last->kind == GS__CALL_SEND && line == *last_line + 1;
    *last_line = line;
    if (is_body) /* the message is there when its head is; it has been sent now */
        last->to_ns = call.to_ns;
    else
        GS_PUSH(out->at, out->n, out->cap, call);
}

/* What was waited before a head is read, in the same call of get, is of its message. */
static void join_waits(struct gs__calls *out, size_t first)
{
    size_t to = first;
    for (size_t i = first; i < out->n; i++) {
        struct gs__call c = out->at[i];
        bool behind = to > first && out->at[to - 1].kind == GS__CALL_WAIT &&
                      out->at[to - 1].pipe == c.pipe &&
                      c.from_ns - out->at[to - 1].to_ns < ONE_CALL_NS;
        if (behind && (c.kind == GS__CALL_HEAD || c.kind == GS__CALL_WAIT)) {
            c.from_ns = out->at[to - 1].from_ns;
            to--;
        }
        out->at[to++] = c;
    }
    out->n = to;
}

static void list_thread(struct walk *w, uint32_t part, uint32_t thread, struct gs__calls *out)
{
    const struct gs_evidence *e = &w->p->e;
    size_t first = out->n;
    uint32_t last_line = 0;
    for (size_t i = e->turn_from[thread]; i + 1 < e->turn_from[thread + 1]; i++) {
        const struct gs_turn_row *turn = &e->turns[i];
        const struct place *at = place_of(w, turn->node);
        if (at->kind == GS__CALL_NONE || turn->forced)
            continue;
        struct gs__call call = {
            turn->rel_ns, e->turns[i + 1].asked_ns, part, thread, at->kind, at->pipe, false};
        if (call.to_ns < call.from_ns)
            call.to_ns = call.from_ns;
        if (at->kind == GS__CALL_HEAD && at->line != w->head_line)
            call.kind = GS__CALL_BODY;
        add_call(out, call, at->line, &last_line);
    }
    join_waits(out, first);
}

void gs__list_calls(const struct gs_part *p, uint32_t part, struct gs__calls *out)
{
    struct walk w = {.p = p};
    w.places = gs_xcalloc(p->stacks.n_nodes + 1, sizeof(*w.places));
    find_head_line(&w);
    for (uint32_t t = 0; t < p->e.n_threads; t++)
        list_thread(&w, part, t, out);
    free(w.places);
}
