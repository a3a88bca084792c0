/* SPDX-License-Identifier: MIT
 * Memory of devices: contexts once for each device, allocations added up.
 */
#include <stdlib.h>
#include <string.h>

#include "analyzer/whatif/job_memory.h"
#include "analyzer/whatif/memory_changes.h"
#include "analyzer/xalloc.h"

/* ---- allocations ---- */

static struct gs_memory_change *all_changes(const struct gs_whatif_memory *m, size_t *n)
{
    size_t room = 1;
    for (size_t i = 0; i < m->n_facts; i++)
        room += m->facts[i].n_device_moments + 1;
    struct gs_memory_change *all = gs_xcalloc(room, sizeof(*all));
    *n = 0;
    for (size_t i = 0; i < m->n_facts; i++) {
        const struct gs_memory_facts *f = &m->facts[i];
        for (size_t k = 0; k < f->n_device_moments; k++)
            all[(*n)++] =
                (struct gs_memory_change){f->device_moments[k].t_ns, i, f->device_moments[k].bytes};
        all[(*n)++] = (struct gs_memory_change){f->died_ns + 1, i, 0};
    }
    return all;
}

/* What all have allocated, at the moment of the most. */
static uint64_t most_allocated(const struct gs_whatif_memory *m)
{
    size_t n;
    uint64_t at_ns;
    struct gs_memory_change *all = all_changes(m, &n);
    uint64_t most = gs_memory_changes_most(all, n, m->n_facts, &at_ns);
    free(all);
    return most;
}

/* ---- contexts ---- */

static int by_name(const void *pa, const void *pb)
{
    const struct gs_memory_device *a = *(struct gs_memory_device *const *)pa;
    const struct gs_memory_device *b = *(struct gs_memory_device *const *)pb;
    int order = strcmp(a->name, b->name);
    if (order || a->context_bytes == b->context_bytes)
        return order;
    return a->context_bytes < b->context_bytes ? -1 : 1;
}

static struct gs_memory_device **all_devices(const struct gs_whatif_memory *m, size_t *n)
{
    size_t room = 0;
    for (size_t i = 0; i < m->n_facts; i++)
        room += m->facts[i].n_devices;
    struct gs_memory_device **all = gs_xmalloc(room, sizeof(*all));
    *n = 0;
    for (size_t i = 0; i < m->n_facts; i++)
        for (size_t k = 0; k < m->facts[i].n_devices; k++)
            all[(*n)++] = &m->facts[i].devices[k];
    if (*n)
        qsort(all, *n, sizeof(*all), by_name);
    return all;
}

/* The greatest context of each device, and what differs from it: kernels that only some of the
 * processes have loaded, which one process has all of. */
static void sum_contexts(struct gs_whatif_memory *m, uint64_t *once, uint64_t *spread)
{
    size_t n;
    struct gs_memory_device **all = all_devices(m, &n);
    *once = *spread = 0;
    m->cuda_contexts_known = n > 0;
    for (size_t i = 0; i < n; i++) {
        uint64_t bytes = all[i]->context_bytes;
        m->cuda_contexts_known &= all[i]->context_known;
        m->cuda_context_bytes = gs_add_sat(m->cuda_context_bytes, bytes);
        if (i + 1 < n && !strcmp(all[i]->name, all[i + 1]->name)) {
            *spread = gs_add_sat(*spread, all[i + 1]->context_bytes - bytes);
            continue;
        }
        *once = gs_add_sat(*once, bytes);
        m->devices++;
    }
    free(all);
}

void gs_whatif_memory_cuda(struct gs_whatif_memory *m)
{
    uint64_t once, spread, allocated;
    bool damaged = false;
    for (size_t i = 0; i < m->n_facts; i++) {
        damaged |= m->facts[i].damaged;
        m->has_cuda |= m->facts[i].has_cuda;
    }
    m->has_cuda &= !damaged;
    if (!m->has_cuda)
        return;
    sum_contexts(m, &once, &spread);
    allocated = most_allocated(m);
    m->cuda_now_bytes = gs_add_sat(m->cuda_context_bytes, allocated);
    m->cuda_threads_bytes[0] = m->cuda_threads_bytes[1] = gs_add_sat(once, allocated);
    m->cuda_threads_bytes[2] = gs_add_sat(m->cuda_threads_bytes[1], spread);
}
