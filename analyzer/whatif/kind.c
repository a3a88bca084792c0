/* SPDX-License-Identifier: MIT
 * Three kinds of programs, and what S is of each: README.md, "Kinds of programs".
 */
#include <stdlib.h>
#include <string.h>

#include "analyzer/whatif/from_capture.h"
#include "analyzer/xalloc.h"

typedef unsigned __int128 u128;

const char *const gs_kind_names[] = {"unknown", "batch", "loop", "arrivals"};

enum gs_program_kind gs_kind_named(const char *name)
{
    enum gs_program_kind kind = GS_KIND_ARRIVALS;
    while (kind != GS_KIND_UNKNOWN && strcmp(gs_kind_names[kind], name) != 0)
        kind--;
    return kind;
}

static int by_value(const void *pa, const void *pb)
{
    uint64_t a = *(const uint64_t *)pa, b = *(const uint64_t *)pb;
    return a < b ? -1 : a > b;
}

static void find_middle(struct gs_capture_program *c)
{
    size_t n = c->program.n_marks;
    uint64_t *sorted = gs_xmalloc(n + 1, sizeof(*sorted));
    memcpy(sorted, c->mark_ns, n * sizeof(*sorted));
    qsort(sorted, n, sizeof(*sorted), by_value);
    c->mark_from_ns = sorted[n / 8];
    c->mark_to_ns = sorted[n - 1 - n / 8];
    free(sorted);
}

static enum gs_program_kind guess(const struct gs_capture_program *c, const struct gs_recording *r,
                                  const struct gs_marks *marks)
{
    bool cut = !r->ended || r->end_reason != GS_EVENT_EXIT;
    if (marks->accepts && c->n_arrivals >= GS_MARKS_LEAST)
        return GS_KIND_ARRIVALS;
    return cut && c->program.n_marks >= GS_MARKS_LEAST ? GS_KIND_LOOP : GS_KIND_BATCH;
}

/* Without the part of the time in which the GIL stood still. */
static uint64_t shortened(const struct gs_capture_program *c, uint64_t ns)
{
    return (uint64_t)((u128)ns * c->wall_ns / (c->wall_ns + c->no_core_ns + !c->wall_ns));
}

const char *gs_kind_find(struct gs_capture_program *c, const struct gs_recording *r,
                         const struct gs_marks *marks, const struct gs_kind_options *options)
{
    bool marked = c->program.n_marks >= GS_MARKS_LEAST;
    if (options->names.progress && !marks->unit)
        return "nothing that --progress names was done in it: no item was got there, nobody waited "
               "there without the GIL, no lock was taken there";
    c->progress = marks->what ? gs_xasprintf("%s", marks->what) : NULL;
    if (c->program.n_marks)
        find_middle(c);
    c->kind = options->kind ? options->kind : guess(c, r, marks);
    c->kind_is_guess = !options->kind && c->kind != GS_KIND_BATCH;
    c->by_marks = c->kind != GS_KIND_BATCH && marked;
    c->base_ns = c->by_marks ? shortened(c, c->mark_to_ns - c->mark_from_ns) : c->wall_ns;
    c->whole_ns = c->wall_ns;
    if (c->kind == GS_KIND_LOOP && !marked)
        return "of a loop fewer than 16 units of work were done: name with --progress what it does";
    if (c->kind == GS_KIND_ARRIVALS && c->n_arrivals == 0)
        return "it is not known where it waits for what others send: name the function with "
               "--outside";
    gs_marks_set_came(&c->program, c->arrivals, c->n_arrivals);
    return NULL;
}
