/* SPDX-License-Identifier: MIT
 * Ways to print a whole profile. All three print the same integers.
 */
#ifndef GS_STATS_H
#define GS_STATS_H

#include <stdbool.h>
#include <stdio.h>

#include "analyzer/json_writer.h"
#include "analyzer/profile.h"

/* `gilscope stats --json`: the document of contract.md. False when writing failed. */
bool gs_stats_json(const struct gs_profile *p, FILE *out);

/* What the report page embeds: the same document plus frames, nodes, rows, chains, verdict,
 * timelines, edges, allocations, maps of arenas and CUDA (viz/profile.schema.json). Not
 * pretty-printed.
 */
bool gs_report_json(const struct gs_profile *p, FILE *out);

struct gs_text_options {
    bool colour;    /* see gs_stats_want_colour() */
    unsigned width; /* columns; 0 means 80 */
    unsigned top;   /* rows of each table; 0 means 10 */
};
/* `gilscope stats`: verdict, findings, threads, stacks, memory, data quality. */
bool gs_stats_text(const struct gs_profile *p, const struct gs_text_options *options, FILE *out);
/* A terminal, and NO_COLOR is not set, and TERM is not dumb. */
bool gs_stats_want_colour(FILE *out);

/* Shared by both JSON documents: writes the members of the open object. */
void gs_stats_json_members(struct gs_json *j, const struct gs_profile *p, bool with_report_parts);
/* "stack": frames, outermost first. */
void gs_stats_json_stack(struct gs_json *j, const struct gs_profile *p, uint32_t node);
/* stats_gc.c: "gc" of one process. */
void gs_stats_json_gc(struct gs_json *j, const struct gs_prof_process *p);
/* stats_memory_json.c: "memory" of one process, and of the job. */
void gs_stats_json_memory(struct gs_json *j, const struct gs_profile *p, size_t process,
                          bool with_report_parts);
void gs_stats_json_job_memory(struct gs_json *j, const struct gs_profile *p);
/* stats_cuda_json.c: the same for "cuda". */
void gs_stats_json_cuda(struct gs_json *j, const struct gs_profile *p, size_t process,
                        bool with_report_parts);
void gs_stats_json_job_cuda(struct gs_json *j, const struct gs_profile *p);
/* stats_counters_json.c: "counters" of one process, where there are any. */
void gs_stats_json_counters(struct gs_json *j, const struct gs_profile *p, size_t process,
                            bool with_report_parts);
/* "count_rows" of the report. */
void gs_report_json_counters(struct gs_json *j, const struct gs_profile *p);
/* report_memory_json.c: "alloc_rows" and "arena_maps". */
void gs_report_json_memory(struct gs_json *j, const struct gs_profile *p);
/* report_cuda_json.c: "cuda_rows", "cuda_held_rows" and "cuda_stack_curves". */
void gs_report_json_cuda(struct gs_json *j, const struct gs_profile *p);

#endif
