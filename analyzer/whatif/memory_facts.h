/* SPDX-License-Identifier: MIT
 * What one process's capture says of its memory over time, without the agent's own: as much as is
 * left when the recording itself is gone. All bytes are at most GS_BYTES_MAX, whatever records say.
 * Times are Unix time, ns, so that processes can be laid beside each other.
 */
#ifndef GS_WHATIF_MEMORY_FACTS_H
#define GS_WHATIF_MEMORY_FACTS_H

#include "analyzer/columns.h"

/* What a footprint is made of: X(NAME); behind them the 32 size classes of pymalloc, from class 1
 * on. All of it but FILE is anonymous memory.
 *   FILE       resident pages of files
 *   FIXED      private copies of such pages, zeroed data, the main thread's stack
 *   HEAP_USED  blocks of the C library's heaps that are in use: Python's of more than 512 bytes too
 *   REST       what is free but resident: in arenas, and in the C library's heap
 *   OTHER      the rest: large blocks, threads' stacks
 */
#define GS_FOOTPRINT_LIST(X) X(FILE) X(FIXED) X(HEAP_USED) X(REST) X(OTHER)
enum {
#define X(NAME) GS_FOOT_##NAME,
    GS_FOOTPRINT_LIST(X)
#undef X
        GS_FOOT_CLASSES,
    GS_N_FOOT = GS_FOOT_CLASSES + GS_POOL_CLASSES
};
struct gs_footprint {
    uint64_t bytes[GS_N_FOOT];
};
uint64_t gs_footprint_anonymous(const struct gs_footprint *f);

struct gs_memory_moment {
    uint64_t t_ns;
    struct gs_footprint of;
    uint64_t pss_bytes;    /* without the agent's; of a process without MAPS its resident bytes */
    uint64_t shared_bytes; /* of that: its share of pages that others have, too */
    uint64_t maps_ns;      /* when that was read; 0: it was not */
    uint64_t agent_bytes;
};

struct gs_memory_device { /* a device of this process */
    char *name;           /* of the machine: bus id, or where it has none the ordinal */
    uint64_t context_bytes;
    bool context_known;
};
struct gs_memory_device_moment {
    uint64_t t_ns, bytes; /* allocated on all devices together */
};

struct gs_memory_facts {
    uint32_t pid, ppid;
    uint64_t born_ns, died_ns;
    bool free_threaded;
    bool forked; /* it has arenas that are older than it is */
    bool helper; /* multiprocessing's own: threads need none */
    size_t n_threads;
    struct gs_memory_moment *moments; /* by time */
    size_t n_moments;
    struct gs_memory_device *devices;
    size_t n_devices;
    struct gs_memory_device_moment *device_moments;
    size_t n_device_moments;
    bool has_cuda;
    bool damaged;  /* parts of the capture are: nothing may be said of devices either */
    char *why_not; /* nothing may be said of its memory; or NULL */
};

/* r: read, and not needed for its memory or CUDA any more (they are sorted, texts are taken). */
void gs_memory_facts_take(struct gs_recording *r, const struct gs_stacks *stacks,
                          struct gs_memory_facts *out);
/* The last moment at or before t_ns, else the first one; NULL: it has none. */
const struct gs_memory_moment *gs_memory_facts_at(const struct gs_memory_facts *f, uint64_t t_ns);
void gs_memory_facts_free(struct gs_memory_facts *f);

#endif
