/* SPDX-License-Identifier: MIT
 * What people read of CUDA: findings and their thresholds, the terminal summary, exports.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "analyzer/export.h"
#include "tests/unit/capture_builder.h"

#define MIB   (UINT64_C(1) << 20)
#define SEC   UINT64_C(1000000000)
#define ASKED UINT64_MAX
#define HELD  (GS_CUDA_HELD | GS_CUDA_HAD)

static void begin(struct cap *c, uint64_t key)
{
    cap_open(c, key);
    cap_records(c);
    cap_process(c, 7 + (uint32_t)key, 0, 1);
    cap_code(c, 1, "/srv/app/train.py", "step", 88);
    cap_code(c, 2, "/srv/app/main.py", "main", 3);
    cap_stack2(c, 1, 1, 2);
}

static void put_context(struct cap *c, uint64_t context, uint64_t t, uint64_t used_bytes)
{
    cap_cuda_device(c, 0, "NVIDIA H100", "0000:1b:00.0", 80 << 10);
    bool asked = used_bytes == ASKED; /* the driver, what is left of 6 GiB */
    CAP_REC(c, GS_RECORD_CUDA_CONTEXT, context, t, 0, GS_CUDA_PRIMARY, 50, 0,
            asked ? 1024 * MIB : 0, asked ? 6144 * MIB : 0, 0, 1);
    if (used_bytes && !asked)
        CAP_REC(c, GS_RECORD_CUDA_USED, t, 0, used_bytes);
}

static const struct gs_finding *finding(const struct gs_profile *p, const char *id)
{
    for (size_t i = 0; i < p->n_findings; i++)
        if (strcmp(p->findings[i].id, id) == 0)
            return &p->findings[i];
    return NULL;
}

static char *summary(const struct gs_profile *p)
{
    char *text = NULL;
    size_t len = 0;
    FILE *f = open_memstream(&text, &len);
    assert_true(gs_stats_text(p, NULL, f));
    fclose(f);
    return text;
}

static void lines_fit(const char *text)
{
    while (*text) {
        size_t len = strcspn(text, "\n"), columns = 0;
        for (size_t i = 0; i < len; i++)
            columns += ((unsigned char)text[i] & 0xc0) != 0x80;
        if (columns > 80)
            fail_msg("%zu columns: %.*s", columns, (int)len, text);
        text += len + (text[len] == '\n');
    }
}

/* ---- contexts ---- */

/* One process after another, from pid 8 on; each starts a ns after the one before. */
static void make_job(struct cap *c, size_t n, uint64_t used_bytes, uint64_t lives_ns)
{
    for (size_t i = 0; i < n; i++) {
        struct cap one;
        begin(&one, i + 1);
        put_context(&one, 1, 100 * i, used_bytes);
        CAP_REC(&one, GS_RECORD_CUDA_CONTEXT_END, 1, 100 * i + lives_ns);
        CAP_REC(&one, GS_RECORD_END, 5000, GS_EVENT_EXIT);
        cap_end_records(&one);
        if (i == 0) {
            *c = one;
            continue;
        }
        memcpy(cap_reserve(c, one.len), one.data, one.len);
        c->len += one.len;
        cap_close(&one);
    }
}

static void contexts_of_several_processes_are_told(void **state)
{
    static const struct {
        size_t n;
        uint64_t used_bytes, lives_ns;
        int severity; /* -1: not said */
        const char *claim;
    } cases[] = {
        {8, 435 * MIB, 3000, GS_SEV_MEDIUM,
         "8 processes keep 8 contexts on 1 device: 3.4 GiB of contexts; one process would keep "
         "435.0 MiB."},
        {8, 512 * MIB, 3000, GS_SEV_HIGH,
         "8 processes keep 8 contexts on 1 device: 4.0 GiB of contexts; one process would keep "
         "512.0 MiB."},
        {3, 0, 3000, GS_SEV_MEDIUM, "3 processes keep 3 contexts on 1 device."},
        {3, ASKED, 3000, GS_SEV_MEDIUM, "3 processes keep 3 contexts on 1 device."},
        {1, 512 * MIB, 3000, -1, NULL},
        {8, 512 * MIB, 50, -1, NULL}, /* never two at once */
        {4, 512 * MIB, 150, GS_SEV_MEDIUM,
         "2 processes keep 2 contexts on 1 device: 1.0 GiB of contexts; one process would keep "
         "512.0 MiB."},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct cap c = {0};
        struct gs_profile p;
        make_job(&c, cases[i].n, cases[i].used_bytes, cases[i].lives_ns);
        cap_profile(c.data, c.len, "cpu", &p);
        const struct gs_finding *f = finding(&p, "cuda-contexts");
        assert_int_equal(f ? (int)f->severity : -1, cases[i].severity);
        if (f)
            assert_string_equal(f->claim, cases[i].claim);
        char *text = summary(&p);
        lines_fit(text);
        assert_int_equal(strstr(text, "<=5.0 GiB") != NULL, cases[i].used_bytes == ASKED);
        assert_int_equal(strstr(text, "\nCUDA of the job\n") != NULL, cases[i].n > 1);
        free(text);
        gs_profile_free(&p);
        cap_close(&c);
    }
}

/* ---- waits under the GIL ---- */

static void make_sync(struct cap *c, uint64_t blamed_ns)
{
    const struct cap_cuda rows[] = {
        {SEC, 1, GS_CUDA_WHAT(GS_CUDA_OP_COPY, 0, HELD, 7), 0, 1, 0, SEC, 0, 0, 1},
        {3 * SEC, 2, GS_CUDA_WHAT(GS_CUDA_OP_FREE, 1, HELD, 8), 0, 1, 0, SEC, 0, 0, 1}};
    const struct cap_row waits[] = {{1, SEC + blamed_ns, 1, 3, 1, 1, blamed_ns, 1, 1}};
    begin(c, 1);
    put_context(c, 1, 5, 0);
    cap_cuda_call(c, 7, GS_CUDA_OP_COPY, "cuMemcpyDtoH_v2",
                  (const uint64_t[]){9 * SEC, 40, 0, 3 * SEC, 30, 2 * SEC});
    CAP_REC(c, GS_RECORD_END, 10 * SEC, GS_EVENT_EXIT);
    cap_end_records(c);
    cap_cuda(c, rows, 2);
    cap_slices(c, waits, 1);
}

static void waits_under_the_gil_are_told(void **state)
{
    static const struct {
        uint64_t blamed_ns;
        int severity;
    } cases[] = {
        {SEC, GS_SEV_HIGH},
        {SEC / 2, GS_SEV_MEDIUM},
        {3 * SEC / 10, GS_SEV_MEDIUM},
        {SEC / 4, -1},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct cap c;
        struct gs_profile p;
        make_sync(&c, cases[i].blamed_ns);
        cap_profile(c.data, c.len, "cpu", &p);
        const struct gs_finding *f = finding(&p, "cuda-sync-under-gil");
        assert_int_equal(f ? (int)f->severity : -1, cases[i].severity);
        if (i == 0) {
            assert_string_equal(f->claim, "2.00 s of 3.00 s waiting for devices (most in "
                                          "cuMemcpyDtoH_v2) held the GIL; other threads waited "
                                          "1.00 s meanwhile, most at `step` (train.py:88).");
            assert_int_equal(f->ns, SEC);
            assert_int_equal(f->of_ns, 10 * SEC);
        }
        gs_profile_free(&p);
        cap_close(&c);
    }
}

/* ---- memory, modules, the summary ---- */

static void make_memory(struct cap *c)
{
    const struct cap_cuda rows[] = {
        {100, 1, GS_CUDA_WHAT(GS_CUDA_OP_ALLOC, GS_CUDA_KIND_DEVICE, 0, 3), 0, 1, 0, 10, 9 * MIB,
         0x1, 1},
        {200, 2, GS_CUDA_WHAT(GS_CUDA_OP_ALLOC, GS_CUDA_KIND_DEVICE, 0, 3), 0, 1, 2, 10, 80 * MIB,
         0, 1},
        {300, 3, GS_CUDA_WHAT(GS_CUDA_OP_LOAD, GS_CUDA_KIND_MODULE, HELD, 4), 0, 1, 0, 10, MIB, 0,
         1},
    };
    begin(c, 1);
    cap_cuda_driver(c, GS_CUDA_LOADING_EAGER);
    put_context(c, 1, 5, 100 * MIB);
    cap_cuda_call(c, 3, GS_CUDA_OP_ALLOC, "cuMemAlloc_v2", (const uint64_t[]){900, 2, 1, 20, 0, 0});
    cap_cuda_call(c, 5, GS_CUDA_OP_LAUNCH, "cu\x1b[31mLaunch\nKernel",
                  (const uint64_t[]){900, 7, 0, 20, 7, 20});
    CAP_REC(c, GS_RECORD_END, 1000, GS_EVENT_EXIT);
    cap_end_records(c);
    cap_cuda(c, rows, 3);
}

static void out_of_memory_and_eager_loading_are_told(void **state)
{
    struct cap c;
    struct gs_profile p;
    (void)state;
    make_memory(&c);
    cap_profile(c.data, c.len, "cpu", &p);
    const struct gs_finding *f = &p.findings[0];
    assert_string_equal(f->id, "cuda-oom");
    assert_int_equal(f->severity, GS_SEV_HIGH);
    assert_string_equal(f->claim, "A device had no memory left, 1 time: after 200 ns cuMemAlloc_v2 "
                                  "asked for 80.0 MiB while this process had 9.0 MiB, 9.0 MiB of "
                                  "it allocated at `step` (train.py:88).");
    f = finding(&p, "cuda-eager-loading");
    assert_int_equal(f->severity, GS_SEV_LOW);
    assert_string_equal(f->claim, "The driver loads all code of a module at once: 1 module of 1.0 "
                                  "MiB was loaded eagerly.");
    gs_profile_free(&p);
    cap_close(&c);
}

static void the_summary_has_a_section(void **state)
{
    static const char *const lines[] = {
        "\nCUDA (pid 8)\n device contexts   they take   allocated        used  name\n",
        "\n      0        1   100.0 MiB         0 B   100.0 MiB  NVIDIA H100\n",
        "Memory of devices: at most 9.0 MiB (after 110 ns), 9.0 MiB at the end; 1\n",
        "By kind at most: device 9.0 MiB; at the end: device 9.0 MiB.\n",
        "Out of memory after 200 ns: cuMemAlloc_v2 asked for 80.0 MiB while 9.0 MiB\n",
        "     9.0 MiB     9.0 MiB           1  step (train.py:88) < main\n",
        "All calls together held the GIL for 30 ns; others waited 0 ns meanwhile.\n",
        "\n 7 launches took 20 ns.\n",
        "      0 ns     20 ns         7  launch                   (not sampled)\n",
    };
    struct cap c;
    struct gs_profile p;
    (void)state;
    make_memory(&c);
    cap_profile(c.data, c.len, "cpu", &p);
    char *text = summary(&p);
    lines_fit(text);
    for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++)
        if (!strstr(text, lines[i]))
            fail_msg("not there: %s\nin: %s", lines[i], text);
    assert_null(strchr(text, '\x1b'));
    free(text);
    gs_profile_free(&p);
    cap_close(&c);
}

static void the_summary_says_why_there_is_nothing(void **state)
{
    struct cap c;
    struct gs_profile p;
    (void)state;
    begin(&c, 1);
    cap_event(&c, 5, GS_EVENT_NO_CUDA, "libcuda.so.1 came before the agent");
    cap_end_records(&c);
    cap_profile(c.data, c.len, "cpu", &p);
    char *text = summary(&p);
    assert_non_null(
        strstr(text, "\nCUDA (pid 8)\n not recorded: libcuda.so.1 came before the agent\n"));
    free(text);
    gs_profile_free(&p);
    cap_close(&c);
}

static void exports_have_live_bytes(void **state)
{
    struct cap c;
    struct gs_profile p;
    char *text = NULL;
    size_t len = 0;
    (void)state;
    make_memory(&c);
    cap_profile(c.data, c.len, "cpu", &p);
    FILE *f = open_memstream(&text, &len);
    assert_true(gs_export_collapsed(&p, GS_METRIC_CUDA, f));
    fclose(f);
    assert_string_equal(text, "pid 8;main (/srv/app/main.py:3);step (/srv/app/train.py:88) "
                              "9437184\n");
    free(text);
    f = open_memstream(&text, &len);
    assert_true(gs_export_speedscope(&p, -1, f));
    fclose(f);
    assert_non_null(strstr(text, "device memory"));
    assert_non_null(strstr(text, "\"endValue\":9437184"));
    free(text);
    gs_profile_free(&p);
    cap_close(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(contexts_of_several_processes_are_told),
        cmocka_unit_test(waits_under_the_gil_are_told),
        cmocka_unit_test(out_of_memory_and_eager_loading_are_told),
        cmocka_unit_test(the_summary_has_a_section),
        cmocka_unit_test(the_summary_says_why_there_is_nothing),
        cmocka_unit_test(exports_have_live_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
