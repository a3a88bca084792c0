/* SPDX-License-Identifier: MIT
 * The rows of one GIL, cut into windows: stretches of seq whose rows fit the processor's caches. A
 * capture may hold more rows than there is memory; so chunks are decoded when their window is
 * worked on, and windows are worked on in any order and side by side. Where a window ends is no
 * fact of the recording: no result depends on it.
 *
 * 1. gs_windows_plan(): from the headers of the chunks, which say where their rows lie.
 * 2. gs_windows_survey(): one walk over all rows. What a window must know of the others: the rows
 *    around it, the waits that end behind it and reach into it; how sampled turns spend their time
 *    (turns.h), and which stacks are told apart in chains. It also finds damage.
 * 3. gs_window_load(): the rows of one window in order of seq, as often as anybody likes.
 */
#ifndef GS_WINDOWS_H
#define GS_WINDOWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "analyzer/chain_stacks.h"
#include "analyzer/slices.h"
#include "analyzer/turns.h"

struct gs_chunk_list { /* in the order of their numbers */
    const struct gs_chunk_ref **at;
    size_t n, cap;
};

/* As they lie in the files. */
uint64_t gs_chunk_list_bytes(const struct gs_chunk_list *list);

/* Rows of one chunk that are one window's own. */
struct gs_window_part {
    uint32_t chunk, window;
    bool first;     /* the chunk is in no window before */
    bool damaged;   /* not to be decoded again */
    uint64_t reach; /* least seq - ds of their waits; UINT64_MAX: none waits */
};
struct gs_window {
    uint64_t lo, last;                /* seq of its rows */
    size_t own, n_own;                /* parts[] */
    size_t reaching, n_reaching;      /* reaching[]: parts of later windows */
    size_t samples, n_samples;        /* sample_chunks[] */
    uint64_t n_rows;                  /* halves count twice; 0: as if it were not there */
    uint64_t first_seq, first_acq_ns; /* of its first row; the greatest of that seq */
    uint64_t max_acq_ns, before_ns;   /* greatest of its rows; of all rows before it */
    uint64_t next_seq, next_a_ns;     /* first row behind it; next_seq 0: there is none */
};

/* The last times of a thread's rows. */
struct gs_thread_last {
    uint64_t acq_ns, turn_acq_ns; /* of any row; of one with a TURN, */
    bool has_turn;                /* if there was one */
};

struct gs_windows {
    const struct gs_chunk_list *slices, *sample_list;
    struct gs_decoder_size size;
    bool no_pairs; /* see struct gs_load_options */
    struct gs_window *at;
    size_t n;
    struct gs_window_part *parts;
    size_t n_parts;
    uint32_t *reaching, *sample_chunks;
    size_t n_reaching;

    /* of the survey */
    uint64_t survey_ns;      /* wall clock that it took */
    uint64_t min_ns, max_ns; /* of releases; min_ns UINT64_MAX: there are no rows */
    uint64_t n_rows, damaged_chunks, damaged_rows; /* rows: halves count twice */
    struct gs_idmap threads;                       /* id -> last[] */
    struct gs_thread_last *last;
    size_t cap_last;
    struct gs_typicals typicals;
    struct gs_chain_stacks chains;
};

/* All three steps need the definitions of the recording. rows: of a window, 0 for the default.
 * jobs: threads, 0 for all cores. Plans and surveys. */
void gs_windows_open(struct gs_windows *w, const struct gs_chunk_list *slices,
                     const struct gs_chunk_list *samples, const struct gs_recording *r,
                     const struct gs_stacks *stacks, size_t rows, unsigned jobs);
void gs_windows_close(struct gs_windows *w);

/* ---- one window's rows ---- */
struct gs_part_place {
    uint64_t seq0;
    uint32_t part; /* of the window's own */
};
struct gs_window_rows {
    struct gs_row_columns c; /* each seq once, in order, monotone */
    size_t n;
    /* Waits of later windows that began in this window or before, each once, in order of seq; of
     * them seq, begin_ns, wait_actor, ds and flags are meant. */
    struct gs_slice *reaching;
    size_t n_reaching, cap_reaching;
    struct gs_slice *at; /* rows one by one, on their way to columns */
    size_t n_at, cap_at;
    struct gs_part_place *parts; /* of the window in hand */
    size_t cap_parts;
};
/* Into *rows, which is {0} or was loaded before; samples into d->samples, sorted. */
void gs_window_load(const struct gs_windows *w, size_t window, struct gs_decoder *d,
                    struct gs_window_rows *rows);
/* All rows there are in the order of the file, halves apart, not monotone, into rows->at; all
 * samples, unsorted. */
void gs_windows_load_raw(const struct gs_windows *w, struct gs_decoder *d,
                         struct gs_window_rows *rows);
void gs_window_rows_free(struct gs_window_rows *rows);
/* The window is done with for now: see gs_chunk_forget(). */
void gs_window_forget(const struct gs_windows *w, size_t window);

/* windows_survey.c, for windows.c */
void gs__survey(struct gs_windows *w, const struct gs_recording *r, const struct gs_stacks *stacks,
                unsigned jobs);

#endif
