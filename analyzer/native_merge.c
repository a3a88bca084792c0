/* SPDX-License-Identifier: MIT */
#include "analyzer/native_merge.h"

static void put(struct gs_merged_stack *out, uint32_t frame)
{
    if (out->n < GS_STACK_MAX_DEPTH)
        out->frames[out->n++] = frame;
    else
        out->truncated = true; /* the outermost ones are those that go */
}

static void put_python(struct gs_merged_stack *out, const struct gs_python_list *p, size_t from,
                       size_t n)
{
    for (size_t i = from; i < from + n; i++)
        put(out, p->frames[i]);
}

static size_t count_loops(const struct gs_native_list *native)
{
    size_t n = 0;
    for (size_t i = 0; i < native->n; i++)
        n += native->at[i].is_loop;
    return n;
}

/* The runs are those of the innermost loops. Where one side is cut the other may have more; frames
 * that no run has are outside of all: on no stack of this thread, or below what is left of it. */
static bool fits(const struct gs_native_list *native, const struct gs_python_list *p, size_t loops)
{
    size_t left = p->n;
    for (size_t i = 0; i < p->n_runs; left -= p->runs[i++])
        if (p->runs[i] > left)
            return false;
    if (loops < p->n_runs)
        return native->truncated;
    return loops == p->n_runs || p->truncated || p->n == 0;
}

static void merge_runs(const struct gs_native_list *native, const struct gs_python_list *p,
                       uint32_t gap, struct gs_merged_stack *out)
{
    size_t run = 0, done = 0;
    for (size_t i = 0; i < native->n; i++) {
        if (!native->at[i].is_loop || run == p->n_runs) {
            put(out, native->at[i].frame);
            continue;
        }
        put_python(out, p, done, p->runs[run]);
        done += p->runs[run++];
    }
    if (native->truncated && done < p->n)
        put(out, gap);
    put_python(out, p, done, p->n - done);
    out->truncated |= p->truncated || (native->truncated && done == p->n);
}

/* What the innermost loop called is certain all the same: it is called by the innermost frame.
 * Where there should be a loop and none is known, nothing is. */
static void stack_up(const struct gs_native_list *native, const struct gs_python_list *p,
                     struct gs_merged_stack *out)
{
    bool is_certain = native->truncated || p->n_runs == 0 || count_loops(native) > 0;
    for (size_t i = 0; is_certain && i < native->n && !native->at[i].is_loop; i++)
        put(out, native->at[i].frame);
    put_python(out, p, 0, p->n);
    out->truncated |= p->truncated;
}

void gs_native_merge(const struct gs_native_list *native, const struct gs_python_list *python,
                     uint32_t gap, struct gs_merged_stack *out)
{
    struct gs_python_list p = *python;
    out->n = 0;
    out->truncated = false;
    if (p.n == 0)
        p.n_runs = 0; /* their frames are not known: the loops stand for themselves */
    if (fits(native, &p, count_loops(native)))
        merge_runs(native, &p, gap, out);
    else
        stack_up(native, python, out);
}
