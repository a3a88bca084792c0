/* SPDX-License-Identifier: MIT
 * gs_launch_chunk_rows against gs_decode_slices() and gs_decoded_slice(): columns as they are
 * decoded, with whatever a file may say; and the map that gives actors their numbers.
 */
#include <algorithm>
#include <memory>
#include <set>

#include "cuda/chunk_rows.cuh"
#include "cuda/decode.cuh"
#include "tests/simt/rows_model.h"

/* A function may be named as a struct in C. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wshadow"
extern "C" {
#include "analyzer/columns.h"
}
#pragma GCC diagnostic pop

static const uint32_t NO_STACK = 5;
static const uint64_t FIRST = 10000; /* seq */
static const unsigned COLUMNS = GS_CHUNK_ROWS_COLUMNS;

/* ---- chunks ---- */

/* Anything may stand in a column: now and then a number of any size. */
static uint64_t some_value(test_random *r, uint64_t below)
{
    return r->below(40) ? r->below(below) : r->of_width((unsigned)r->below(65));
}

static std::vector<uint64_t> some_columns(size_t n, uint64_t ds_below, test_random *r)
{
    std::vector<uint64_t> all(COLUMNS * n);
    for (size_t i = 0; i < n; i++) {
        const uint64_t row[COLUMNS] = {
            FIRST + r->below(2 * n), some_value(r, 1u << 30), some_value(r, 4),
            some_value(r, 16),       some_value(r, 1u << 20), r->below(20),
            some_value(r, 1u << 20), some_value(r, ds_below), r->below(20)};
        for (unsigned k = 0; k < COLUMNS; k++)
            all[k * n + i] = row[k];
    }
    return all;
}

static std::vector<uint8_t> encode(const std::vector<uint64_t> &columns, size_t n)
{
    std::vector<uint8_t> out(gs_chunk_bound(GS_STREAM_SLICE, n));
    std::unique_ptr<gs_encode_scratch> scratch(new gs_encode_scratch);
    const uint64_t *at[COLUMNS];
    gs_chunk_meta meta = {};
    size_t len;
    meta.clock_epoch = 3;
    for (unsigned k = 0; k < COLUMNS; k++)
        at[k] = columns.data() + k * n;
    assert_int_equal(
        gs_chunk_encode(GS_STREAM_SLICE, &meta, at, n, scratch.get(), out.data(), out.size(), &len),
        GS_OK);
    out.resize(len);
    return out;
}

/* ---- what is known of the recording ---- */

class recording
{
  public:
    gs_recording r = {};
    gs_stacks stacks = {};

    recording()
    {
        stacks.no_stack = NO_STACK;
        for (uint32_t id = 1; id < 16; id++) { /* ids from 16 on were never defined */
            gs_idmap_add(&r.defs.stack_map, id);
            nodes.push_back(id == 7 ? NO_STACK : 100 + id % 9);
        }
        r.defs.stack_node = nodes.data();
        r.defs.n_stacks = nodes.size();
        gs_clock_add(&r.clock, 3, 1000, 400);
        gs_clock_add(&r.clock, 3, 5000000000u, 1900000000u);
        gs_clock_build(&r.clock, false, 0);
    }
    ~recording()
    {
        gs_clock_free(&r.clock);
        gs_idmap_free(&r.defs.stack_map);
    }

  private:
    std::vector<uint32_t> nodes;
};

/* A map on the "device" with room for cap keys. */
class device_map
{
    std::vector<gs_u64> slot_keys;
    std::vector<uint32_t> slot_numbers;
    uint32_t n = 0;

  public:
    std::vector<gs_u64> keys;
    gs_map map;

    explicit device_map(uint32_t cap, const std::vector<gs_u64> &first = {})
        : slot_keys(gs_map_slots(cap)), slot_numbers(gs_map_slots(cap)), keys(first)
    {
        keys.resize(cap, 0xcccccccc);
        map = {slot_keys.data(),
               slot_numbers.data(),
               keys.data(),
               &n,
               cap,
               gs_map_slots(cap) - 1,
               12345};
        assert_int_equal(gs_launch_map_build(&map, (uint32_t)first.size(), nullptr), cudaSuccess);
    }
    uint32_t count() const
    {
        return n;
    }
};

/* ---- rows of both ---- */

class device_chunk
{
    std::vector<gs_u64> columns;
    std::vector<unsigned> damaged;
    std::vector<gs_tick_segment> segments;
    device_map stacks;
    device_rows rows;
    unsigned is_damaged = 0;

  public:
    device_map actors;
    gs_decoded_chunks c = {};

    device_chunk(const recording &rec, size_t n)
        : columns(COLUMNS * n), damaged(COLUMNS),
          stacks((uint32_t)rec.r.defs.stack_map.n,
                 std::vector<gs_u64>(rec.r.defs.stack_map.keys,
                                     rec.r.defs.stack_map.keys + rec.r.defs.stack_map.n)),
          rows(n), actors(4096)
    {
        const gs_clock &clock = rec.r.clock;
        for (size_t i = 0; i < clock.n_segments; i++)
            segments.push_back(gs_tick_segment_of(clock.segments[i].epoch, clock.segments[i].t0,
                                                  clock.segments[i].ns0, clock.segments[i].d_ticks,
                                                  clock.segments[i].d_ns));
        c.n_parts = 1;
        c.n_rows = (uint32_t)n;
        c.columns = columns.data();
        c.damaged = damaged.data();
        c.is_damaged = &is_damaged;
        c.clock = {segments.data(), segments.size(), clock.dur_ticks, clock.dur_ns, clock.identity};
        c.stacks = stacks.map;
        c.stack_node = rec.r.defs.stack_node;
        c.no_stack = NO_STACK;
        c.steps_per_row = GS_STEPS_PER_ROW;
        c.steps_of_chunk = GS_STEPS_OF_CHUNK;
        c.actors = actors.map;
        c.rows = rows.columns();
    }

    void run(const std::vector<uint8_t> &chunk, gs_part part)
    {
        gs_chunk_hdr hdr;
        std::vector<gs_column_task> tasks(COLUMNS);
        memcpy(&hdr, chunk.data(), sizeof(hdr));
        for (unsigned k = 0; k < COLUMNS; k++)
            assert_int_equal(gs_column_task_of(&hdr, 0, k, k * c.n_rows, &tasks[k]), GS_OK);
        c.parts = &part;
        assert_ran(gs_launch_decode(chunk.data(), tasks.data(), COLUMNS, columns.data(),
                                    damaged.data(), nullptr));
        assert_ran(gs_launch_chunk_rows(&c, nullptr));
        assert_ran(gs_launch_row_actors(&c, nullptr));
        assert_int_equal(is_damaged, 0);
    }

    model_row row(size_t i) const
    {
        return rows.row(i);
    }
};

static void compare_row(const device_chunk &device, size_t i, const gs_slice &want,
                        const gs_idmap &actors)
{
    model_row got = device.row(i);
    assert_int_equal(got.seq, want.seq);
    assert_int_equal(got.acq_ns, want.acq_ns);
    assert_int_equal(got.rel_ns, want.rel_ns);
    assert_int_equal(got.begin_ns, want.begin_ns);
    assert_int_equal(got.flags, want.flags);
    assert_int_equal(got.thread, want.thread);
    assert_int_equal(got.ds, want.ds);
    assert_int_equal(device.actors.keys[got.hold_actor], actors.keys[want.hold_actor]);
    if (want.flags & GS_SLICE_WAIT)
        assert_int_equal(device.actors.keys[got.wait_actor], actors.keys[want.wait_actor]);
}

/* Rows that the part does not mean have no flags, whatever the file says. */
static void check_chunk(size_t n, uint64_t ds_below, uint64_t reaching_below, test_random *r)
{
    recording rec;
    std::vector<uint8_t> chunk = encode(some_columns(n, ds_below, r), n);
    gs_chunk_ref ref = {chunk.data(), nullptr, {}, GS_CHUNK_SOUND};
    gs_decoder d;
    gs_slice want;
    device_chunk device(rec, n);
    gs_part part = {FIRST + n / 4, FIRST + n + n / 2, reaching_below, 0, (uint32_t)n, 3, 0};
    gs_chunk_hdr header;
    memcpy(&header, chunk.data(), sizeof(header));
    ref.hdr = gs_chunk_head_of(&header);
    gs_decoder_open(&d, &rec.r, &rec.stacks, {n, (uint32_t)n});
    assert_true(gs_decode_slices(&d, &ref));
    device.run(chunk, part);
    for (size_t i = 0; i < n; i++) {
        bool is_row = gs_decoded_slice(&d, i, &want);
        is_row &= want.seq >= part.lo && want.seq <= part.last;
        if (reaching_below) {
            is_row &= (want.flags & GS_SLICE_WAIT) && want.seq - want.ds < reaching_below;
            want.flags &= ~(uint32_t)(GS_SLICE_TURN | GS_ROW_KNOWN_STACK);
        }
        if (!is_row)
            assert_int_equal(device.row(i).flags, 0);
        else if (!reaching_below)
            compare_row(device, i, want, d.actors);
        else
            assert_int_equal(device.row(i).flags, want.flags);
    }
    gs_decoder_close(&d);
}

static void rows_of_chunks(void **state)
{
    test_random r(1);
    (void)state;
    for (uint64_t seed : SEEDS)
        for (size_t n : {1, 2, 255, 257, 1024, 1500}) {
            gs::simt::set_seed(seed);
            check_chunk(n, 6, 0, &r);
            check_chunk(n, 6, FIRST + r.below(2 * n), &r);
        }
}

/* Past the limit of steps only short waits are told apart by holder. */
static void waits_that_saw_too_much(void **state)
{
    test_random r(2);
    (void)state;
    for (uint64_t ds_below : {600, 1500, 3000, 9000})
        check_chunk(1200, ds_below, 0, &r);
    for (unsigned i = 0; i < 20; i++) /* few rows may see more for each */
        check_chunk(10, 3000, 0, &r);
}

/* ---- the map ---- */

static void a_map_that_is_too_small_says_so(void **state)
{
    test_random r(3);
    (void)state;
    for (uint32_t cap : {1u, 31u, 500u, 2000u}) {
        std::vector<gs_u64> keys;
        for (unsigned i = 0; i < 1000; i++)
            keys.push_back(i % 50 ? r.below(700) << 32 | r.below(2) : GS_NO_KEY);
        std::set<gs_u64> want(keys.begin(), keys.end());
        want.erase(GS_NO_KEY);
        device_map small(cap);
        assert_ran(gs_launch_add_actors(&small.map, keys.data(), 1000, nullptr));
        assert_int_equal(small.count() > cap, want.size() > cap);
        uint32_t kept = std::min(small.count(), cap);
        device_map large(4096, {small.keys.begin(), small.keys.begin() + kept});
        assert_ran(gs_launch_add_actors(&large.map, keys.data(), 1000, nullptr));
        assert_int_equal(large.count(), want.size());
        std::vector<uint32_t> numbers(1000);
        assert_ran(gs_launch_find_actors(&large.map, keys.data(), 1000, numbers.data(), nullptr));
        for (unsigned i = 0; i < 1000; i++)
            if (keys[i] != GS_NO_KEY)
                assert_int_equal(large.keys[numbers[i]], keys[i]);
        for (uint32_t k = 0; k < kept; k++) /* those that were there keep their numbers */
            assert_int_equal(large.keys[k], small.keys[k]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_of_chunks),
        cmocka_unit_test(waits_that_saw_too_much),
        cmocka_unit_test(a_map_that_is_too_small_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
