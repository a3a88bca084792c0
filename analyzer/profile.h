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

#include "analyzer/counters.h"
#include "analyzer/profile_cuda.h"

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
enum gs_frame_kind { /* in the order of gs_frame_kind_names[] */
                     GS_FRAME_PYTHON,
                     GS_FRAME_NATIVE,
                     GS_FRAME_INLINED, /* native, inlined into the frame above it */
                     GS_FRAME_SYNTHETIC
};
struct gs_prof_frame {
    const char *file, *func; /* UTF-8, terminated; func is the qualified name where known */
    int32_t line;            /* the executing line; -1 unknown */
    enum gs_frame_kind kind;
    const char *module; /* path of a native frame's ELF file; "" for all others, and for code in
                         * none */
    uint64_t address;   /* native: its lowest one, in the module's own terms */
};
struct gs_profile;
struct gs_prof_node {
    uint32_t parent; /* < own index */
    uint32_t frame;
};
/* Synthetic frames ("(lost)") are nobody's code. */
bool gs_profile_is_code(const struct gs_profile *p, uint32_t node);
static inline bool gs_frame_is_native(const struct gs_prof_frame *f)
{
    return f->kind == GS_FRAME_NATIVE || f->kind == GS_FRAME_INLINED;
}
bool gs_profile_has_native(const struct gs_profile *p);
/* Of a function nobody knows: the name has its address and module already. */
bool gs_frame_is_raw(const struct gs_prof_frame *f);
extern const char *const gs_frame_kind_names[];
/* The node of the stack's innermost Python frame; `node` where it has none. */
uint32_t gs_profile_python_node(const struct gs_profile *p, uint32_t node);
/* Synthetic frames have file "" and func "(not sampled)", "(no stack)", "(truncated)", "(lost)",
 * "(before the detail)", "(no native stack)", "(unknown)". */

/* Which frames of a native stack are shown. */
enum gs_stack_view {
    GS_STACKS_BOTH, /* native frames, those of the interpreter's loop replaced by Python's */
    GS_STACKS_PYTHON,
    GS_STACKS_NATIVE
};

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

/* ---- memory; all sizes in bytes ---- */
struct gs_prof_memory_sample {
    uint64_t t_ns; /* since the start */
    uint64_t arenas, arena_bytes;
    uint64_t pool_used_bytes;   /* blocks in use */
    uint64_t pool_free_bytes;   /* free blocks of pools that have a block in use */
    uint64_t pinned_free_bytes; /* that, and the empty pools of live arenas */
    uint64_t rss_bytes, file_rss_bytes, chunk_bytes;
};
struct gs_prof_size_class {
    uint64_t size_bytes, pools, blocks_used, blocks_total;
};
/* Parts of what is resident, in the order they are shown: X(NAME, "key", "text") */
#define GS_EXPLAINED_LIST(X)                                                                       \
    X(ARENAS_USED, "arenas_used", "Python's arenas: blocks in use")                                \
    X(ARENAS_FREE, "arenas_free", "Python's arenas: free blocks and emptied pools")                \
    X(ARENAS_OVERHEAD, "arenas_overhead", "Python's arenas: headers and rounding")                 \
    X(FRAME_STACKS, "frame_stacks", "Python's frame stacks")                                       \
    X(HEAP_IN_USE, "heap_in_use", "the C library's heap: in use")                                  \
    X(HEAP_RETAINED, "heap_retained", "the C library's heap: free but kept")                       \
    X(HEAP, "heap", "the C library's heap")                                                        \
    X(THREAD_HEAPS, "thread_heaps", "the C library's heaps of threads")                            \
    X(FILE, "file", "pages of files")                                                              \
    X(FILE_PRIVATE, "file_private", "private copies of such pages, zeroed data")                   \
    X(STACK, "stack", "the main thread's stack")                                                   \
    X(AGENT, "agent", "gilscope's own")                                                            \
    X(OTHER, "other", "other anonymous mappings")

enum gs_explained {
#define X(NAME, key, text) GS_EXPLAINED_##NAME,
    GS_EXPLAINED_LIST(X)
#undef X
        GS_N_EXPLAINED
};
extern const char *const gs_explained_keys[GS_N_EXPLAINED], *const gs_explained_texts[];
struct gs_prof_alloc { /* the sampler of allocations */
    uint64_t mean_bytes, samples, lost_allocs, lost_frees;
    uint64_t live_samples, live_bytes;
    uint64_t pinned_bytes; /* what arenas that have a block in use keep from the system */
    char *no_allocs;       /* why there are no samples; NULL: there may be */
};
struct gs_prof_memory {
    struct gs_prof_memory_sample *samples; /* by time; first, last and peak, and at most 1,000 */
    size_t n_samples;
    size_t peak;                        /* the sample with most arena_bytes */
    struct gs_prof_size_class *classes; /* of the last sample, those with pools, smallest first */
    size_t n_classes;
    bool has_maps; /* else what follows, down to `unexplained`, is 0 */
    uint64_t maps_t_ns, rss_bytes, pss_bytes, anonymous_bytes, uss_bytes, swap_bytes;
    uint64_t explained[GS_N_EXPLAINED]; /* they and the unexplained add up to rss_bytes */
    int64_t unexplained_bytes;          /* below 0: less is resident than is said to be in use */
    char *no_arenas;                    /* why there are no arenas; NULL: there may be */
    struct gs_prof_alloc *alloc;        /* NULL: allocations were not sampled */
};

/* Live sampled allocations of one stack, and the free bytes that they keep in arenas. */
struct gs_prof_alloc_row {
    uint32_t process, node;
    uint64_t live_bytes, live_blocks, pinned_bytes, samples;
};

/* Pools of arenas over time, for the map. */
#define GS_PROF_ARENA_POOLS 64
struct gs_prof_arena {
    uint32_t id, pools, node; /* node 0: the stack is not known */
    uint64_t address, bytes;
    uint64_t born_ns;
    int64_t died_ns; /* -1: it lives */
};
struct gs_prof_cells { /* of an arena: size class << 10 | blocks in use; 0: never used */
    uint32_t arena;    /* index into the map's arenas[] */
    uint16_t cells[GS_PROF_ARENA_POOLS];
};
struct gs_prof_snapshot { /* says which arenas differ from the snapshot before */
    uint64_t t_ns;
    size_t first, n; /* cells[first] to cells[first + n - 1] */
};
struct gs_prof_arena_map {
    uint32_t process, pool_bytes;
    struct gs_prof_arena *arenas; /* by address */
    size_t n_arenas, left_out;
    struct gs_prof_snapshot *snapshots;
    size_t n_snapshots, cap_snapshots;
    struct gs_prof_cells *cells;
    size_t n_cells, cap_cells;
};

/* Garbage collections: sums over the interpreters of a process. */
#define GS_PROF_GENERATIONS 3u
struct gs_prof_gc {
    bool seen;
    bool is_measured; /* time_ns: by Python; else estimated from the looks that found one */
    uint64_t interpreters;
    uint64_t collections[GS_PROF_GENERATIONS]; /* the youngest first */
    uint64_t collected, uncollectable;         /* objects */
    uint64_t time_ns, looks, hits, live;       /* live: containers, at last */
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
    struct gs_prof_memory *memory;     /* NULL: nothing of it was recorded */
    struct gs_prof_cuda *cuda;         /* the same */
    struct gs_prof_counters *counters; /* the same */
    struct gs_prof_gc gc;
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
    uint64_t bytes, of_bytes;
};

/* Of one process and counter, most first; the caller frees. */
struct gs_prof_count_row *gs_count_rows_of(const struct gs_profile *p, size_t process, size_t at,
                                           size_t *n);

struct gs_savings;
struct gs_profile {
    const char *engine;   /* that counted */
    char *engine_why_not; /* why it is not the one that was asked for, NULL if it is */
    char *engine_devices; /* what each device counted, a line for each; NULL: none was used */
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
    struct gs_prof_alloc_row *alloc_rows; /* sorted by process, node */
    size_t n_alloc_rows;
    struct gs_prof_arena_map *arena_maps; /* one for each process that has arenas */
    size_t n_arena_maps;
    struct gs_prof_cuda_row *cuda_rows; /* sorted by process, node */
    size_t n_cuda_rows;
    struct gs_prof_cuda_held_row *cuda_held_rows; /* the same */
    size_t n_cuda_held_rows;
    struct gs_prof_count_row *count_rows; /* sorted by process, counter, node */
    size_t n_count_rows;
    struct gs_prof_stack_total *holders,
        *waiters; /* heaviest first: by blamed then hold; by wait */
    size_t n_holders, n_waiters;
    struct gs_finding *findings; /* most important first, at most 7 */
    size_t n_findings;
    char *verdict;                    /* one sentence */
    const struct gs_savings *savings; /* report --whatif: of the same captures; not owned */
    char **strings;                   /* owns what frames[] point to */
    size_t n_strings;
};

#endif
