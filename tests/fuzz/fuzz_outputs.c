/* SPDX-License-Identifier: MIT
 * A whole capture from anywhere, through everything that writes: stats, the report, exports, dump,
 * whatif.
 * Text of the capture must not act: no control characters in the terminal, none raw in JSON, no
 * markup in the page, no line of its own in a collapsed stack.
 */
#include <stdio.h>

#include "analyzer/dump.h"
#include "analyzer/export.h"
#include "analyzer/profile_build.h"
#include "analyzer/stats.h"
#include "analyzer/trace_reader.h"
#include "analyzer/utf8.h"
#include "analyzer/whatif/job.h"
#include "tests/fuzz/capture_mend.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed);

#define MAX_SIZE   (1u << 20)
#define PAGE_EVERY 1024 /* the page is large: one input of so many */

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition))                                                                          \
            __builtin_trap();                                                                      \
    } while (0)

struct text {
    char *s;
    size_t len;
    FILE *f;
};

static void text_open(struct text *t)
{
    t->f = open_memstream(&t->s, &t->len);
    CHECK(t->f);
}

static void text_close(struct text *t)
{
    fclose(t->f);
}

/* Valid UTF-8, and nothing hidden in it. */
static void no_control_characters(const struct text *t)
{
    for (size_t i = 0, n; i < t->len; i += n) {
        uint32_t cp;
        n = gs_utf8_decode(t->s + i, t->len - i, &cp);
        CHECK(cp != GS_UTF8_BAD || n == 3);
        CHECK(!gs_utf8_is_hidden(cp) || cp == '\n');
    }
}

static void every_line_ends_in_a_number(const struct text *t)
{
    for (const char *line = t->s, *end; line < t->s + t->len; line = end + 1) {
        end = memchr(line, '\n', (size_t)(t->s + t->len - line));
        CHECK(end && end > line);
        const char *digit = end;
        while (digit > line && digit[-1] >= '0' && digit[-1] <= '9')
            digit--;
        CHECK(digit < end && digit > line && digit[-1] == ' ');
    }
}

static void no_markup(const struct text *t)
{
    CHECK(!memchr(t->s, '<', t->len));
}

static void write_profile(const struct gs_profile *p, bool page)
{
    struct text t;
    text_open(&t);
    gs_stats_text(p, NULL, t.f);
    text_close(&t);
    no_control_characters(&t);
    free(t.s);
    text_open(&t);
    gs_report_json(p, t.f);
    text_close(&t);
    no_control_characters(&t);
    no_markup(&t);
    free(t.s);
    for (int m = 0; m < GS_N_METRICS; m++) {
        text_open(&t);
        gs_export_collapsed(p, (enum gs_metric)m, t.f);
        text_close(&t);
        every_line_ends_in_a_number(&t);
        no_control_characters(&t);
        free(t.s);
    }
    text_open(&t);
    gs_export_speedscope(p, -1, t.f);
    if (page)
        gs_export_html(p, t.f);
    text_close(&t);
    free(t.s);
}

static void write_dump(const uint8_t *data, size_t size)
{
    struct gs_walk walk;
    struct gs_walk_item item;
    struct text t;
    text_open(&t);
    gs_walk_init(&walk, data, size);
    while (gs_walk_next(&walk, &item))
        gs_dump_text(&item, t.f);
    text_close(&t);
    no_control_characters(&t);
    free(t.s);
    text_open(&t);
    gs_dump_json(data, size, t.f);
    text_close(&t);
    free(t.s);
}

static void write_prediction(const struct gs_captures *captures)
{
    struct gs_whatif_job job;
    struct gs_whatif_options options = {
        .target = gs_target_find(GS_TARGET_DEFAULT), .cores = 3, .jobs = 1, .engine = "cpu"};
    struct text t;
    gs_whatif_build(captures, &options, &job);
    text_open(&t);
    gs_whatif_text(&job, &options, t.f);
    gs_whatif_json(&job, &options, t.f);
    text_close(&t);
    no_control_characters(&t);
    free(t.s);
    gs_whatif_job_free(&job);
}

static void all_of(const uint8_t *data, size_t size)
{
    struct gs_captures captures = {0};
    struct gs_load_options options = {.engine = "cpu", .stacks = (enum gs_stack_view)(size % 3)};
    struct gs_profile p = {0};
    struct gs_error err = {0};
    enum gs_status s = gs_captures_add(&captures, data, size, "fuzz", &err);
    if (s == GS_OK) {
        gs_captures_sort(&captures);
        s = gs_profile_build(&captures, &options, &p, &err);
        write_prediction(&captures);
    }
    gs_captures_close(&captures);
    if (s == GS_OK)
        write_profile(&p, gs_crc32c(0, data, size) % PAGE_EVERY == 0);
    gs_profile_free(&p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > MAX_SIZE)
        return 0;
    uint8_t *copy = malloc(size ? size : 1);
    CHECK(copy);
    if (size)
        memcpy(copy, data, size);
    gs_mend(copy, size);
    all_of(copy, size);
    write_dump(copy, size);
    free(copy);
    return 0;
}

#ifdef GS_FUZZER
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed)
{
    return gs_mutate_capture(data, size, max, seed);
}
#endif
