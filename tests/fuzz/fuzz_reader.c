/* SPDX-License-Identifier: MIT
 * A whole capture from anywhere: read, analysed by the engines, printed. Checksums are mended
 * first, else every mutation would end at the first CRC. All engines must say the same, also in
 * windows as small as they can be.
 */
#include <stdlib.h>
#include <string.h>

#include "analyzer/profile_build.h"
#include "analyzer/stats.h"
#include "analyzer/trace_reader.h"
#include "tests/fuzz/capture_mend.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed);

#define MAX_SIZE (1u << 20)
#define MAX_ROWS 3000 /* of the reference engine, whose time grows with their square */

static enum gs_status analyse(const uint8_t *data, size_t size, const char *engine,
                              size_t window_rows, char **json)
{
    struct gs_captures captures = {0};
    struct gs_load_options options = {.engine = engine,
                                      .jobs = 1,
                                      .window_rows = window_rows,
                                      .stacks = (enum gs_stack_view)(size % 3)};
    struct gs_profile p = {0};
    struct gs_error err = {0};
    size_t len;
    enum gs_status s = gs_captures_add(&captures, data, size, "fuzz", &err);
    if (s == GS_OK) {
        gs_captures_sort(&captures);
        s = gs_profile_build(&captures, &options, &p, &err);
    }
    gs_captures_close(&captures);
    FILE *f = open_memstream(json, &len);
    if (!f)
        abort();
    if (s == GS_OK) {
        p.engine = "any";
        gs_report_json(&p, f); /* all numbers there are; fuzz_outputs has the other texts */
    }
    fclose(f);
    gs_profile_free(&p);
    return s;
}

static uint64_t claimed_rows(const uint8_t *data, size_t size)
{
    struct gs_walk walk;
    struct gs_walk_item item;
    uint64_t rows = 0;
    gs_walk_init(&walk, data, size);
    while (gs_walk_next(&walk, &item))
        rows += item.kind == GS_WALK_CHUNK && item.chunk.stream != GS_STREAM_RECORDS
                    ? item.chunk.n_rows
                    : 0;
    return rows;
}

/* With the engine that the variable names: the emulator's, see cuda/README.md. */
static void compare_device(const uint8_t *data, size_t size, const char *want,
                           enum gs_status status)
{
    for (size_t rows = 0; rows < 2 && getenv("GILSCOPE_CUDA_ENGINE"); rows++) {
        char *got = NULL;
        if (analyse(data, size, "cuda", rows, &got) != status || strcmp(got, want) != 0)
            __builtin_trap();
        free(got);
    }
}

static void compare_engines(const uint8_t *data, size_t size)
{
    char *cpu = NULL, *small = NULL, *reference = NULL;
    enum gs_status a = analyse(data, size, "cpu", 0, &cpu);
    if (claimed_rows(data, size) <= MAX_ROWS) {
        if (analyse(data, size, "reference", 0, &reference) != a || strcmp(cpu, reference) != 0)
            __builtin_trap();
        if (analyse(data, size, "cpu", 1, &small) != a || strcmp(cpu, small) != 0)
            __builtin_trap();
        compare_device(data, size, cpu, a);
    }
    free(cpu);
    free(small);
    free(reference);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > MAX_SIZE)
        return 0;
    uint8_t *copy = malloc(size ? size : 1);
    if (!copy)
        abort();
    if (size)
        memcpy(copy, data, size);
    gs_mend(copy, size);
    compare_engines(copy, size);
    free(copy);
    return 0;
}

#ifdef GS_FUZZER
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed)
{
    return gs_mutate_capture(data, size, max, seed);
}
#endif
