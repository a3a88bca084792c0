/* SPDX-License-Identifier: MIT */
#include "preload/memory.h"

#include <string.h>

#include "preload/agent.h"
#include "preload/agent_clock.h"
#include "preload/arena_hook.h"
#include "preload/arena_table.h"
#include "preload/elf_symbols.h"
#include "preload/gil.h"
#include "preload/heap_walk.h"
#include "preload/memory_maps.h"
#include "preload/modules.h"
#include "preload/own_maps.h"
#include "preload/proc_self.h"
#include "preload/raw_sys.h"
#include "preload/trace_records.h"
#include "preload/trace_writer.h"

#define MS_NS          1000000u
#define FIRST_LOOK_NS  (UINT64_C(50) * MS_NS)
#define FIRST_MAPS_NS  (UINT64_C(300) * MS_NS)
#define SECOND_MAPS_NS (UINT64_C(900) * MS_NS)
#define MAPS_NS        (UINT64_C(10000) * MS_NS)
#define BUDGET         100u           /* reading takes at most one part in this of the time */
#define LAST_LOOK_NS   (100u * MS_NS) /* nothing comes behind it */
#define HEAP_WALK_NS   (20u * MS_NS)
#define ARENAS_A_ROUND 16u /* between two looks at the clock */
#define QUAD           4u
#define QUADS          (GS_ARENA_POOLS / QUAD)
#define CHUNK_ROWS     (GS_CHUNK_MAX_ROWS - QUADS)
#define WINDOW_BYTES   (64u << 10)

_Static_assert(GS_ARENA_POOLS == GS_PY_ARENA_POOLS, "the wire has room for all");

/* What was last written of an arena's pools. */
struct reading {
    uint16_t cells[GS_ARENA_POOLS];
};

/* Mapped once and used as far as there are arenas: by slot, and as a list of those that live. */
static struct memory {
    struct reading readings[GS_ARENA_SLOTS];
    uint32_t live[GS_ARENA_SLOTS]; /* slots */
    bool is_read[GS_ARENA_SLOTS];  /* by slot: written once, in this segment */
    uint8_t window[WINDOW_BYTES];
} * m;

static struct {
    uint32_t n_live, next_id;
    uint32_t cursor; /* in `live`: where the next look goes on */
    uint32_t unread; /* by the last look */
    uint32_t n_rows; /* in the writer's columns */
    uint64_t next_look_t, next_maps_t;
    uint64_t spacing_ns; /* of looks */
    uint64_t cpu_ns;     /* of the process, at the last one */
    bool seen_maps;
    const char *why_no_arenas;
    bool told_why;
} s;

/* Arenas of before a second Py_Initialize() may go without our hook (3.13 and later). The program
 * called python has one interpreter in its life; of another nobody knows. */
static bool read_safely;

static bool is_on(void)
{
    return m != NULL;
}

static bool clears_up(void)
{
    return gs_agent.python_has_ended || gs_pyabi_is_over(&gs_agent.abi);
}

bool gs_memory_init(const char *why_no_arenas)
{
    s.why_no_arenas = why_no_arenas;
    read_safely = !gs_elf_program_names("Py_BytesMain");
    if (!m)
        m = gs_map(sizeof(*m));
    return m != NULL;
}

void gs_memory_forget(void)
{
    const char *why = s.why_no_arenas;
    memset(&s, 0, sizeof(s));
    s.why_no_arenas = why;
}

/* ---- arenas come and go ---- */

static void put_arena(const struct gs_arena *a)
{
    struct gs_record_writer *w = gs_writer_records(128);
    gs_record_begin(w, GS_RECORD_ARENA);
    gs_record_put_u(w, a->id);
    gs_record_put_u(w, a->born_t);
    gs_record_put_u(w, a->address);
    gs_record_put_u(w, a->bytes);
    gs_record_put_u(w, gs_pyabi_pool_bytes(&gs_agent.abi));
    gs_record_put_u(w, a->stack);
    gs_writer_record_done();
}

static void put_arena_end(const struct gs_arena *a)
{
    struct gs_record_writer *w = gs_writer_records(32);
    gs_record_begin(w, GS_RECORD_ARENA_END);
    gs_record_put_u(w, a->id);
    gs_record_put_u(w, a->died_t);
    gs_writer_record_done();
}

static void welcome(struct gs_arena *a)
{
    uint32_t slot = gs_arenas_slot_of(a);
    if (!gs_arenas_make_known(a))
        return;
    a->id = s.next_id++;
    a->place = s.n_live;
    m->live[s.n_live++] = slot;
    m->is_read[slot] = false;
    put_arena(a);
}

/* The last of the list takes its place. */
static void bid_farewell(struct gs_arena *a)
{
    uint32_t last = m->live[--s.n_live];
    put_arena_end(a);
    m->live[a->place] = last;
    gs_arenas_at(last)->place = a->place;
    gs_arenas_release(a);
}

void gs_memory_tell_news(void)
{
    struct gs_arena *a;
    while (is_on() && (a = gs_arenas_take_news())) {
        uint32_t state = __atomic_load_n(&a->state, __ATOMIC_SEQ_CST);
        if (state == GS_ARENA_NEW)
            welcome(a);
        else if (state == GS_ARENA_DEAD)
            bid_farewell(a);
    }
}

/* ---- what pools hold ---- */

static void write_rows(void)
{
    if (s.n_rows)
        gs_writer_chunk(GS_STREAM_POOLS, GS_NO_GIL, s.n_rows);
    s.n_rows = 0;
}

static uint64_t quad_of(const uint16_t *cells)
{
    uint64_t quad;
    memcpy(&quad, cells, sizeof(quad));
    return quad;
}

/* Behind the last pool that was ever used there is nothing to say. */
static void add_rows(const struct gs_arena *a, const uint16_t *cells, uint64_t now)
{
    uint32_t n = QUADS;
    while (n > 1 && !quad_of(cells + (n - 1) * QUAD))
        n--;
    for (uint32_t q = 0; q < n; q++, s.n_rows++) {
        gs_writer_column(0)[s.n_rows] = now;
        gs_writer_column(1)[s.n_rows] = a->id;
        gs_writer_column(2)[s.n_rows] = q;
        gs_writer_column(3)[s.n_rows] = quad_of(cells + q * QUAD);
    }
    if (s.n_rows > CHUNK_ROWS)
        write_rows();
}

/* Copied while it cannot be unmapped; false when Python has given it back meanwhile. */
static bool read_pools(struct gs_arena *a, uint16_t *cells)
{
    struct gs_py_pool pools[GS_ARENA_POOLS];
    if (!gs_arenas_begin_read(a))
        return false;
    bool sound = gs_pyabi_read_pools(&gs_agent.abi, a->address, read_safely, pools);
    for (uint32_t i = 0; i < GS_ARENA_POOLS; i++)
        cells[i] = (uint16_t)GS_POOL_CELL(pools[i].size_class, pools[i].used);
    if (gs_arenas_end_read(a))
        return sound;
    gs_arena_hook_give_back(a->address, a->bytes);
    gs_arenas_bury(a);
    return false;
}

static void read_arena(uint32_t slot, uint64_t now)
{
    struct gs_arena *a = gs_arenas_at(slot);
    struct reading *last = &m->readings[slot];
    uint16_t cells[GS_ARENA_POOLS];
    if (!read_pools(a, cells) || (m->is_read[slot] && !memcmp(cells, last->cells, sizeof(cells))))
        return;
    m->is_read[slot] = true;
    memcpy(last->cells, cells, sizeof(cells));
    add_rows(a, cells, now);
}

/* As many as fit in the time; the next look goes on where this one ended. */
static void read_arenas(uint64_t now, uint64_t budget_ns)
{
    uint64_t end_ns = gs_clock_ns(CLOCK_THREAD_CPUTIME_ID) + budget_ns;
    uint32_t n = s.n_live, done = 0;
    while (done < n) {
        if (s.cursor >= s.n_live)
            s.cursor = 0;
        read_arena(m->live[s.cursor++], now);
        if (++done % ARENAS_A_ROUND == 0 && gs_clock_ns(CLOCK_THREAD_CPUTIME_ID) > end_ns)
            break;
    }
    s.unread = s.n_live - done;
    write_rows();
}

/* ---- the process ---- */

static void put_memory(uint64_t now)
{
    struct gs_arena_counts c = gs_arenas_counts();
    uint64_t rss = 0, file_rss = 0;
    gs_proc_statm(&rss, &file_rss);
    const uint64_t fields[] = {now,      rss,           file_rss, c.arenas,   c.arena_bytes,
                               c.chunks, c.chunk_bytes, s.unread, c.untracked};
    struct gs_record_writer *w = gs_writer_records(256);
    gs_record_begin(w, GS_RECORD_MEMORY);
    for (size_t i = 0; i < sizeof(fields) / sizeof(*fields); i++)
        gs_record_put_u(w, fields[i]);
    gs_writer_record_done();
}

static uint64_t arenas_rss(uintptr_t lo, uintptr_t hi)
{
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < s.n_live && hi - lo >= gs_arena_bytes; i++) {
        uintptr_t at = gs_arenas_at(m->live[i])->address;
        if (at >= lo && at < hi)
            bytes += gs_resident_bytes(at, at + gs_arena_bytes);
    }
    return bytes;
}

static void put_maps(uint64_t now, const struct gs_maps *maps)
{
    struct gs_record_writer *w = gs_writer_records(512);
    gs_record_begin(w, GS_RECORD_MAPS);
    gs_record_put_u(w, now);
    gs_record_put_u(w, maps->rss_bytes);
    gs_record_put_u(w, maps->pss_bytes);
    gs_record_put_u(w, maps->anonymous_bytes);
    gs_record_put_u(w, maps->private_bytes);
    gs_record_put_u(w, maps->swap_bytes);
    gs_record_put_u(w, GS_MAP_KINDS - 1);
    for (uint32_t kind = 1; kind < GS_MAP_KINDS; kind++) {
        gs_record_put_u(w, kind);
        gs_record_put_u(w, maps->rss_of[kind]);
    }
    gs_writer_record_done();
}

static void put_heap(uint64_t now, const struct gs_maps *maps)
{
    struct gs_heap_use use;
    if (!maps->heap_hi || !gs_heap_walk(maps->heap_lo, maps->heap_hi, HEAP_WALK_NS, m->window,
                                        sizeof(m->window), &use))
        return;
    struct gs_record_writer *w = gs_writer_records(64);
    gs_record_begin(w, GS_RECORD_HEAP);
    gs_record_put_u(w, now);
    gs_record_put_u(w, use.in_use_bytes);
    gs_record_put_u(w, use.retained_bytes);
    gs_writer_record_done();
}

/* Reading them takes longer the more memory there is: then less often. */
static void look_at_maps(uint64_t now)
{
    uint64_t cpu_ns = gs_clock_ns(CLOCK_THREAD_CPUTIME_ID);
    struct gs_maps maps;
    gs_modules_look();
    if (gs_maps_read(&maps, arenas_rss)) {
        put_maps(now, &maps);
        put_heap(now, &maps);
    }
    cpu_ns = (gs_clock_ns(CLOCK_THREAD_CPUTIME_ID) - cpu_ns) * BUDGET;
    uint64_t least_ns = s.seen_maps ? MAPS_NS : SECOND_MAPS_NS;
    s.seen_maps = true;
    s.next_maps_t = now + gs_ticks_of_ns(cpu_ns > least_ns ? cpu_ns : least_ns);
}

/* ---- why not ---- */

static const char *why_no_arenas(void)
{
    if (s.why_no_arenas)
        return s.why_no_arenas;
    if (!gs_arenas_counts().born) /* once there is a GIL there is an interpreter */
        return gs_n_gils ? "none was made: PYTHONMALLOC or the build turns pymalloc off" : NULL;
    if (read_safely && !gs_agent.safe_read)
        return "in a program that embeds Python they are read by process_vm_readv, refused here";
    if (!gs_arena_hook_is_in_place())
        return "their allocator has been replaced: those made since are missing";
    return NULL;
}

static void tell_why_not(void)
{
    const char *why = s.told_why ? NULL : why_no_arenas();
    if (!why)
        return;
    s.told_why = true;
    gs_records_event(GS_EVENT_NO_ARENAS, 0, why);
}

/* ---- looks ---- */

static uint64_t interval_ns(void)
{
    return gs_agent.config.memory_interval_ms * MS_NS;
}

/* Half of what recording may cost of the CPU time that the process used since the last look. The
 * first looks, which come early, are few. */
static uint64_t look_budget_ns(void)
{
    uint64_t most_ns = interval_ns() / BUDGET, cpu_ns = gs_clock_ns(CLOCK_PROCESS_CPUTIME_ID);
    uint64_t share_ns = (cpu_ns - s.cpu_ns) * gs_agent.config.budget_permille / 2000;
    s.cpu_ns = cpu_ns;
    if (s.spacing_ns < interval_ns() || share_ns > most_ns)
        return most_ns;
    return share_ns > most_ns / 10 ? share_ns : most_ns / 10;
}

/* All that a look finds has its time, so that it belongs together. */
static void look(uint64_t now, uint64_t budget_ns, bool maps)
{
    gs_memory_tell_news();
    read_arenas(now, budget_ns);
    if (maps)
        look_at_maps(now);
    put_memory(now);
    tell_why_not();
}

uint64_t gs_memory_wait_ns(uint64_t now, uint64_t max)
{
    if (!is_on() || !s.next_look_t)
        return max;
    uint64_t left = s.next_look_t > now ? gs_ns_of_ticks(s.next_look_t - now) : 0;
    return left < max ? left : max;
}

/* Looks come early at first, so that a short run has one that is not much older than its end. All
 * mappings, which take a millisecond or two, wait until the run is not that short. */
static uint64_t next_spacing_ns(void)
{
    uint64_t spacing_ns = s.spacing_ns ? 2 * s.spacing_ns : FIRST_LOOK_NS;
    return s.spacing_ns = spacing_ns < interval_ns() ? spacing_ns : interval_ns();
}

void gs_memory_tick(uint64_t now)
{
    if (!is_on() || now < s.next_look_t)
        return;
    if (!s.next_look_t) /* the first tick */
        s.next_maps_t = now + gs_ticks_of_ns(FIRST_MAPS_NS);
    else if (!clears_up())
        look(now, look_budget_ns(), now >= s.next_maps_t);
    s.next_look_t = now + gs_ticks_of_ns(next_spacing_ns());
}

void gs_memory_look(void)
{
    if (is_on() && !clears_up())
        look(gs_now(), LAST_LOOK_NS, true);
}

void gs_memory_again(void)
{
    if (!is_on())
        return;
    for (uint32_t i = 0; i < s.n_live; i++) {
        struct gs_arena *a = gs_arenas_at(m->live[i]);
        a->stack = 0; /* a segment that is deleted had its definition */
        m->is_read[m->live[i]] = false;
        put_arena(a);
    }
    s.next_maps_t = 0;
    s.seen_maps = false;
    s.told_why = false;
}
