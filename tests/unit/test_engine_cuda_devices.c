/* SPDX-License-Identifier: MIT
 * The CUDA engine on several devices, which the emulator has as many of as a test wants: who takes
 * what, and the CPU engine's numbers whatever fails.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/unit/engine_stories.h"
#include "tests/unit/rates_file.h"

#define EMULATOR GS_BUILD_DIR "/tests/libgilscope_cuda_simt.so"

enum { GILS = 3 };

/* Each process has GILS of them, the largest in the middle. */
static void build_processes(struct cap *c, unsigned n, unsigned rows)
{
    const unsigned parts[GILS] = {2, 9, 5};
    cap_open(c, 77);
    for (unsigned p = 0; p < n; p++) {
        c->key = 77 + p;
        define_process(c, 42 + p, 1);
        for (unsigned g = 0; g < GILS; g++) {
            struct story s = {
                .rng = 1 + p * GILS + g, .n = rows * parts[g] / 16, .threads = 4, .chunk = 100};
            c->gil = g;
            put_story(c, s, 0, 1);
        }
    }
}

static void set_devices(unsigned n)
{
    char text[16];
    snprintf(text, sizeof(text), "%u", n);
    setenv("GILSCOPE_SIMT_DEVICES", text, 1);
}

struct seen {
    char engine[16], devices[4096];
    unsigned gils[8]; /* by device */
    unsigned n_lines, n_failed;
};

static void read_lines(struct seen *s)
{
    char text[sizeof(s->devices)], *rest = text;
    strcpy(text, s->devices);
    for (char *line; *rest && (line = strsep(&rest, "\n")); s->n_lines++) {
        const char *colon = strchr(line, ':');
        unsigned device, gils;
        assert_int_equal(sscanf(line, "device %u", &device), 1);
        assert_int_equal(device, s->n_lines);
        assert_non_null(colon);
        assert_int_equal(sscanf(colon, ": %u GIL", &gils), 1);
        s->gils[device] = gils;
        s->n_failed += strstr(line, "failed") != NULL;
        if (!rest)
            rest = text + strlen(text);
    }
}

/* The profile, which must be the CPU's. */
static struct seen count(const struct cap *c, const char *engine, const char *want)
{
    struct gs_load_options options = {.engine = engine, .jobs = 1};
    struct gs_profile p;
    struct seen s = {.n_lines = 0};
    cap_profile_with(c->data, c->len, &options, &p);
    char *got = cap_json(&p);
    assert_string_equal(got, want);
    assert_true(!strcmp(p.engine, "cuda") == !p.engine_why_not);
    snprintf(s.engine, sizeof(s.engine), "%s", p.engine);
    snprintf(s.devices, sizeof(s.devices), "%s", p.engine_devices ? p.engine_devices : "");
    read_lines(&s);
    gs_profile_free(&p);
    free(got);
    return s;
}

static void gils_are_shared_out(void **state)
{
    struct cap c;
    (void)state;
    for (unsigned n = 1; n <= 5; n++) {
        build_processes(&c, n, 600);
        char *want = cap_json_of(c.data, c.len, "cpu");
        for (unsigned devices = 1; devices <= 4; devices++) {
            unsigned all = 0;
            set_devices(devices);
            struct seen s = count(&c, "cuda", want);
            assert_string_equal(s.engine, "cuda");
            assert_int_equal(s.n_failed, 0);
            assert_int_equal(s.n_lines, devices < n * GILS ? devices : n * GILS);
            for (unsigned k = 0; k < s.n_lines; k++) {
                assert_true(s.gils[k] > 0);
                all += s.gils[k];
            }
            assert_int_equal(all, n * GILS);
        }
        free(want);
        cap_close(&c);
    }
}

static void the_largest_goes_first(void **state)
{
    struct cap c;
    (void)state;
    build_processes(&c, 1, 600);
    set_devices(GILS);
    char *want = cap_json_of(c.data, c.len, "cpu");
    struct seen s = count(&c, "cuda", want);
    unsigned rows[GILS];
    assert_int_equal(sscanf(s.devices,
                            "device 0 (emulator): 1 GIL, %u rows\ndevice 1 (emulator): 1 GIL, "
                            "%u rows\ndevice 2 (emulator): 1 GIL, %u rows",
                            &rows[0], &rows[1], &rows[2]),
                     GILS);
    assert_true(rows[0] > rows[1] && rows[1] > rows[2] && rows[2] > 0);
    free(want);
    cap_close(&c);
}

/* ---- what may fail ---- */

/* One device of three: the GIL that it had begun is the CPU's, all others are the other devices'.
 */
static void check_failed(const struct seen *s, unsigned device)
{
    unsigned all = 0;
    assert_int_equal(s->n_failed, 1);
    for (unsigned k = 0; k < s->n_lines; k++)
        all += s->gils[k];
    if (!strcmp(s->engine, "cuda")) /* it could not be opened */
        assert_int_equal(s->gils[device], 0);
    else
        assert_string_equal(s->engine, "cuda+cpu");
    assert_int_equal(all, 2 * GILS - !strcmp(s->engine, "cuda+cpu"));
}

static void fail_each_call(const struct cap *c, const char *want, const char *name, unsigned code,
                           unsigned device)
{
    char text[64];
    for (unsigned n = 1, failed = 1; failed; n += 1 + n / 2) {
        snprintf(text, sizeof(text), "%s@%u:%u=%u", name, device, n, code);
        setenv("GILSCOPE_SIMT_FAIL", text, 1);
        struct seen s = count(c, "cuda", want);
        failed = s.n_failed;
        if (failed)
            check_failed(&s, device);
        else if (n == 1)
            fail_msg("%s is never called", name);
    }
    unsetenv("GILSCOPE_SIMT_FAIL");
}

static void one_device_fails(void **state)
{
    static const struct {
        const char *name;
        unsigned code;
    } calls[] = {{"cudaSetDevice", 719}, {"cudaMalloc", 2}, {"cudaHostAlloc", 2}, {"launch", 719}};
    struct cap c;
    (void)state;
    build_processes(&c, 2, 100);
    set_devices(3);
    char *want = cap_json_of(c.data, c.len, "cpu");
    for (size_t i = 0; i < sizeof(calls) / sizeof(*calls); i++)
        fail_each_call(&c, want, calls[i].name, calls[i].code, (unsigned)i % 3);
    free(want);
    cap_close(&c);
}

static void all_devices_fail(void **state)
{
    struct cap c;
    (void)state;
    build_processes(&c, 2, 600);
    set_devices(3);
    char *want = cap_json_of(c.data, c.len, "cpu");
    setenv("GILSCOPE_SIMT_FAIL", "launch=719", 1);
    struct seen s = count(&c, "cuda", want);
    unsetenv("GILSCOPE_SIMT_FAIL");
    assert_string_equal(s.engine, "cpu");
    assert_int_equal(s.n_failed, 3);
    free(want);
    cap_close(&c);
}

/* ---- what pays ---- */

/* "auto" learns from the first device how many there are, and opens more where it pays. */
static void auto_opens_what_pays(void **state)
{
    struct cap c;
    (void)state;
    build_processes(&c, 3, 600);
    set_devices(3);
    char *want = cap_json_of(c.data, c.len, "cpu");
    write_rates(GILSCOPE_VERSION, 1000000000, 1, 1); /* a row: 1 ms on the CPU, nothing else */
    struct seen s = count(&c, "auto", want);
    assert_int_equal(s.n_lines, 1);
    drop_rates();
    write_rates(GILSCOPE_VERSION, 2000000000, 1000000000, 1); /* 2 ms, and 1 ms on a device */
    s = count(&c, "auto", want);
    assert_int_equal(s.n_lines, 3);
    assert_string_equal(s.engine, "cuda");
    drop_rates();
    free(want);
    cap_close(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gils_are_shared_out),  cmocka_unit_test(the_largest_goes_first),
        cmocka_unit_test(one_device_fails),     cmocka_unit_test(all_devices_fail),
        cmocka_unit_test(auto_opens_what_pays),
    };
    setenv("GILSCOPE_CUDA_ENGINE", EMULATOR, 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
