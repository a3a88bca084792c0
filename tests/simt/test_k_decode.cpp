/* SPDX-License-Identifier: MIT
 * gs_k_decode against gs_chunk_decode_column(): the same values, and the same verdict on damage.
 */
#include <algorithm>
#include <dirent.h>
#include <fstream>
#include <iterator>
#include <memory>

#include "cuda/decode.cuh"
#include "tests/simt/simt_test.h"

extern "C" {
#include "analyzer/trace_reader.h"
}

/* ---- chunks ---- */

typedef std::vector<uint8_t> bytes;

static bytes encode(uint8_t stream, const std::vector<std::vector<uint64_t>> &columns)
{
    size_t n = columns[0].size(), len;
    bytes out(gs_chunk_bound(stream, n));
    std::unique_ptr<gs_encode_scratch> scratch(new gs_encode_scratch);
    std::vector<const uint64_t *> at;
    gs_chunk_meta meta = {};
    for (const auto &c : columns)
        at.push_back(c.data());
    assert_int_equal(
        gs_chunk_encode(stream, &meta, at.data(), n, scratch.get(), out.data(), out.size(), &len),
        GS_OK);
    out.resize(len);
    return out;
}

/* A chunk of one column of one block that is written by hand: RAW, FOR, CONST and DELTA with every
 * width, also such as the encoder would not choose. */
static bytes by_hand(unsigned codec, unsigned width, unsigned n, uint32_t n_words, test_random *r,
                     bool fill_ones)
{
    gs_block_hdr block = {(uint8_t)width, (uint8_t)codec, (uint16_t)n, n_words, r->next()};
    gs_chunk_hdr hdr = {};
    bytes out(GS_CHUNK_HDR_LEN + sizeof(block) + 4 * (size_t)n_words + GS_CHUNK_TAIL_LEN);
    for (uint8_t &b : out)
        b = fill_ones ? 0xff : (uint8_t)r->next();
    hdr.magic = GS_CHUNK_MAGIC;
    hdr.header_len = GS_CHUNK_HDR_LEN;
    hdr.stream = GS_STREAM_SCHED;
    hdr.total_len = (uint32_t)out.size();
    hdr.n_rows = n;
    hdr.n_cols = 1;
    hdr.col_off[0] = GS_CHUNK_HDR_LEN;
    memcpy(out.data(), &hdr, sizeof(hdr));
    memcpy(out.data() + GS_CHUNK_HDR_LEN, &block, sizeof(block));
    return out;
}

static gs_chunk_hdr header_of(const bytes &chunk)
{
    gs_chunk_hdr hdr;
    memcpy(&hdr, chunk.data(), sizeof(hdr));
    return hdr;
}

/* ---- both decoders ---- */

struct verdicts {
    unsigned good, bad;
};

/* All columns of all chunks in one launch. The chunks follow one another with `gap` bytes between,
 * so that they lie at all alignments. */
class comparison
{
    bytes buffer;
    std::vector<gs_column_task> tasks;
    std::vector<std::vector<uint64_t>> want;
    std::vector<gs_status> status;
    uint64_t n_out = 0;

  public:
    verdicts seen = {};

    void add(const bytes &chunk, size_t gap)
    {
        gs_chunk_hdr hdr = header_of(chunk);
        const struct gs_stream_desc *desc = gs_stream_desc(hdr.stream);
        buffer.resize(buffer.size() + gap);
        for (unsigned c = 0; desc && c < desc->n_cols; c++)
            add_column(chunk, hdr, c);
        buffer.insert(buffer.end(), chunk.begin(), chunk.end());
    }

    void run()
    {
        std::vector<gs_u64> out((size_t)n_out, 0xee);
        std::vector<unsigned> damaged(tasks.size());
        bytes tight(buffer); /* of exactly this size: a sanitizer sees what lies behind it */
        tight.shrink_to_fit();
        assert_ran(gs_launch_decode(tight.data(), tasks.data(), (unsigned)tasks.size(), out.data(),
                                    damaged.data(), nullptr));
        for (size_t i = 0; i < tasks.size(); i++)
            check(i, damaged[i], out.data() + tasks[i].out);
    }

  private:
    void add_column(const bytes &chunk, const gs_chunk_hdr &hdr, unsigned column)
    {
        gs_column_task task;
        std::vector<uint64_t> values(GS_CHUNK_MAX_ROWS);
        gs_status host = gs_chunk_decode_column(chunk.data(), &hdr, column, values.data());
        gs_status ours = gs_column_task_of(&hdr, buffer.size(), column, n_out, &task);
        if (ours != GS_OK) {
            assert_int_equal(ours, host);
            seen.bad++;
            return;
        }
        values.resize(hdr.n_rows);
        tasks.push_back(task);
        want.push_back(values);
        status.push_back(host);
        n_out += hdr.n_rows;
    }

    void check(size_t i, unsigned damaged, const gs_u64 *out)
    {
        (status[i] ? seen.bad : seen.good)++;
        assert_int_equal(damaged ? GS_ERR_CORRUPT : GS_OK, status[i]);
        for (size_t k = 0; !damaged && k < want[i].size(); k++)
            if (out[k] != want[i][k])
                fail_msg("column %zu, row %zu: %llx, not %llx", i, k, out[k],
                         (unsigned long long)want[i][k]);
    }
};

/* ---- tests ---- */

static const size_t SIZES[] = {1, 2, 31, 32, 33, 1023, 1024, 1025, 2048, 2049, 4095, 4096};

static unsigned words_of(unsigned width, unsigned n)
{
    return width > 32 ? n + words_of(width - 32, n) : (n * width + 31) / 32;
}

static void every_width_of_every_codec(void **state)
{
    test_random r(1);
    comparison all;
    (void)state;
    for (unsigned n : {1u, 33u, 1023u, 1024u})
        for (unsigned width = 0; width <= 64; width++)
            for (unsigned codec : {GS_CODEC_FOR, GS_CODEC_DELTA})
                all.add(by_hand(codec, width, n, words_of(width, n), &r, width % 7 == 3),
                        width % 5);
    for (unsigned n : {1u, 1000u, 1024u}) {
        all.add(by_hand(GS_CODEC_RAW, 64, n, 2 * n, &r, false), n);
        all.add(by_hand(GS_CODEC_CONST, 0, n, 0, &r, false), 1);
    }
    all.run();
    assert_int_equal(all.seen.good,
                     4 * (4 * 65 * 2 + 6)); /* SCHED has four columns, three absent */
    assert_int_equal(all.seen.bad, 0);
}

static void headers_that_contradict_themselves(void **state)
{
    test_random r(2);
    comparison all;
    unsigned n_cases = 0;
    (void)state;
    for (unsigned n : {1u, 40u, 1024u})
        for (unsigned codec = 0; codec < 6; codec++)
            for (unsigned width : {0u, 1u, 31u, 32u, 33u, 63u, 64u, 65u, 255u})
                for (unsigned words : {0u, 1u, 2 * n, words_of(width, n), words_of(width, n) + 1}) {
                    all.add(by_hand(codec, width, n, words, &r, false), 0);
                    n_cases++;
                }
    all.run();
    assert_true(all.seen.bad > n_cases / 2 && all.seen.good > 3 * n_cases);
}

/* Rows like those of a recording, of the width given, and stacks from few to thousands. */
static std::vector<std::vector<uint64_t>> rows_of(uint8_t stream, size_t n, test_random *r)
{
    const struct gs_stream_desc *desc = gs_stream_desc(stream);
    std::vector<std::vector<uint64_t>> columns(desc->n_cols, std::vector<uint64_t>(n));
    for (unsigned c = 0; c < desc->n_cols; c++) {
        unsigned width = (unsigned)r->below(65), shape = (unsigned)r->below(3);
        uint64_t at = r->next(), constant = r->next();
        bool is_stack = desc->cols[c].kind == GS_COL_STACK;
        for (size_t i = 0; i < n; i++) {
            at += r->of_width(width) - r->of_width(width ? width - 1 : 0); /* wraps */
            columns[c][i] = is_stack     ? r->below(1 + (shape << 11))
                            : shape == 0 ? constant
                            : shape == 1 ? at
                                         : r->of_width(width);
        }
    }
    return columns;
}

static void chunks_of_the_encoder(void **state)
{
    test_random r(3);
    (void)state;
    for (uint64_t seed : SEEDS) {
        comparison all;
        gs::simt::set_seed(seed);
        for (size_t n : SIZES)
            for (uint8_t stream : {GS_STREAM_SLICE, GS_STREAM_HOLDER_SAMPLE})
                all.add(encode(stream, rows_of(stream, n, &r)), r.below(4));
        all.run();
        assert_int_equal(all.seen.good, sizeof(SIZES) / sizeof(*SIZES) * (9 + 5));
        assert_int_equal(all.seen.bad, 0);
    }
}

/* Bits of the payload and of the header turned: most chunks stay readable, some do not. */
static void damage(bytes *chunk, test_random *r)
{
    gs_chunk_hdr hdr = header_of(*chunk);
    size_t from = r->below(4) ? hdr.col_off[r->below(hdr.n_cols)] : r->below(chunk->size());
    for (uint64_t k = 1 + r->below(3); k > 0; k--) {
        size_t at = std::min(chunk->size() - 1, from + r->below(GS_BLOCK_HDR_LEN));
        (*chunk)[at] = (uint8_t)((*chunk)[at] ^ 1u << r->below(8));
    }
    hdr = header_of(*chunk); /* the decoders are told where the chunk ends by who checked it */
    hdr.total_len = (uint32_t)chunk->size();
    if (r->below(8) == 0)
        hdr.n_dict = (uint32_t)r->below(9000);
    if (r->below(8) == 0)
        hdr.col_off[r->below(9)] = (uint32_t)r->below(chunk->size() + 10);
    memcpy(chunk->data(), &hdr, sizeof(hdr));
}

static void damaged_chunks(void **state)
{
    test_random r(4);
    (void)state;
    for (unsigned round = 0; round < 6; round++) {
        comparison all;
        for (unsigned k = 0; k < 60; k++) {
            bytes chunk = encode(GS_STREAM_SLICE, rows_of(GS_STREAM_SLICE, 1 + r.below(2100), &r));
            damage(&chunk, &r);
            all.add(chunk, r.below(4));
        }
        all.run();
        assert_true(all.seen.bad > 20 && all.seen.good > 20);
    }
}

/* One entry is taken from the dictionary: the greatest index is then its length. */
static void an_index_just_beyond_the_dictionary(void **state)
{
    test_random r(6);
    (void)state;
    for (size_t n : {1, 2, 100, 1024, 1025}) {
        comparison all;
        auto columns = rows_of(GS_STREAM_HOLDER_SAMPLE, n, &r);
        for (size_t i = 0; i < n; i++)
            columns[4][i] = 70 + i;
        bytes chunk = encode(GS_STREAM_HOLDER_SAMPLE, columns);
        all.add(chunk, 0);
        gs_chunk_hdr hdr = header_of(chunk);
        assert_int_equal(hdr.n_dict, n);
        hdr.n_dict--;
        memcpy(chunk.data(), &hdr, sizeof(hdr));
        all.add(chunk, 1);
        all.run();
        assert_int_equal(all.seen.good, 5 + 4);
        assert_int_equal(all.seen.bad, 1);
    }
}

static void a_header_refused_by_the_host_gives_no_task(void **state)
{
    test_random r(5);
    bytes chunk = encode(GS_STREAM_SLICE, rows_of(GS_STREAM_SLICE, 5, &r));
    gs_chunk_hdr good = header_of(chunk), hdr = good;
    gs_column_task task;
    std::vector<uint64_t> values(GS_CHUNK_MAX_ROWS);
    (void)state;
#define BOTH_SAY(column, code)                                                                     \
    do {                                                                                           \
        assert_int_equal(gs_column_task_of(&hdr, 0, column, 0, &task), code);                      \
        assert_int_equal(gs_chunk_decode_column(chunk.data(), &hdr, column, values.data()), code); \
        hdr = good;                                                                                \
    } while (0)
    BOTH_SAY(8, GS_OK);
    BOTH_SAY(9, GS_ERR_USAGE);
    hdr.stream = 200;
    BOTH_SAY(0, GS_ERR_USAGE);
    hdr.flags = 1;
    BOTH_SAY(0, GS_ERR_FEATURE);
    hdr.n_rows = 0;
    BOTH_SAY(0, GS_ERR_CORRUPT);
    hdr.n_rows = GS_CHUNK_MAX_ROWS + 1;
    BOTH_SAY(0, GS_ERR_LIMIT);
    hdr.n_cols = GS_CHUNK_MAX_COLS + 1;
    BOTH_SAY(0, GS_ERR_LIMIT);
    hdr.total_len = GS_CHUNK_MAX_LEN + 1;
    BOTH_SAY(0, GS_ERR_LIMIT);
    hdr.n_dict = UINT32_MAX;
    BOTH_SAY(0, GS_ERR_CORRUPT);
    hdr.header_len = 127;
    BOTH_SAY(0, GS_ERR_CORRUPT);
    hdr.col_off[3] = 127;
    BOTH_SAY(3, GS_ERR_CORRUPT);
    hdr.col_off[3] = hdr.total_len;
    BOTH_SAY(3, GS_ERR_CORRUPT);
#undef BOTH_SAY
}

/* ---- golden captures ---- */

static bytes file_of(const std::string &path)
{
    std::ifstream in(path, std::ios::binary);
    assert_true(in.good());
    return bytes(std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>());
}

/* Chunks whose checksum is wrong are compared, too: the kernels must do no harm. */
static unsigned add_capture(comparison *all, const bytes &capture)
{
    gs_walk walk;
    gs_walk_item item;
    unsigned n = 0;
    gs_walk_init(&walk, capture.data(), capture.size());
    while (gs_walk_next(&walk, &item)) {
        if (item.kind != GS_WALK_CHUNK && !(item.kind == GS_WALK_DAMAGED && item.has_chunk))
            continue;
        if (item.data && item.len == item.chunk.total_len) {
            all->add(bytes(item.data, item.data + item.len), item.off & 3);
            n++;
        }
    }
    return n;
}

static void the_golden_captures(void **state)
{
    const std::string folder = GS_SOURCE_DIR "/tests/golden/v1/";
    comparison all;
    unsigned n_files = 0, n_chunks = 0;
    (void)state;
    DIR *dir = opendir(folder.c_str());
    assert_non_null(dir);
    while (const dirent *entry = readdir(dir)) {
        std::string name = entry->d_name;
        if (name.size() < 4 || name.substr(name.size() - 4) != ".gsc")
            continue;
        n_files++;
        n_chunks += add_capture(&all, file_of(folder + name));
    }
    closedir(dir);
    all.run();
    assert_true(n_files >= 20 && n_chunks >= 40);
    assert_true(all.seen.good > 300 && all.seen.bad > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_width_of_every_codec),
        cmocka_unit_test(headers_that_contradict_themselves),
        cmocka_unit_test(chunks_of_the_encoder),
        cmocka_unit_test(damaged_chunks),
        cmocka_unit_test(an_index_just_beyond_the_dictionary),
        cmocka_unit_test(a_header_refused_by_the_host_gives_no_task),
        cmocka_unit_test(the_golden_captures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
