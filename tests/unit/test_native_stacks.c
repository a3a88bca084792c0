/* SPDX-License-Identifier: MIT
 * Native stacks: how they merge with Python's, and what a capture says of them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <link.h>

#include "analyzer/export.h"
#include "analyzer/native_merge.h"
#include "tests/unit/capture_builder.h"

/* ---- merging lists ---- */

enum { GAP = '_' };

/* `native`, `python`: a letter a frame, innermost first; 'L' is the loop, a digit of `runs` a run;
 * a '~' at a list's end: truncated. The result is written the same way, the gap as '_'. */
static void merge(const char *native, const char *python, const char *runs, const char *want)
{
    struct gs_native_entry entries[600];
    uint32_t frames[600], run[600];
    struct gs_native_list n = {.at = entries};
    struct gs_python_list p = {.frames = frames, .runs = run};
    static struct gs_merged_stack out;
    char text[GS_STACK_MAX_DEPTH + 2];
    for (; *native && *native != '~'; native++)
        entries[n.n++] = (struct gs_native_entry){(uint32_t)*native, *native == 'L'};
    for (; *python && *python != '~'; python++)
        frames[p.n++] = (uint32_t)*python;
    n.truncated = *native == '~';
    p.truncated = *python == '~';
    for (; *runs; runs++)
        run[p.n_runs++] = (uint32_t)(*runs - '0');
    gs_native_merge(&n, &p, GAP, &out);
    for (size_t i = 0; i < out.n; i++)
        text[i] = (char)out.frames[i];
    text[out.n] = '\0';
    if (out.truncated)
        strcat(text, "~");
    assert_string_equal(text, want);
}

static void loops_give_way_to_their_runs(void **state)
{
    (void)state;
    merge("abLcLm", "XYZ", "12", "abXcYZm");
    merge("LcLm", "XYZ", "21", "XYcZm");
    merge("aLLm", "XY", "11", "aXYm");
    merge("aLm", "XYZ", "3", "aXYZm");
    merge("aLcLm", "X", "10", "aXcm"); /* a run that has just begun */
    merge("abm", "", "", "abm");       /* a thread that runs no Python */
    merge("", "XY", "2", "XY");
}

static void a_side_that_is_cut_takes_what_there_is(void **state)
{
    (void)state;
    merge("aLc~", "XYZ", "12", "aXc_YZ");   /* the outer loop is not seen */
    merge("aLc~", "X", "1", "aXc~");        /* nor are frames outside of all */
    merge("aLc~", "XYZ~", "12", "aXc_YZ~"); /* both */
    merge("aLcLm", "X~", "1", "aXcLm~");    /* the outer run is not known */
    merge("aLm", "XYZ", "1", "aXmYZ");      /* Python frames of another stack */
    merge("aLcLm", "", "", "aLcLm");        /* Python's frames are lost */
    merge("aLcLm", "", "12", "aLcLm");
    merge("aLc~", "", "", "aLc~");
}

static void what_does_not_fit_is_stacked_up(void **state)
{
    (void)state;
    merge("abLcLm", "XYZ", "3", "abXYZ");  /* a loop too many */
    merge("abLm", "XYZ", "12", "abXYZ");   /* a run too many */
    merge("abLcLm", "XYZ", "14", "abXYZ"); /* more frames in runs than there are */
    merge("abLm", "XYZ", "", "abXYZ");     /* no runs */
    merge("ab", "XYZ", "3", "XYZ");        /* no loop: of native frames nothing is certain */
    merge("ab~", "XYZ", "3", "ab_XYZ");    /* it may be in what is cut */
    merge("abLcLm", "XYZ~", "9", "abXYZ~");
}

static void deep_stacks_keep_their_inner_frames(void **state)
{
    char native[600], want[GS_STACK_MAX_DEPTH + 2];
    (void)state;
    memset(native, 'a', 599);
    strcpy(native + 597, "LL"); /* a loop too many */
    memset(want, 'a', GS_STACK_MAX_DEPTH);
    strcpy(want + GS_STACK_MAX_DEPTH, "~");
    merge(native, "XY", "2", want);
}

/* ---- from captures ---- */

enum { LIB = 1, PYTHON = 2, N_STACKS = 6 };

static void put_module_at(struct cap *c, uint64_t module, const uint64_t start_end_bias[3],
                          const char *build_id, const char *path)
{
    gs_record_begin(&c->w, GS_RECORD_NATIVE_MODULE);
    gs_record_put_u(&c->w, module);
    gs_record_put_u(&c->w, 1); /* t */
    for (unsigned i = 0; i < 3; i++)
        gs_record_put_u(&c->w, start_end_bias[i]);
    gs_record_put_bytes(&c->w, build_id, strlen(build_id));
    cap_put_s(c, path);
    if (gs_record_end(&c->w))
        c->n_records++;
}

static void put_module(struct cap *c, uint64_t module, const char *path)
{
    put_module_at(c, module, (const uint64_t[]){0x1000, 0x9000, 0x1000}, "\1\2", path);
}

static void put_symbol(struct cap *c, uint64_t module, uint64_t offset, uint64_t depth,
                       const char *function, const char *file, int line)
{
    gs_record_begin(&c->w, GS_RECORD_SYMBOL);
    gs_record_put_u(&c->w, module);
    gs_record_put_u(&c->w, offset);
    gs_record_put_u(&c->w, depth);
    cap_put_s(c, function);
    cap_put_s(c, file);
    gs_record_put_z(&c->w, line);
    if (gs_record_end(&c->w))
        c->n_records++;
}

static void put_definitions(struct cap *c)
{
    cap_code(c, 1, "/app/a.py", "inner", 10);
    cap_code(c, 2, "/app/a.py", "outer", 20);
    cap_stack2(c, 1, 1, 2);
    put_module(c, LIB, "/lib/libwork.so");
    put_module(c, PYTHON, "/lib/libpython3.12.so.1.0");
    put_symbol(c, LIB, 0x10, 0, "tiny", "/src/work.h", 3);
    put_symbol(c, LIB, 0x10, 1, "work", "/src/work.c", 30);
    put_symbol(c, LIB, 0x18, 0, "work_more", "", 0);
    put_symbol(c, PYTHON, 0x20, 0, "_PyEval_EvalFrameDefault.cold", "", 0);
    put_symbol(c, PYTHON, 0x21, 0, "_PyEval_EvalFrameDefault", "", 0);
    put_symbol(c, PYTHON, 0x30, 0, "Py_RunMain", "", 0);
    put_symbol(c, PYTHON, 0x31, 0, "_PyEval_EvalFrameDefaultish", "", 0);
}

static void begin(struct cap *c)
{
    cap_open(c, 1);
    cap_records(c);
    cap_process(c, 7, 0, 1);
    cap_thread(c, 0, "main");
    CAP_REC(c, GS_RECORD_GIL, 0, 0, 0);
}

/* One turn of each stack, of 10, 20, 30 … ns. */
static void put_turns(struct cap *c, const uint64_t stacks[N_STACKS])
{
    struct cap_row rows[N_STACKS];
    uint64_t t = 100;
    for (size_t i = 0; i < N_STACKS; i++, t += 1000)
        rows[i] = (struct cap_row){.seq = i + 1,
                                   .t_acq = t,
                                   .flags = GS_SLICE_TURN,
                                   .hold = 10 * (i + 1),
                                   .hold_stack = stacks[i]};
    cap_end_records(c);
    cap_slices(c, rows, N_STACKS);
}

/* "outermost;…;innermost" of the stack that held `hold` ns. */
static void stack_is(const struct gs_profile *p, uint64_t hold, const char *want)
{
    char text[1000] = "", more[1000];
    uint32_t node = UINT32_MAX;
    for (size_t i = 0; i < p->n_rows; i++)
        if (p->rows[i].hold_ns == hold)
            node = p->rows[i].node;
    assert_int_not_equal(node, UINT32_MAX);
    for (; node; node = p->nodes[node].parent) {
        snprintf(more, sizeof(more), "%s%s%s", p->frames[p->nodes[node].frame].func,
                 *text ? ";" : "", text);
        strcpy(text, more);
    }
    assert_string_equal(text, want);
}

static const struct gs_prof_frame *frame_of(const struct gs_profile *p, const char *func)
{
    for (size_t i = 0; i < p->n_frames; i++)
        if (strcmp(p->frames[i].func, func) == 0)
            return &p->frames[i];
    fail_msg("no frame %s", func);
    return NULL;
}

/* All engines say the same of it. */
static void profile(const struct cap *c, enum gs_stack_view view, struct gs_profile *out)
{
    struct gs_load_options options = {.engine = "reference", .stacks = view};
    cap_profile_with(c->data, c->len, &options, out);
    char *want = cap_json(out);
    options.engine = "cpu";
    char *have = cap_json_with(c->data, c->len, &options);
    assert_string_equal(have, want);
    free(have);
    free(want);
}

/* 5: work in a call of inner, which outer called in the same loop; 6: not told what is in it; 7:
 * no Python; 8: without native frames; 9: a native stack as Python's; 1: Python alone. */
static void put_stacks(struct cap *c)
{
    CAP_REC(c, GS_RECORD_NATIVE_STACK, 5, 1, 0, 1, 2, 3, LIB, 0x10, PYTHON, 0x20, PYTHON, 0x30);
    CAP_REC(c, GS_RECORD_NATIVE_STACK, 6, 1, 0, 2, 1, 1, 4, LIB, 0x4321, PYTHON, 0x21, PYTHON, 0x31,
            PYTHON, 0x21);
    CAP_REC(c, GS_RECORD_NATIVE_STACK, 7, 0, 1, 0, 3, 0, 0x7fff0010, 88, 0x5, LIB, 0x18);
    CAP_REC(c, GS_RECORD_NATIVE_STACK, 8, 1, 0, 0, 0);
    CAP_REC(c, GS_RECORD_NATIVE_STACK, 9, 5, 0, 1, 1, 2, LIB, 0x18, PYTHON, 0x21);
}

/* Each instruction of Python a function of its own: two runs of the loop, with C between them. */
static void instructions_of_tail_calls_give_way(void **state)
{
    const uint64_t stacks[N_STACKS] = {5, 5, 5, 5, 5, 5};
    struct cap c;
    struct gs_profile p;
    (void)state;
    begin(&c);
    put_definitions(&c);
    put_symbol(&c, PYTHON, 0x40, 0, "_TAIL_CALL_CALL", "", 0);
    put_symbol(&c, PYTHON, 0x41, 0, "inlined_there", "", 0);
    put_symbol(&c, PYTHON, 0x41, 1, "_TAIL_CALL_start_frame", "", 0);
    CAP_REC(&c, GS_RECORD_NATIVE_STACK, 5, 1, 0, 2, 1, 1, 6, LIB, 0x10, PYTHON, 0x40, PYTHON, 0x21,
            PYTHON, 0x41, PYTHON, 0x21, PYTHON, 0x30);
    put_stacks(&c);
    put_turns(&c, stacks);
    profile(&c, GS_STACKS_BOTH, &p);
    stack_is(&p, 210, "Py_RunMain;outer;inlined_there;inner;work;tiny");
    gs_profile_free(&p);
    profile(&c, GS_STACKS_NATIVE, &p);
    stack_is(&p, 210,
             "Py_RunMain;_PyEval_EvalFrameDefault;_TAIL_CALL_start_frame;inlined_there;"
             "_PyEval_EvalFrameDefault;_TAIL_CALL_CALL;work;tiny");
    gs_profile_free(&p);
    cap_close(&c);
}

#define WORKED "outer;inner;work;tiny"
#define RAW    "outer;_PyEval_EvalFrameDefaultish;inner;0x4321 (libwork.so)"

static const uint64_t all_stacks[N_STACKS] = {5, 6, 7, 8, 9, 1};

static void views_are_checked(const struct cap *c)
{
    struct gs_profile p;
    profile(c, GS_STACKS_BOTH, &p);
    stack_is(&p, 10, "Py_RunMain;" WORKED);
    stack_is(&p, 20, RAW);
    stack_is(&p, 30, "(truncated);work_more;0x5;0x7fff0010");
    stack_is(&p, 50, "(unknown);work_more");
    stack_is(&p, 40 + 60, "outer;inner"); /* 8 and 1 */
    gs_profile_free(&p);
    profile(c, GS_STACKS_PYTHON, &p);
    stack_is(&p, 10 + 20 + 40 + 60, "outer;inner");
    stack_is(&p, 30, "(no stack)");
    stack_is(&p, 50, "(unknown)");
    gs_profile_free(&p);
    profile(c, GS_STACKS_NATIVE, &p);
    stack_is(&p, 10, "Py_RunMain;_PyEval_EvalFrameDefault.cold;work;tiny");
    stack_is(&p, 40 + 60, "(no native stack)");
    stack_is(&p, 50, "_PyEval_EvalFrameDefault;work_more");
    gs_profile_free(&p);
}

static void definitions_come_in_any_order(void **state)
{
    struct cap c;
    (void)state;
    begin(&c);
    put_definitions(&c);
    put_stacks(&c);
    put_turns(&c, all_stacks);
    views_are_checked(&c);
    cap_close(&c);
    begin(&c);
    put_stacks(&c);
    put_turns(&c, all_stacks);
    cap_records(&c);
    put_definitions(&c);
    cap_end_records(&c);
    views_are_checked(&c);
    cap_close(&c);
}

static void frames_say_what_they_are(void **state)
{
    struct cap c;
    struct gs_profile p;
    (void)state;
    begin(&c);
    put_definitions(&c);
    put_stacks(&c);
    put_turns(&c, all_stacks);
    profile(&c, GS_STACKS_BOTH, &p);
    const struct gs_prof_frame *f = frame_of(&p, "tiny");
    assert_int_equal(f->kind, GS_FRAME_INLINED);
    assert_int_equal(f->address, 0x10);
    assert_int_equal(f->line, 3);
    assert_string_equal(f->file, "/src/work.h");
    assert_string_equal(f->module, "/lib/libwork.so");
    assert_int_equal(frame_of(&p, "work")->kind, GS_FRAME_NATIVE);
    assert_int_equal(frame_of(&p, "work_more")->line, -1);
    assert_int_equal(frame_of(&p, "inner")->kind, GS_FRAME_PYTHON);
    assert_int_equal(frame_of(&p, "(truncated)")->kind, GS_FRAME_SYNTHETIC);
    assert_int_equal(frame_of(&p, "0x7fff0010")->kind, GS_FRAME_NATIVE);
    assert_string_equal(frame_of(&p, "0x7fff0010")->module, "");
    gs_profile_free(&p);
    cap_close(&c);
}

static char *written(const struct gs_profile *p, bool (*write)(const struct gs_profile *, FILE *))
{
    char *text = NULL;
    size_t len = 0;
    FILE *f = open_memstream(&text, &len);
    assert_true(write(p, f));
    fclose(f);
    return text;
}

static bool collapsed(const struct gs_profile *p, FILE *f)
{
    return gs_export_collapsed(p, GS_METRIC_HOLD, f);
}

static bool speedscope(const struct gs_profile *p, FILE *f)
{
    return gs_export_speedscope(p, GS_METRIC_HOLD, f);
}

static void has(const char *text, const char *part)
{
    if (!strstr(text, part))
        fail_msg("no %s in %s", part, text);
}

static void outputs_name_places_and_kinds(void **state)
{
    struct cap c;
    struct gs_profile p;
    (void)state;
    begin(&c);
    put_definitions(&c);
    put_stacks(&c);
    put_turns(&c, all_stacks);
    profile(&c, GS_STACKS_BOTH, &p);
    char *text = written(&p, collapsed);
    has(text, ";outer (/app/a.py:20);inner (/app/a.py:10);work (/src/work.c:30);tiny "
              "(/src/work.h:3) 10\n");
    has(text, ";Py_RunMain (libpython3.12.so.1.0);");
    has(text, ";0x4321 (libwork.so) 20\n");
    free(text);
    text = written(&p, speedscope);
    has(text, "\"name\":\"work_more\",\"file\":\"/lib/libwork.so\"");
    free(text);
    text = cap_json(&p);
    has(text, "\"kind\":[");
    has(text, "\"inlined\"");
    has(text, "\"0x4321\"");
    has(text, "\"/src/work.h:tiny:3\"");
    has(text, "\"/lib/libwork.so:work_more\"");
    has(text, "\"kinds\":[\"native\",\"python\",\"python\",\"native\",\"inlined\"]");
    free(text);
    gs_profile_free(&p);
    profile(&c, GS_STACKS_PYTHON, &p);
    text = cap_json(&p); /* as it was before there were native stacks */
    assert_null(strstr(text, "\"kind\""));
    assert_null(strstr(text, "\"kinds\""));
    free(text);
    gs_profile_free(&p);
    cap_close(&c);
}

/* The code that held is Python's, whatever it called to let the GIL go. */
static void findings_name_the_python_line(void **state)
{
    struct cap c;
    struct gs_profile p;
    const struct cap_row rows[] = {
        {1, 1000, 0, GS_SLICE_TURN, 2000000000, 5, 0, 0, 0},
        {2, 2000001000, 1, GS_SLICE_TURN | GS_SLICE_WAIT, 10, 1, 1900000000, 1, 1},
    };
    (void)state;
    begin(&c);
    cap_thread(&c, 1, "other");
    put_definitions(&c);
    put_stacks(&c);
    cap_end_records(&c);
    cap_slices(&c, rows, 2);
    profile(&c, GS_STACKS_BOTH, &p);
    assert_true(p.n_findings > 0);
    has(p.findings[0].claim, "`inner` (a.py:10)");
    gs_profile_free(&p);
    cap_close(&c);
}

static __attribute__((noinline, used)) int _PyEval_EvalFrameDefault(int n)
{
    __asm__ volatile("" ::: "memory");
    return n + 1;
}

static int take_bias(struct dl_phdr_info *info, size_t size, void *bias)
{
    (void)size;
    *(uint64_t *)bias = info->dlpi_addr;
    return 1; /* the program is the first */
}

/* Without a SYMBOL record: this program is the interpreter. */
static void loops_are_known_by_symbol_tables(void **state)
{
    struct cap c;
    struct gs_profile p;
    uint64_t bias = 0;
    (void)state;
    dl_iterate_phdr(take_bias, &bias);
    begin(&c);
    cap_code(&c, 1, "/app/a.py", "inner", 10);
    cap_code(&c, 2, "/app/a.py", "outer", 20);
    cap_stack2(&c, 1, 1, 2);
    put_module_at(&c, PYTHON, (const uint64_t[]){bias, bias + 1, bias}, "", "/proc/self/exe");
    CAP_REC(&c, GS_RECORD_NATIVE_STACK, 5, 1, 0, 1, 2, 3, 0, 0x77, PYTHON,
            (uint64_t)(uintptr_t)_PyEval_EvalFrameDefault - bias, PYTHON,
            (uint64_t)(uintptr_t)take_bias - bias);
    put_turns(&c, (const uint64_t[N_STACKS]){5, 0, 0, 0, 0, 0});
    profile(&c, GS_STACKS_BOTH, &p);
    stack_is(&p, 10, "take_bias;outer;inner;0x77");
    gs_profile_free(&p);
    cap_close(&c);
}

/* No agent writes that many: the inner ones stay, of the others nothing is looked up. */
static void long_stacks_are_cut(void **state)
{
    enum { PLACES = 700, KEPT = 512 };
    struct cap c;
    struct gs_profile p;
    uint64_t v[5 + 2 * PLACES] = {5, 0, 0, 0, PLACES};
    const uint64_t stacks[N_STACKS] = {5, 5, 5, 5, 5, 5};
    size_t found = 0;
    (void)state;
    begin(&c);
    for (uint64_t i = 0; i < PLACES; i++) {
        v[5 + 2 * i] = LIB;
        v[6 + 2 * i] = 0x1000 + i;
    }
    cap_rec(&c, GS_RECORD_NATIVE_STACK, v, 5 + 2 * PLACES);
    put_turns(&c, stacks);
    profile(&c, GS_STACKS_BOTH, &p);
    for (size_t i = 0; i < p.n_frames; i++)
        found += strncmp(p.frames[i].func, "0x", 2) == 0;
    assert_int_equal(found, KEPT);
    uint32_t node = p.rows[0].node;
    assert_string_equal(p.frames[p.nodes[node].frame].func, "0x1000");
    while (p.nodes[node].parent)
        node = p.nodes[node].parent;
    assert_string_equal(p.frames[p.nodes[node].frame].func, "(truncated)");
    gs_profile_free(&p);
    cap_close(&c);
}

/* A record of few bytes below a deep stack costs no more than memory has. */
static void hostile_stacks_end(void **state)
{
    enum { DEEP = 500, STACKS = 60000 };
    struct cap c;
    struct gs_profile p;
    uint64_t deep[3 + 2 * DEEP] = {1, 0, DEEP};
    (void)state;
    begin(&c);
    put_symbol(&c, PYTHON, 0x21, 0, "_PyEval_EvalFrameDefault", "", 0);
    for (uint64_t i = 0; i < DEEP; i++)
        deep[3 + 2 * i] = i;
    cap_rec(&c, GS_RECORD_STACK, deep, 3 + 2 * DEEP);
    for (uint64_t i = 0; i < STACKS; i++) {
        CAP_REC(&c, GS_RECORD_NATIVE_STACK, i + 2, 1, 0, 1, DEEP, 2, PYTHON, 0x21, LIB, i);
        if (i % 1000 == 999) {
            cap_end_records(&c);
            cap_records(&c);
        }
    }
    cap_end_records(&c);
    cap_profile(c.data, c.len, "cpu", &p);
    assert_in_range(p.n_nodes, 8u << 20, 12u << 20);
    gs_profile_free(&p);
    cap_close(&c);
}

static void garbage_is_read(void **state)
{
    static const uint32_t tags[] = {GS_RECORD_STACK, GS_RECORD_NATIVE_MODULE,
                                    GS_RECORD_NATIVE_STACK, GS_RECORD_SYMBOL};
    uint64_t seed = 88172645463325252u;
    (void)state;
    for (int round = 0; round < 300; round++) {
        struct cap c;
        struct gs_profile p;
        begin(&c);
        put_definitions(&c);
        for (int i = 0; i < 40; i++) {
            uint64_t v[24], n = 1 + cap_random(&seed) % 24;
            for (uint64_t k = 0; k < n; k++)
                v[k] = cap_random(&seed) >> (cap_random(&seed) % 64);
            v[0] = cap_random(&seed) % 9;
            cap_rec(&c, tags[cap_random(&seed) % 4], v, n);
            CAP_REC(&c, GS_RECORD_NATIVE_STACK, 10 + (uint64_t)i, v[0], v[n / 2], v[n / 3],
                    v[n - 1], v[n / 4], v[n / 5]);
        }
        put_turns(&c, all_stacks);
        for (int view = 0; view < 3; view++) {
            profile(&c, (enum gs_stack_view)view, &p);
            gs_profile_free(&p);
        }
        cap_close(&c);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(loops_give_way_to_their_runs),
        cmocka_unit_test(a_side_that_is_cut_takes_what_there_is),
        cmocka_unit_test(what_does_not_fit_is_stacked_up),
        cmocka_unit_test(deep_stacks_keep_their_inner_frames),
        cmocka_unit_test(instructions_of_tail_calls_give_way),
        cmocka_unit_test(definitions_come_in_any_order),
        cmocka_unit_test(frames_say_what_they_are),
        cmocka_unit_test(outputs_name_places_and_kinds),
        cmocka_unit_test(findings_name_the_python_line),
        cmocka_unit_test(loops_are_known_by_symbol_tables),
        cmocka_unit_test(long_stacks_are_cut),
        cmocka_unit_test(hostile_stacks_end),
        cmocka_unit_test(garbage_is_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
