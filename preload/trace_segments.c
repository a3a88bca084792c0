/* SPDX-License-Identifier: MIT */
#include "preload/trace_segments.h"
#include "preload/cuda_records.h"

#include <errno.h>
#include <string.h>

#include "preload/agent.h"
#include "preload/agent_clock.h"
#include "preload/alloc_records.h"
#include "preload/gil.h"
#include "preload/own_maps.h"
#include "preload/raw_sys.h"
#include "preload/stack_intern.h"
#include "preload/thread_state.h"
#include "preload/trace/trace_format.h"
#include "preload/trace_records.h"
#include "preload/trace_writer.h"

#define MAX_KEPT       8u
#define SHARES         5u  /* of the limit: four full segments and one that grows */
#define FULL_EIGHTHS   7u  /* of its share: a flush, which is seen when it is written, still fits */
#define MAX_NAMES      64u /* tried, where names are taken */
#define MAX_NAME_NO    999999u
#define ENDED_BYTES    1024u
#define MAX_TOLD_AGAIN 65536u
#define SEGMENT_SUFFIX ".seg000000.gsc"

/* Threads that ended while a segment was written, summed up. */
struct ended {
    uint64_t threads;
    struct gs_totals tot;
    struct gs_row_sums rows;
    uint64_t fold_hist[GS_HIST_BUCKETS];
};

struct segment {
    uint32_t no, name_no, first_chunk;
    uint64_t t, bytes, dev, ino;
    struct ended ended[GS_MAX_GILS];
};

/* Mapped where there is a ring; only touched pages cost. */
static struct segments {
    char stem[sizeof(gs_writer.sink.path)]; /* of all names */
    uint64_t head_bytes, start_bytes;       /* what is written before a segment's first row */
    uint32_t n, next_name_no;
    struct segment kept[MAX_KEPT]; /* oldest first; the last one is being written */
    struct ended gone[GS_MAX_GILS];
} * s;

void gs_segments_forget(void)
{
    if (s)
        gs_unmap(s, sizeof(*s));
    s = NULL;
}

/* ---- names and files ---- */

static void name_of(char *out, uint32_t name_no)
{
    size_t len = strlen(s->stem);
    memcpy(out, s->stem, len);
    memcpy(out + len, SEGMENT_SUFFIX, sizeof(SEGMENT_SUFFIX));
    for (char *digit = out + len + 9; name_no; name_no /= 10)
        *digit-- = (char)('0' + name_no % 10);
}

/* "job.gsc" -> "job"; false when there is no room for the suffix. */
static bool take_stem(void)
{
    size_t len = strlen(gs_writer.sink.path);
    if (len > 4 && !memcmp(gs_writer.sink.path + len - 4, ".gsc", 4))
        len -= 4;
    if (len + sizeof(SEGMENT_SUFFIX) > sizeof(s->stem))
        return false;
    memcpy(s->stem, gs_writer.sink.path, len);
    return true;
}

/* A name that is taken (of an earlier run) is left alone, or replaced like the file asked for. */
static bool open_next(void)
{
    char path[sizeof(gs_writer.sink.path)];
    bool force = gs_config_may_replace(&gs_agent.config, gs_agent.pid);
    int rc = -EEXIST;
    for (uint32_t i = 0; (rc == -EEXIST || rc == -ELOOP) && i < MAX_NAMES; i++) {
        if (++s->next_name_no > MAX_NAME_NO)
            s->next_name_no = 1;
        name_of(path, s->next_name_no);
        rc = gs_sink_switch(&gs_writer.sink, path, force);
    }
    return rc == 0;
}

/* ---- what is deleted ---- */

static void add_words(void *into, const void *from, size_t bytes)
{
    uint64_t *a = into;
    const uint64_t *b = from;
    for (size_t i = 0; i < bytes / sizeof(*a); i++)
        a[i] += b[i];
}

static uint32_t segment_bytes(void)
{
    return (uint32_t)(gs_agent.config.max_size_bytes / SHARES);
}

uint32_t gs_segments_rows_again(uint32_t row_bytes)
{
    uint64_t rows = gs_agent.config.max_size_bytes / SHARES / 4 / row_bytes;
    return rows < MAX_TOLD_AGAIN ? (uint32_t)rows : MAX_TOLD_AGAIN;
}

static uint64_t kept_bytes(uint32_t from)
{
    uint64_t bytes = s->head_bytes;
    for (uint32_t i = from; i < s->n; i++)
        bytes += s->kept[i].bytes;
    return bytes;
}

/* How many of the oldest go, so that the newest may grow, and have a flush on top: on a busy
 * machine one may be a third of a share. */
static uint32_t surplus(void)
{
    uint32_t n = 0;
    uint64_t room = segment_bytes() + segment_bytes() / 4;
    while (s->n - n > 2 && kept_bytes(n) + room > gs_agent.config.max_size_bytes)
        n++;
    return n;
}

static void put_ended(uint32_t gil, const struct ended *e)
{
    struct gs_record_writer *w = gs_writer_records(ENDED_BYTES);
    const uint64_t fields[] = {
        gil,
        e->threads,
        e->tot.acquisitions,
        e->tot.releases,
        e->tot.contended,
        e->tot.forced,
        e->tot.folded_n,
        e->tot.folded_hold,
        e->tot.lost_n,
        e->tot.lost_hold,
        e->tot.lost_wait_n,
        e->tot.lost_wait,
        e->rows.turns,
        e->rows.hold,
        e->rows.waits,
        e->rows.wait,
    };
    gs_record_begin(w, GS_RECORD_ENDED);
    for (size_t i = 0; i < sizeof(fields) / sizeof(*fields); i++)
        gs_record_put_u(w, fields[i]);
    gs_records_put_hist(w, e->fold_hist);
    gs_writer_record_done();
}

/* With the `n` oldest segments, all that is deleted by now. */
static void put_all_ended(uint32_t n)
{
    for (uint32_t g = 0; g < GS_MAX_GILS; g++) {
        struct ended sum = s->gone[g];
        for (uint32_t i = 0; i < n; i++)
            add_words(&sum, &s->kept[i].ended[g], sizeof(sum));
        if (sum.threads)
            put_ended(g, &sum);
    }
}

static void put_segment(uint32_t n)
{
    const struct segment *now = &s->kept[s->n - 1], *first = &s->kept[n];
    struct gs_record_writer *w = gs_writer_records(64);
    gs_record_begin(w, GS_RECORD_SEGMENT);
    gs_record_put_u(w, now->t);
    gs_record_put_u(w, now->no);
    gs_record_put_u(w, first->no);
    gs_record_put_u(w, first->first_chunk);
    gs_record_put_u(w, first->t);
    gs_writer_record_done();
}

static void remove_oldest(uint32_t n)
{
    char path[sizeof(gs_writer.sink.path)];
    for (uint32_t i = 0; i < n; i++) {
        name_of(path, s->kept[i].name_no);
        gs_sink_remove(path, s->kept[i].dev, s->kept[i].ino);
        add_words(s->gone, s->kept[i].ended, sizeof(s->gone));
    }
    s->n -= n;
    memmove(s->kept, s->kept + n, s->n * sizeof(s->kept[0]));
}

/* ---- a new segment ---- */

static void put_base(const struct gs_thread *t, uint32_t segment)
{
    struct gs_record_writer *w = gs_writer_records(128);
    gs_record_begin(w, GS_RECORD_BASE);
    gs_record_put_u(w, segment);
    gs_record_put_u(w, t->idx);
    gs_record_put_u(w, t->gil->idx);
    gs_record_put_u(w, t->tot.folded_n);
    gs_record_put_u(w, t->tot.folded_hold);
    gs_record_put_u(w, t->rows.turns);
    gs_record_put_u(w, t->rows.hold);
    gs_record_put_u(w, t->rows.waits);
    gs_record_put_u(w, t->rows.wait);
    gs_writer_record_done();
}

static void put_bases(uint32_t segment)
{
    struct gs_thread *t = __atomic_load_n(&gs_threads, __ATOMIC_ACQUIRE);
    for (; t; t = t->next)
        if (__atomic_load_n(&t->state, __ATOMIC_ACQUIRE) != GS_THREAD_FREE &&
            __atomic_load_n(&t->tid, __ATOMIC_ACQUIRE))
            put_base(t, segment);
}

static void push_segment(void)
{
    struct segment *new = &s->kept[s->n];
    uint32_t no = s->n ? s->kept[s->n - 1].no + 1 : 1;
    memset(new, 0, sizeof(*new));
    new->no = no;
    new->name_no = s->next_name_no;
    new->first_chunk = gs_writer.chunk_no;
    new->t = gs_now();
    new->dev = gs_writer.sink.dev;
    new->ino = gs_writer.sink.ino;
    s->n++;
}

/* The chunk that tells of the deletion is on its way to the disk before the files go. */
static void put_first_chunk(void)
{
    struct gs_clock_triple now;
    uint32_t n = surplus();
    gs_records_process();
    gs_clock_sync(&now);
    gs_records_clock(&now);
    put_all_ended(n);
    put_segment(n);
    gs_writer_flush_records();
    if (!gs_writer.sink.error)
        remove_oldest(n);
}

static bool next_segment(void)
{
    gs_writer_flush_records();
    if (!open_next())
        return false;
    gs_writer_file_hdr();
    push_segment();
    put_first_chunk();
    put_bases(s->kept[s->n - 1].no);
    gs_records_again();
    gs_writer_flush_records();
    gs_alloc_records_again();
    gs_cuda_records_again();
    s->start_bytes = gs_writer.sink.bytes;
    return true;
}

bool gs_segments_begin(void)
{
    if (gs_agent.config.on_full != GS_ON_FULL_ring || !(s = gs_map(sizeof(*s))))
        return false;
    s->head_bytes = gs_writer.sink.bytes;
    if (take_stem() && next_segment())
        return true;
    gs_segments_forget();
    return false;
}

/* Stacks are defined anew, so that the segment needs none before it. */
enum gs_segments_step gs_segments_step(void)
{
    if (!s)
        return gs_writer.sink.bytes < gs_agent.config.max_size_bytes ? GS_SEGMENTS_STAY
                                                                     : GS_SEGMENTS_STUCK;
    s->kept[s->n - 1].bytes = gs_writer.sink.bytes;
    if (gs_writer.sink.bytes < segment_bytes() / 8 * FULL_EIGHTHS ||
        gs_writer.sink.bytes < 2 * s->start_bytes)
        return GS_SEGMENTS_STAY;
    if (s->n < MAX_KEPT) {
        gs_intern_new_generation();
        if (next_segment())
            return GS_SEGMENTS_NEXT;
    }
    return kept_bytes(0) < gs_agent.config.max_size_bytes ? GS_SEGMENTS_STAY : GS_SEGMENTS_STUCK;
}

void gs_segments_bury(const struct gs_thread *t)
{
    if (!s)
        return;
    struct ended *e = &s->kept[s->n - 1].ended[t->gil->idx];
    e->threads++;
    add_words(&e->tot, &t->tot, sizeof(e->tot));
    add_words(&e->rows, &t->rows, sizeof(e->rows));
    add_words(e->fold_hist, t->fold_hist, sizeof(e->fold_hist));
}
