/* SPDX-License-Identifier: MIT
 * How many bytes free-threaded Python needs for what a footprint holds: see README.md, "Memory".
 */
#ifndef GS_WHATIF_MEMORY_MODEL_H
#define GS_WHATIF_MEMORY_MODEL_H

#include "analyzer/whatif/memory_facts.h"

/* p10, p50, p90, in bytes. */
struct gs_bytes_range {
    double low, mid, high;
};

/* free_threaded: the bytes are of that build already. */
struct gs_bytes_range gs_memory_of_data(const struct gs_footprint *f, bool free_threaded);
/* Of a process's main thread: its interpreter and its modules, and whatever data it has. */
struct gs_bytes_range gs_memory_of_process(const struct gs_footprint *f, bool free_threaded);
/* Of n threads more, each with data of `classes` size classes. */
struct gs_bytes_range gs_memory_of_threads(size_t n, unsigned classes, bool free_threaded);
/* The middles added up, and the deviations as those of what is independent. */
struct gs_bytes_range gs_memory_sum(const struct gs_bytes_range *parts, size_t n);

#endif
