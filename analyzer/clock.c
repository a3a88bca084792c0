/* SPDX-License-Identifier: MIT */
#include "analyzer/clock.h"

#include <stdlib.h>
#include <string.h>

#include "analyzer/column_math.h"
#include "analyzer/xalloc.h"

typedef unsigned __int128 u128;

#define NS_MAX (UINT64_MAX / 2) /* leaves room for sums of two times */
#define BLOCK  1024u            /* values converted at once: few blocks lie in two segments */

void gs_clock_add(struct gs_clock *c, uint32_t epoch, uint64_t ticks, uint64_t ns)
{
    struct gs_clock_point p = {ticks, ns < NS_MAX ? ns : NS_MAX, epoch};
    GS_PUSH(c->points, c->n_points, c->cap_points, p);
}

static int by_epoch_and_ticks(const void *pa, const void *pb)
{
    const struct gs_clock_point *a = pa, *b = pb;
    if (a->epoch != b->epoch)
        return a->epoch < b->epoch ? -1 : 1;
    if (a->ticks != b->ticks)
        return a->ticks < b->ticks ? -1 : 1;
    return a->ns < b->ns ? -1 : a->ns > b->ns;
}

static bool is_after(const struct gs_clock_point *p, const struct gs_clock_point *q)
{
    return p->ticks > q->ticks && p->ns > q->ns;
}

/* Keeps of one epoch's points those at least MIN_STEP apart; when that leaves fewer than two, the
 * last one too. Returns how many were kept, at the front of p. */
static size_t thin_epoch(struct gs_clock_point *p, size_t n)
{
    size_t kept = 1;
    struct gs_clock_point last = p[n - 1];
    for (size_t i = 1; i < n; i++)
        if (is_after(&p[i], &p[kept - 1]) && p[i].ns - p[kept - 1].ns >= GS_CLOCK_MIN_STEP_NS)
            p[kept++] = p[i];
    if (kept < 2 && is_after(&last, &p[0]))
        p[kept++] = last;
    return kept;
}

static void add_segment(struct gs_clock *c, const struct gs_clock_point *from, uint64_t d_ticks,
                        uint64_t d_ns)
{
    struct gs_clock_segment *s = &c->segments[c->n_segments++];
    s->t0 = from->ticks;
    s->ns0 = from->ns;
    s->epoch = from->epoch;
    s->d_ticks = d_ticks;
    s->d_ns = d_ns;
    s->whole = d_ns / d_ticks;
    s->frac = d_ns % d_ticks;
    s->magic = (uint64_t)(((u128)s->frac << 64) / d_ticks);
}

static void note_slope(struct gs_clock *c, const struct gs_clock_point *a,
                       const struct gs_clock_point *b)
{
    uint64_t d_ticks = b->ticks - a->ticks;
    if (c->dur_ticks && d_ticks <= c->dur_ticks)
        return;
    c->dur_ticks = d_ticks;
    c->dur_ns = b->ns - a->ns;
}

/* Segments of one epoch; an epoch with a single point is left for later, it borrows a slope. */
static void build_epoch(struct gs_clock *c, struct gs_clock_point *p, size_t n)
{
    size_t kept = thin_epoch(p, n);
    for (size_t i = 0; i + 1 < kept; i++)
        add_segment(c, &p[i], p[i + 1].ticks - p[i].ticks, p[i + 1].ns - p[i].ns);
    if (kept >= 2)
        note_slope(c, &p[0], &p[kept - 1]);
}

static size_t epoch_end(const struct gs_clock *c, size_t i)
{
    size_t j = i;
    while (j < c->n_points && c->points[j].epoch == c->points[i].epoch)
        j++;
    return j;
}

static int segment_order(const void *pa, const void *pb)
{
    const struct gs_clock_segment *a = pa, *b = pb;
    if (a->epoch != b->epoch)
        return a->epoch < b->epoch ? -1 : 1;
    return a->t0 < b->t0 ? -1 : a->t0 > b->t0;
}

/* Epochs with one point only run at the process's overall rate. Points and segments are both sorted
 * by epoch, so one walk finds the epochs without a segment. */
static void build_lone_points(struct gs_clock *c)
{
    size_t sure = c->n_segments, at = 0;
    for (size_t i = 0; i < c->n_points; i = epoch_end(c, i)) {
        while (at < sure && c->segments[at].epoch < c->points[i].epoch)
            at++;
        if (at == sure || c->segments[at].epoch != c->points[i].epoch)
            add_segment(c, &c->points[i], c->dur_ticks, c->dur_ns);
    }
    if (c->n_segments != sure)
        qsort(c->segments, c->n_segments, sizeof(*c->segments), segment_order);
}

/* Let M = magic + 1 and e = M * d_ticks - frac * 2^64, so 0 < e <= d_ticks. dt * M / 2^64 is too
 * great by dt * e / (d_ticks * 2^64); that changes no floor while it is below 1 / d_ticks, which
 * holds for dt * d_ticks < 2^64. */
static void set_quick(struct gs_clock_segment *s, const struct gs_clock_segment *next)
{
    uint64_t limit = UINT64_MAX / s->d_ticks, room = (NS_MAX / 4) / (s->whole + 1);
    s->quick_ticks = limit < room ? limit : room;
    if (s->ns0 >= NS_MAX / 2)
        s->quick_ticks = 0;
    if (next && next->epoch == s->epoch && next->t0 - s->t0 < s->quick_ticks)
        s->quick_ticks = next->t0 - s->t0;
}

void gs_clock_build(struct gs_clock *c, bool ticks_are_ns, uint64_t tick_hz)
{
    c->identity = ticks_are_ns;
    c->segments = gs_xcalloc(c->n_points + 1, sizeof(*c->segments));
    if (c->n_points)
        qsort(c->points, c->n_points, sizeof(*c->points), by_epoch_and_ticks);
    for (size_t i = 0, end; i < c->n_points; i = end) {
        end = epoch_end(c, i);
        build_epoch(c, c->points + i, end - i);
    }
    c->guessed = !ticks_are_ns && c->dur_ticks == 0;
    if (c->dur_ticks == 0) {
        c->dur_ticks = tick_hz ? tick_hz : 1;
        c->dur_ns = tick_hz ? 1000000000u : 1;
    }
    build_lone_points(c);
    for (size_t i = 0; i < c->n_segments; i++)
        set_quick(&c->segments[i], i + 1 < c->n_segments ? &c->segments[i + 1] : NULL);
}

static uint64_t saturate(u128 v)
{
    return v < NS_MAX ? (uint64_t)v : NS_MAX;
}

/* floor(dt * d_ns / d_ticks). The quotient by `magic` is at most one too small; the remainder says
 * so. Exact, without a 128-bit division. */
static inline u128 scale(const struct gs_clock_segment *s, uint64_t dt)
{
    uint64_t q = (uint64_t)(((u128)dt * s->magic) >> 64);
    u128 rest = (u128)dt * s->frac - (u128)q * s->d_ticks;
    if (rest >= s->d_ticks)
        q++;
    return (u128)dt * s->whole + q;
}

static inline uint64_t by_segment(const struct gs_clock_segment *s, uint64_t ticks)
{
    if (ticks >= s->t0)
        return saturate(s->ns0 + scale(s, ticks - s->t0));
    uint64_t dt = s->t0 - ticks;
    u128 back = ((u128)dt * s->d_ns + s->d_ticks - 1) / s->d_ticks; /* floor of the negative */
    return back < s->ns0 ? s->ns0 - (uint64_t)back : 0;
}

static inline bool is_inside(const struct gs_clock *c, size_t i, uint32_t epoch, uint64_t ticks)
{
    const struct gs_clock_segment *s = &c->segments[i];
    if (s->epoch != epoch || ticks < s->t0)
        return false;
    return i + 1 == c->n_segments || s[1].epoch != epoch || ticks < s[1].t0;
}

/* Last segment of the epoch that begins at or before ticks; the epoch's first when none does. An
 * epoch without any record takes the nearest segment below it. */
static size_t find_segment(const struct gs_clock *c, uint32_t epoch, uint64_t ticks)
{
    size_t lo = 0, hi = c->n_segments;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        const struct gs_clock_segment *s = &c->segments[mid];
        if (s->epoch < epoch || (s->epoch == epoch && s->t0 <= ticks))
            lo = mid + 1;
        else
            hi = mid;
    }
    if (lo == 0)
        return 0;
    bool next_is_ours = lo < c->n_segments && c->segments[lo].epoch == epoch;
    return c->segments[lo - 1].epoch != epoch && next_is_ours ? lo : lo - 1;
}

uint64_t gs_clock_ns_hint(const struct gs_clock *c, uint32_t epoch, uint64_t ticks, size_t *hint)
{
    if (c->identity)
        return ticks < NS_MAX ? ticks : NS_MAX;
    if (c->n_segments == 0)
        return gs_clock_duration_ns(c, ticks);
    if (!is_inside(c, *hint, epoch, ticks))
        *hint = find_segment(c, epoch, ticks);
    return by_segment(&c->segments[*hint], ticks);
}

/* As long as ticks are inside the segment's quick part. Returns how many were converted. */
static size_t convert_quick(const struct gs_clock_segment *s, uint64_t *ticks, size_t n)
{
    uint64_t magic = s->frac ? s->magic + 1 : 0;
    size_t i;
    for (i = 0; i < n; i++) {
        uint64_t dt = ticks[i] - s->t0; /* wraps before t0: not quick */
        if (dt >= s->quick_ticks)
            break;
        ticks[i] = s->ns0 + dt * s->whole + (uint64_t)(((u128)dt * magic) >> 64);
    }
    return i;
}

static void convert_each(const struct gs_clock *c, uint32_t epoch, uint64_t *ticks, size_t n)
{
    size_t hint = 0;
    for (size_t i = 0; i < n;) {
        ticks[i] = gs_clock_ns_hint(c, epoch, ticks[i], &hint);
        i++;
        if (!c->identity && c->n_segments && c->segments[hint].epoch == epoch)
            i += convert_quick(&c->segments[hint], ticks + i, n - i);
    }
}

/* The line begins at the least tick, whose own fraction it carries: the same bits. */
bool gs_clock_line(const struct gs_clock *c, uint32_t epoch, uint64_t min, uint64_t max,
                   struct gs_line *out)
{
    if (c->identity || c->n_segments == 0)
        return false;
    const struct gs_clock_segment *s = &c->segments[find_segment(c, epoch, min)];
    uint64_t dt = min - s->t0, magic = s->frac ? s->magic + 1 : 0; /* wraps before t0 */
    if (s->epoch != epoch || dt >= s->quick_ticks || max - s->t0 >= s->quick_ticks ||
        max - min > UINT32_MAX || s->whole > UINT32_MAX)
        return false;
    u128 first = (u128)dt * magic;
    *out = (struct gs_line){min, s->ns0 + dt * s->whole + (uint64_t)(first >> 64), s->whole, magic,
                            (uint64_t)first};
    return true;
}

static bool convert_block(const struct gs_clock *c, uint32_t epoch, uint64_t *ticks, size_t n)
{
    struct gs_range r = gs_column_range(ticks, n);
    struct gs_line line;
    if (!gs_clock_line(c, epoch, r.min, r.max, &line))
        return false;
    gs_column_line(ticks, n, line);
    return true;
}

void gs_clock_convert(const struct gs_clock *c, uint32_t epoch, uint64_t *ticks, size_t n)
{
    for (size_t i = 0, len; i < n; i += len) {
        len = n - i < BLOCK ? n - i : BLOCK;
        if (!convert_block(c, epoch, ticks + i, len))
            convert_each(c, epoch, ticks + i, len);
    }
}

uint64_t gs_clock_ns(const struct gs_clock *c, uint32_t epoch, uint64_t ticks)
{
    size_t hint = 0;
    return gs_clock_ns_hint(c, epoch, ticks, &hint);
}

uint64_t gs_clock_duration_ns(const struct gs_clock *c, uint64_t ticks)
{
    if (c->identity)
        return ticks < NS_MAX ? ticks : NS_MAX;
    return saturate((u128)ticks * c->dur_ns / c->dur_ticks);
}

void gs_clock_free(struct gs_clock *c)
{
    free(c->points);
    free(c->segments);
    memset(c, 0, sizeof(*c));
}
