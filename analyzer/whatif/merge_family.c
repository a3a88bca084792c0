/* SPDX-License-Identifier: MIT
 * Who made whom: by process ids, as far as the two lived at one time on one machine. Its clock has
 * to be the same one: a capture says what it was at a moment of the calendar.
 */
#include <stdlib.h>
#include <string.h>

#include "analyzer/whatif/merge_parts.h"

#define CALENDAR_AGREES_NS 5000000000 /* which may be set meanwhile */

static bool of_one_machine(const struct gs_recording *a, const struct gs_recording *b)
{
    int64_t zero_a = a->start_unix_ns - (int64_t)a->start_ns;
    int64_t zero_b = b->start_unix_ns - (int64_t)b->start_ns;
    int64_t apart_ns = zero_a > zero_b ? zero_a - zero_b : zero_b - zero_a;
    return a->hostname && b->hostname && strcmp(a->hostname, b->hostname) == 0 &&
           apart_ns < CALENDAR_AGREES_NS;
}

/* Of several images of one process (exec), the one that was there. */
static uint32_t parent_of(struct gs_part *const *parts, size_t n, const struct gs_part *child)
{
    for (size_t i = 0; i < n; i++) {
        const struct gs_recording *r = &parts[i]->r;
        bool lived = r->start_ns <= child->r.start_ns &&
                     child->r.start_ns <= r->end_ns + GS__CLOCKS_AGREE_NS;
        if (parts[i] != child && r->pid == child->r.ppid && r->pid != child->r.pid && lived &&
            r->start_ns < child->r.start_ns && of_one_machine(r, &child->r))
            return (uint32_t)i;
    }
    return GS_NO_PART;
}

static bool is_helper(const struct gs_recording *r)
{
    static const char *const words[] = {"resource_tracker import main", "forkserver import main"};
    for (size_t i = 0; i < r->n_cmdline; i++)
        for (size_t k = 0; k < sizeof(words) / sizeof(*words); k++)
            if (strstr(r->cmdline[i], words[k]))
                return true;
    return false;
}

static uint32_t first_to_run(const struct gs_evidence *e)
{
    uint32_t first = UINT32_MAX;
    for (uint32_t t = 0; t < e->n_threads; t++) {
        if (e->turn_from[t] == e->turn_from[t + 1])
            continue;
        if (first == UINT32_MAX ||
            e->turns[e->turn_from[t]].acq_ns < e->turns[e->turn_from[first]].acq_ns)
            first = t;
    }
    return first;
}

/* A parent began before its child: no circles. */
void gs__find_families(struct gs_part *const *parts, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        parts[i]->parent = parent_of(parts, n, parts[i]);
        parts[i]->is_helper = is_helper(&parts[i]->r);
        parts[i]->main_thread = first_to_run(&parts[i]->e);
    }
    for (size_t i = 0; i < n; i++) {
        uint32_t root = (uint32_t)i;
        while (parts[root]->parent != GS_NO_PART)
            root = parts[root]->parent;
        parts[i]->root = root;
    }
}
