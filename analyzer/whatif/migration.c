/* SPDX-License-Identifier: MIT */
#include "analyzer/whatif/migration.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "analyzer/xalloc.h"

const char *const gs_time_keys[] = {
#define GS_TIME_KEY(id, key) key,
    GS_TIME_KINDS(GS_TIME_KEY)
#undef GS_TIME_KEY
};

static enum gs_time_kind kind_of(const struct gs_object *o)
{
    if (o->kind == GS_OBJECT_LOCK)
        return GS_TIME_LOCK;
    return o->kind == GS_OBJECT_CHANNEL && !o->signal ? GS_TIME_QUEUE : GS_TIME_WAKE;
}

/* ---- what is told alone ---- */

struct wait { /* of one lock or queue */
    uint32_t object;
    int64_t became_ns;
};

static int by_size(const void *pa, const void *pb)
{
    const struct wait *a = pa, *b = pb;
    int64_t x = llabs(a->became_ns), y = llabs(b->became_ns);
    if (x != y)
        return x > y ? -1 : 1;
    return a->object < b->object ? -1 : 1;
}

static int64_t scaled(double scale, uint64_t ns)
{
    return llround(scale * (double)ns);
}

static int64_t became(const struct gs_time_part *t, double scale)
{
    return scaled(scale, (uint64_t)t->predicted_ns) - t->recorded_ns;
}

/* Objects of one line are one to the reader. */
static struct gs_time_part *named_part(struct gs_migration *m, const struct gs_object *o)
{
    enum gs_time_kind kind = kind_of(o);
    for (size_t i = GS_N_TIMES; i < m->n_parts; i++)
        if (m->parts[i].kind == kind && strcmp(m->parts[i].what, o->name) == 0)
            return &m->parts[i];
    if (m->n_parts == GS_TIME_PARTS)
        return NULL;
    struct gs_time_part *part = &m->parts[m->n_parts++];
    *part = (struct gs_time_part){
        .kind = kind, .what = gs_xstrndup(o->name, strlen(o->name)), .node = o->node};
    return part;
}

static void add_waits(struct gs_migration *m, const struct gs_capture_program *c,
                      const struct gs_replay_result *r, double scale)
{
    const struct gs_program *p = &c->program;
    struct wait *waits = gs_xmalloc(p->n_objects + 1, sizeof(*waits));
    for (uint32_t i = 0; i < p->n_objects; i++)
        waits[i] =
            (struct wait){i, scaled(scale, r->objects[i].parked_ns) - (int64_t)c->blocked_on_ns[i]};
    qsort(waits, p->n_objects, sizeof(*waits), by_size);
    for (size_t i = 0; i < p->n_objects; i++) {
        const struct gs_object *o = &p->objects[waits[i].object];
        bool named = waits[i].became_ns != 0 && kind_of(o) != GS_TIME_WAKE;
        struct gs_time_part *part = named ? named_part(m, o) : NULL;
        part = part ? part : &m->parts[kind_of(o)];
        part->recorded_ns += (int64_t)c->blocked_on_ns[waits[i].object];
        part->predicted_ns += (int64_t)r->objects[waits[i].object].parked_ns;
    }
    m->parts[GS_TIME_WAKE].recorded_ns += (int64_t)c->blocked_on_ns[p->n_objects];
    free(waits);
}

/* ---- all of it ---- */

static void set(struct gs_migration *m, enum gs_time_kind kind, uint64_t recorded_ns,
                uint64_t predicted_ns)
{
    m->parts[kind].recorded_ns = (int64_t)recorded_ns;
    m->parts[kind].predicted_ns = (int64_t)predicted_ns;
}

static void sum_waits(struct gs_migration *m, const struct gs_program *p,
                      const struct gs_replay_result *r)
{
    for (size_t i = 0; i < p->n_objects; i++) {
        uint64_t ns = r->objects[i].parked_ns;
        *(p->objects[i].kind == GS_OBJECT_LOCK      ? &m->lock_wait_ns
          : p->objects[i].kind == GS_OBJECT_CHANNEL ? &m->channel_wait_ns
                                                    : &m->other_wait_ns) += ns;
    }
}

/* What is left of all threads' time, in both. */
static void set_rest(struct gs_migration *m, const struct gs_capture_program *c,
                     const struct gs_replay_result *r)
{
    struct gs_time_part *rest = &m->parts[GS_TIME_CORE];
    int64_t other_became_ns = 0;
    rest->recorded_ns = (int64_t)(c->n_threads * c->wall_ns) - (int64_t)c->gil_wait_ns;
    rest->predicted_ns = (int64_t)(r->threads * r->makespan_ns);
    for (size_t i = 0; i < m->n_parts; i++) {
        const struct gs_time_part *part = &m->parts[i];
        if (i == GS_TIME_CORE)
            continue;
        rest->recorded_ns -= part->recorded_ns;
        rest->predicted_ns -= part->predicted_ns;
        other_became_ns += part->became_ns;
    }
    rest->became_ns = (int64_t)c->gil_wait_ns - other_became_ns;
}

void gs_migration_find(const struct gs_capture_program *c, const struct gs_replay_result *r,
                       struct gs_migration *out)
{
    double scale = r->makespan_ns ? (double)c->wall_ns / (double)r->makespan_ns : 1;
    memset(out, 0, sizeof(*out));
    out->gil_wait_ns = c->gil_wait_ns;
    out->makespan_ns = r->makespan_ns;
    sum_waits(out, &c->program, r);
    for (unsigned k = 0; k < GS_N_TIMES; k++)
        out->parts[k].kind = (enum gs_time_kind)k;
    out->n_parts = GS_N_TIMES;
    uint64_t wall_ns = c->wall_ns + c->no_core_ns;
    set(out, GS_TIME_PYTHON, c->py_ns, r->py_ns);
    set(out, GS_TIME_NATIVE, c->native_ns, r->native_ns);
    set(out, GS_TIME_LATENCY, c->latency_ns, r->latency_ns);
    set(out, GS_TIME_IDLE, c->n_threads * wall_ns - c->thread_ns, r->idle_ns);
    add_waits(out, c, r, scale);
    for (size_t i = 0; i < out->n_parts; i++)
        out->parts[i].became_ns = became(&out->parts[i], scale);
    set_rest(out, c, r);
}

int64_t gs_migration_running_ns(const struct gs_migration *m)
{
    return m->parts[GS_TIME_PYTHON].became_ns + m->parts[GS_TIME_NATIVE].became_ns;
}

void gs_migration_free(struct gs_migration *m)
{
    for (size_t i = 0; i < m->n_parts; i++) {
        free(m->parts[i].what);
        gs_stack_text_free(m->parts[i].stack);
    }
    memset(m, 0, sizeof(*m));
}
