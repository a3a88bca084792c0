/* SPDX-License-Identifier: MIT
 * Wake-up edges on their way from the ring to the capture: two slots, one row.
 * LINK: gs_agent_objects
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "preload/agent.h"
#include "preload/agent_clock.h"
#include "preload/edges.h"
#include "preload/gil.h"
#include "preload/raw_sys.h"
#include "preload/ring_spill.h"
#include "preload/stack_intern.h"
#include "preload/thread_state.h"
#include "preload/trace_writer.h"

#define COL_WAKE_DELAY 4u

static char path[100];
static uint64_t delays[4 * GS_RING_SLOTS];

static int start(void **state)
{
    (void)state;
    gs_threads_forget();
    gs_gils_forget();
    gs_writer_forget();
    gs_clock_init();
    gs_live.mode = GS_LIVE_YES;
    gs_agent.state = GS_STATE_ON;
    gs_agent.level = 1;
    gs_agent.t_start = gs_now();
    strcpy(path, "/tmp/gs_edges_XXXXXX");
    assert_non_null(mkdtemp(path));
    snprintf(gs_writer.sink.path, sizeof(gs_writer.sink.path), "%s/t.gsc", path);
    assert_true(gs_stack_intern_init(&gs_agent.abi) && gs_writer_init());
    assert_int_equal(gs_writer_open(false), 0);
    return 0;
}

static int clean(void **state)
{
    (void)state;
    unlink(gs_writer.sink.path);
    return rmdir(path);
}

static void put_edge(struct gs_thread *t)
{
    gs_ring_put(&t->ring, &(struct gs_slot){.t = gs_now(), .kind = GS_SLOT_EDGE});
}

static void put_post(struct gs_thread *t, uint64_t delay)
{
    gs_ring_put(&t->ring, &(struct gs_slot){.dur = delay, .kind = GS_SLOT_EDGE_POST});
}

/* The wake delays of all EDGE rows in the file, in order; their number. */
static size_t read_delays(void)
{
    static uint8_t file[4 << 20];
    struct gs_chunk_hdr h;
    FILE *f = fopen(gs_writer.sink.path, "rb");
    assert_non_null(f);
    size_t len = fread(file, 1, sizeof(file), f), n = 0;
    fclose(f);
    for (size_t at = GS_FILE_HDR_LEN; at < len; at += h.total_len) {
        assert_int_equal(gs_chunk_hdr_decode(file + at, len - at, &h), GS_OK);
        if (h.stream != GS_STREAM_EDGE)
            continue;
        assert_in_range(n + h.n_rows, 1, sizeof(delays) / sizeof(*delays));
        assert_int_equal(gs_chunk_decode_column(file + at, &h, COL_WAKE_DELAY, delays + n), GS_OK);
        n += h.n_rows;
    }
    return n;
}

static void an_edge_half_written_waits_for_its_other_half(void **state)
{
    static struct gs_gil gils[2];
    (void)state;
    struct gs_thread *other = gs_thread_get(&gils[0]), *t = gs_thread_get(&gils[1]);
    put_edge(t);
    gs_writer_drain(); /* between the two puts of the hook */
    put_post(t, 7);
    put_edge(other);
    put_post(other, 9);
    gs_writer_drain();
    assert_int_equal(read_delays(), 2);
    assert_int_equal(delays[0], 7);
    assert_int_equal(delays[1], 9);
}

/* Two full rings make a batch: its last row is an edge whose other half lies behind it. */
static void an_edge_at_the_end_of_a_batch_is_whole(void **state)
{
    static struct gs_gil gils[8];
    (void)state;
    size_t n = 0;
    for (size_t i = 0; i < 5; i++) {
        struct gs_thread *t = gs_thread_get(&gils[i]);
        for (; gs_ring_has_room(&t->ring, 2); n++) {
            put_edge(t);
            put_post(t, 5);
        }
    }
    assert_true(n > GS_CHUNK_MAX_ROWS);
    gs_writer_drain();
    assert_int_equal(read_delays(), n);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(delays[i], 5);
}

static void an_edge_without_room_is_counted(void **state)
{
    static struct gs_gil gil;
    (void)state;
    struct gs_thread *t = gs_thread_get(&gil);
    for (uint32_t i = 0; i < GS_RING_SLOTS / 2 + 3; i++) {
        struct gs_edge_wait w = gs_edge_wait_begin(0x1000);
        gs_edge_wait_end(&w, 0x1000, 0);
    }
    assert_int_equal(t->dropped, 3);
}

static void edges_beyond_the_ring_are_whole(void **state)
{
    static struct gs_gil gil;
    const uint32_t n = GS_RING_SLOTS;
    (void)state;
    struct gs_thread *t = gs_thread_get(&gil);
    gs_spill_init();
    for (uint32_t i = 0; i < n; i++) {
        struct gs_edge_wait w = gs_edge_wait_begin(0x1000);
        gs_edge_post(0x1000);
        gs_edge_wait_end(&w, 0x1000, 0);
    }
    gs_writer_drain();
    assert_int_equal(t->dropped, 0);
    assert_int_equal(read_delays(), n);
    for (size_t i = 0; i < n; i++) /* 0 would be: not known */
        assert_true(delays[i] > 0 && delays[i] < UINT64_C(10000000000));
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, start, clean)
    const struct CMUnitTest tests[] = {
        T(an_edge_half_written_waits_for_its_other_half), T(an_edge_at_the_end_of_a_batch_is_whole),
        T(an_edge_without_room_is_counted),
        T(edges_beyond_the_ring_are_whole), /* last: its table stays */
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
