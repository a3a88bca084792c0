/* SPDX-License-Identifier: MIT
 * The result of an analysis: what every exporter, the terminal summary and the report print.
 * All values are integers (ns, counts); percentages are made where they are printed. Owned by the
 * caller of gs_profile_build(); freed with gs_profile_free(). Nothing points into a capture.
 */
#ifndef GS_PROFILE_H
#define GS_PROFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GS_THREAD_NONE  (-1)
#define GS_THREAD_ENDED 0xfffffffeu /* all together that ended before the detail */

/* Log-linear histogram, 16 buckets an octave, of nanoseconds. Sorted by lower bound, no empties. */
struct gs_hist_bucket {
    uint64_t lower_ns, count;
};
struct gs_hist {
    struct gs_hist_bucket *buckets;
    size_t n;
};

/* Frames and stacks are shared by all processes of a job; content-addressed, so equal stacks of two
 * processes are one node. Node 0 is the root (no frame). */
struct gs_prof_frame {
    const char *file, *func; /* UTF-8, terminated; func is the qualified name where known */
    int32_t line;            /* the executing line; -1 unknown */
};
struct gs_prof_node {
    uint32_t parent; /* < own index */
    uint32_t frame;
};
/* Synthetic frames have file "" and func "(not sampled)", "(no stack)", "(truncated)", "(lost)",
 * "(before the detail)". */

/* Self values of one stack in one thread. Sums over all rows equal the threads' totals exactly. */
struct gs_prof_row {
    uint32_t process, thread; /* thread: index into the process's threads[] */
    uint32_t node;
    uint64_t hold_ns;     /* measured and estimated together */
    uint64_t hold_est_ns; /* the part spread by Poisson samples */
    uint64_t blamed_ns;   /* time others waited while this stack held */
    uint64_t wait_ns;     /* time this stack waited */
    uint64_t hold_count, wait_count;
    uint64_t long_hold_ns, long_holds; /* stretches of 10 ms and more while a drop was asked for */
};

struct gs_prof_thread {
    uint32_t thread; /* dense index within the process */
    uint32_t tid;
    uint32_t gil; /* index into gils[] */
    char *name;   /* Python's name where known, else the OS's */
    uint64_t hold_ns, wait_ns, open_hold_ns, open_wait_ns;
    uint64_t acquisitions, releases, contended, forced_drops;
    uint64_t cpu_ns, runqueue_ns;
    uint64_t wait_p50_ns, wait_p99_ns, wait_max_ns;
    uint64_t blamed_ns;
    uint64_t first_ns, last_ns; /* on the process's clock, from its start */
};

struct gs_prof_gil {
    int64_t interpreter;
    uint64_t hold_ns, wait_ns, open_hold_ns, open_wait_ns;
    uint64_t acquisitions, contended, forced_drops;
    uint64_t unknown_holder_ns; /* wait that no recorded turn explains: lost events, or before the
                                 * detail */
    struct gs_hist wait_hist, hold_hist;
};

struct gs_prof_pair { /* thread indexes, or both -1 for the rest past 1,000 pairs, see engine.h */
    int64_t waiter, holder;
    uint64_t ns;
};

/* Chain: waiter's stack x holder's stack, the heaviest ones; for "who blocks whom". */
struct gs_prof_chain {
    uint32_t process, waiter_node, holder_node;
    uint64_t ns, count;
};

/* Wake-up edge totals by thread pair. */
struct gs_prof_edge {
    int64_t waker, wakee;
    uint64_t blocked_ns, count;
};

/* Share of time per bin: state of the GIL and the waiters over the process's life. */
struct gs_prof_timeline {
    uint64_t bin_ns;
    size_t n;
    uint64_t *hold_ns; /* per bin: GIL held by a recorded turn */
    uint64_t *wait_ns; /* per bin: sum over waiting threads */
};

struct gs_prof_process {
    uint64_t key;
    uint32_t pid, ppid, python_hex;
    bool free_threaded;
    bool ended;    /* in order: exit or exec, not SIGKILL */
    bool complete; /* ended, and nothing of the capture is missing or damaged */
    int64_t start_unix_ns;
    uint64_t duration_ns;
    char *exe, *hostname, *python, *agent_version;
    char **cmdline, **settings; /* settings: "key=value" */
    size_t n_cmdline, n_settings;
    struct gs_prof_gil gil; /* sum over gils[] */
    struct gs_prof_gil *gils;
    size_t n_gils;
    struct gs_prof_thread *threads;
    size_t n_threads;
    struct gs_prof_pair *blame;
    size_t n_blame;
    struct gs_prof_edge *edges;
    size_t n_edges;
    struct gs_prof_timeline timeline;
    uint64_t detail_from_ns; /* since the start: stacks, blame and times are of what came after;
                              * totals of everything. 0: so are they */
    uint64_t lost_events, lost_chunks, lost_definitions;
    uint64_t overhead_ns, process_cpu_ns; /* agent's own cost; process's CPU time */
    uint32_t level, level_end;
    char *notes; /* one line each: level changes, passive, disk full ... NULL if none */
};

struct gs_prof_stack_total { /* top_holders, top_waiters: by node over the whole job */
    uint32_t node;
    uint64_t hold_ns, blamed_ns, wait_ns, hold_count, wait_count, hold_est_ns;
};

enum gs_severity { GS_SEV_HIGH, GS_SEV_MEDIUM, GS_SEV_LOW };
struct gs_finding {
    const char *id; /* stable, "gil-blame-stack" */
    enum gs_severity severity;
    char *claim;      /* one sentence with numbers */
    char *suggestion; /* what to do or type next */
    /* evidence; -1 / 0 where it does not apply */
    int64_t process, thread, node;
    uint64_t ns, of_ns;
};

struct gs_profile {
    const char *engine;
    uint32_t format_major, format_minor;
    size_t n_files;
    bool ended, complete; /* all processes */
    uint64_t duration_ns, lost_events, overhead_ns, process_cpu_ns;
    uint64_t damaged_chunks, skipped_bytes; /* what the reader could not use */
    struct gs_prof_process *processes;
    size_t n_processes;
    struct gs_prof_frame *frames;
    size_t n_frames;
    struct gs_prof_node *nodes;
    size_t n_nodes;
    struct gs_prof_row *rows; /* sorted by process, thread, node */
    size_t n_rows;
    struct gs_prof_chain *chains; /* heaviest first, at most 1,000 */
    size_t n_chains;
    struct gs_prof_stack_total *holders,
        *waiters; /* heaviest first: by blamed then hold; by wait */
    size_t n_holders, n_waiters;
    struct gs_finding *findings; /* most important first, at most 7 */
    size_t n_findings;
    char *verdict;  /* one sentence */
    char **strings; /* owns what frames[] point to */
    size_t n_strings;
};

#endif
