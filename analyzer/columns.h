/* SPDX-License-Identifier: MIT
 * One recorded process: times in ns, threads and stacks as dense indexes. Built from the process's
 * chunks in the order of their numbers; the rows of its GILs, of which there may be more than there
 * is memory, stay where they are (windows.h).
 */
#ifndef GS_COLUMNS_H
#define GS_COLUMNS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "analyzer/clock.h"
#include "analyzer/counted.h"
#include "analyzer/cuda_rows.h"
#include "analyzer/memory_rows.h"
#include "analyzer/profile.h"
#include "analyzer/stacks.h"
#include "analyzer/trace_reader.h"
#include "analyzer/windows.h"

struct gs_gil_columns {
    uint32_t id;
    bool defined; /* a GIL record was there */
    int64_t interpreter;
    uint64_t switch_us; /* its switch interval; 0: not known */
    struct gs_chunk_list slice_chunks, sample_chunks;
    struct gs_windows rows;   /* of them */
    struct gs_summap weights; /* thread, node -> points in uncontended holds (count) */
};

struct gs_rec_thread {
    uint32_t id, tid;
    uint64_t first_ns, end_ns; /* end 0: not seen */
    char *os_name, *python_name;
    uint64_t cpu_ns, runqueue_ns;
    uint64_t gc_ns; /* of hit_ns of all interpreters, in this thread */
};
/* GC and GC_GENERATION of one interpreter: the last ones. Counts and times are at most
 * GS_GC_COUNT_MAX. */
#define GS_GC_GENERATIONS 3u
#define GS_GC_COUNT_MAX   (UINT64_C(1) << 50)
struct gs_rec_generation {
    uint64_t t_ns, collections, collected, uncollectable;
    uint32_t threshold; /* 0: none */
};
struct gs_rec_gc {
    uint64_t interpreter;
    bool seen, enabled, has_duration;
    uint64_t t_ns, live, looks, looked_ns, hits, hit_ns, duration_ns;
    struct gs_rec_generation generations[GS_GC_GENERATIONS];
    unsigned __int128 live_area; /* `live` over time, ns */
    uint64_t live_first, live_from_ns;
};
/* TOTALS of one thread and GIL: the last one. Durations are ns. */
struct gs_rec_totals {
    uint32_t thread, gil; /* dense */
    bool seen;
    uint64_t t_ns;
    uint64_t acquisitions, releases, contended, forced;
    uint64_t folded_n, folded_ticks, lost_n, lost_ticks, lost_wait_n;
    uint64_t folded_ns, lost_ns, lost_wait_ns;
    uint64_t open_kind, open_since_ns, open_stack;
    /* Of that, before the detail: rows that are deleted, and turns folded then. */
    uint64_t gone_turns, gone_hold_ns, gone_waits, gone_wait_ns, gone_folded_n, gone_folded_ns;
    uint64_t n_ended;           /* GS_THREAD_ENDED: how many threads these were */
    struct gs_record fold_hist; /* the last FOLD_HIST, in the capture; tag 0 if none */
};

struct gs_row_context { /* what rows that stay in their chunks are decoded with */
    struct gs_recording *r;
    const struct gs_stacks *stacks;
};
struct gs_recording {
    uint64_t key;
    unsigned jobs;      /* threads that read it, 0 for all cores */
    size_t window_rows; /* 0 for the default: no result depends on it */
    bool no_pairs;      /* see struct gs_load_options */
    /* The last SEGMENT: chunks 1 to first_chunk - 1 are deleted, whether or not they are here. */
    uint64_t segment, first_segment, first_chunk, first_ticks;
    uint64_t detail_ns; /* when first_segment began; 0: nothing is deleted */
    bool has_process, clock_started;
    uint32_t pid, ppid, python_hex, level, level_end, n_cpus;
    bool free_threaded;
    int64_t start_unix_ns;
    char *exe, *hostname, *agent_version;
    char *exec_path; /* of the last exec, */
    bool in_exec;    /* which did not fail */
    uint64_t failed_execs;
    char **cmdline, **settings;
    size_t n_cmdline, n_settings;
    uint32_t locks, no_locks; /* enum gs_sync_type: recorded from some moment on; not, or no more */
    char *no_locks_why;
    char **modules; /* paths of extension modules, each once */
    size_t n_modules, cap_modules;
    struct gs_rec_gc *gcs; /* by interpreter, as they were met */
    size_t n_gcs, cap_gcs;
    char *no_gc; /* why collections are not recorded; NULL: they are, or the capture is older */
    struct gs_clock clock;
    uint64_t min_ns;           /* earliest time in any record */
    uint64_t start_ns, end_ns; /* first and last known time, CLOCK_MONOTONIC_RAW */
    bool ended;
    uint32_t end_reason; /* enum gs_event_kind, if it ended */
    uint64_t lost_slots, lost_definitions, lost_stacks, lost_writes, lost_chunks;
    uint64_t dropped_rows; /* sum of the chunks' lost_before: the same losses as lost_slots */
    uint64_t damaged_rows;
    uint64_t damaged_records, damaged_chunks;
    uint64_t unsound_chunks; /* the reader stepped over them; it counts them for all processes */
    uint64_t overhead_ns, process_cpu_ns;
    uint64_t hook_ns; /* of overhead_ns, in the program's threads */
    char *notes;

    struct gs_definitions defs;
    struct gs_idmap thread_map; /* id -> threads[] */
    struct gs_rec_thread *threads;
    size_t n_threads, cap_threads;
    struct gs_idmap gil_map; /* id -> gils[] */
    struct gs_gil_columns *gils;
    size_t n_gils, cap_gils;
    struct gs_idmap totals_map; /* thread, gil (dense) -> totals[] */
    struct gs_rec_totals *totals;
    size_t n_totals, cap_totals;
    struct gs_summap edges; /* waker, wakee (ids; GS_EDGE_NO_WAKER) -> blocked ns, count */
    struct gs_memory_rows memory;
    struct gs_cuda_rows cuda;
    struct gs_prof_counters *counters; /* NULL: there are none */
    struct gs_counted counted;
    struct gs_row_context row_context;
};

/* Clock and PROCESS record only: enough to put the processes of a job in order. */
void gs_recording_open(struct gs_recording *r, const struct gs_chunk_ref *chunks, size_t n);
/* Everything else; from here on it stays where it is. The chunks must outlive the recording (line
 * tables, FOLD_HIST). */
void gs_recording_read(struct gs_recording *r, struct gs_stacks *stacks,
                       const struct gs_chunk_ref *chunks, size_t n);
void gs_recording_free(struct gs_recording *r);

/* Dense index of an id, made on first sight. */
uint32_t gs_recording_thread(struct gs_recording *r, uint32_t id);
uint32_t gs_recording_gil(struct gs_recording *r, uint32_t id);
struct gs_rec_totals *gs_recording_totals(struct gs_recording *r, uint32_t thread, uint32_t gil);
void gs_recording_note(struct gs_recording *r, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Of PROCESS; 0 where it is not there. */
uint64_t gs_recording_setting(const struct gs_recording *r, const char *key);
void gs_recording_saw(struct gs_recording *r, uint64_t t_ns);
/* Nothing that was written is missing or damaged; what was never written is not known. */
bool gs_recording_is_whole(const struct gs_recording *r);

/* records.c: one RECORDS chunk, the passes over them. */
void gs__records_segments(struct gs_recording *r, const struct gs_chunk_ref *c);
void gs__records_first_pass(struct gs_recording *r, const struct gs_chunk_ref *c,
                            bool *ticks_are_ns);
void gs__records_definitions(struct gs_recording *r, struct gs_stacks *s,
                             const struct gs_chunk_ref *c);
/* chunk_columns.c: before the first columnar chunk; one of them. */
void gs__columns_begin(struct gs_recording *r, const struct gs_stacks *s);
void gs__chunk_columns(struct gs_recording *r, const struct gs_stacks *s,
                       const struct gs_chunk_ref *c, uint64_t *scratch);

#endif
