/* SPDX-License-Identifier: MIT
 * Test library, loaded by ctypes.PyDLL into each interpreter: shows what preload/pyabi sees there
 * as text, for pyabi_live_target.py to compare with sys._getframe(). Uses no Python.h: the few
 * functions it needs come from dlsym.
 */
#include "preload/pyabi/pyabi.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define EXPORT __attribute__((visibility("default")))

EXPORT int probe_init(void);
EXPORT uintptr_t probe_tstate(void);
EXPORT int probe_walk(int other, uintptr_t tstate, int max, char *text, size_t text_len);
EXPORT int probe_thread_name(uintptr_t tstate, char *buf, size_t len);
EXPORT long long probe_interpreter_id(uintptr_t tstate);
EXPORT int probe_minor(void);
EXPORT int probe_free_threaded(void);
EXPORT int probe_bad_reads(void);
EXPORT void probe_watch(uintptr_t tstate, uintptr_t bottom, int ms, long counts[3]);
EXPORT double probe_bench(int what, uintptr_t tstate, int n, int *n_frames);

static struct gs_pyabi abi;
static uintptr_t (*thread_state_get)(void);
static struct gs_py_frame frames[GS_PY_MAX_DEPTH];
static char scratch[32768];

static uint32_t version_hex(void)
{
    const unsigned long *version = dlsym(RTLD_DEFAULT, "Py_Version");
    if (version)
        return (uint32_t)*version;
    const char *(*get)(void) = (const char *(*)(void))dlsym(RTLD_DEFAULT, "Py_GetVersion");
    unsigned major = 0, minor = 0, micro = 0;
    if (get)
        sscanf(get(), "%u.%u.%u", &major, &minor, &micro);
    return major << 24 | minor << 16 | micro << 8 | 0xf0;
}

int probe_init(void)
{
    struct gs_pyabi_inputs in = {
        .py_runtime = (uintptr_t)dlsym(RTLD_DEFAULT, "_PyRuntime"),
        .code_type = (uintptr_t)dlsym(RTLD_DEFAULT, "PyCode_Type"),
        .dict_type = (uintptr_t)dlsym(RTLD_DEFAULT, "PyDict_Type"),
        .unicode_type = (uintptr_t)dlsym(RTLD_DEFAULT, "PyUnicode_Type"),
        .version_hex = version_hex(),
    };
    thread_state_get = (uintptr_t(*)(void))dlsym(RTLD_DEFAULT, "PyThreadState_Get");
    return gs_pyabi_resolve(&abi, &in);
}

uintptr_t probe_tstate(void)
{
    return thread_state_get();
}

int probe_minor(void)
{
    return abi.minor;
}

int probe_free_threaded(void)
{
    return abi.free_threaded;
}

static size_t walk(int other, uintptr_t tstate, size_t max, bool *truncated)
{
    if (!other)
        return gs_pyabi_walk_self(&abi, tstate, frames, max, truncated);
    return gs_pyabi_walk_other(&abi, tstate, frames, max, truncated, scratch, sizeof(scratch));
}

/* One line for a frame: offset, line, first line, function, file; separated by \x1f. */
static int print_frame(const struct gs_py_frame *frame, char *text, size_t len)
{
    static char buf[65536];
    struct gs_py_code_info info;
    enum gs_status status = gs_pyabi_read_code(&abi, frame, &info, buf, sizeof(buf));
    if (status != GS_OK)
        return snprintf(text, len, "error %d\n", (int)status);
    int32_t line = gs_pyabi_line(info.linetable_kind, info.linetable, info.linetable_len,
                                 info.first_line, frame->instr_off);
    return snprintf(text, len, "%u\x1f%d\x1f%d\x1f%.*s\x1f%.*s\n", frame->instr_off, line,
                    info.first_line, (int)info.qualname_len, info.qualname, (int)info.filename_len,
                    info.filename);
}

/* Number of frames, negative when the stack was truncated. */
int probe_walk(int other, uintptr_t tstate, int max, char *text, size_t text_len)
{
    bool truncated = false;
    size_t n = walk(other, tstate, (size_t)max, &truncated), used = 0;
    for (size_t i = 0; i < n && used + 1 < text_len; i++)
        used += (size_t)print_frame(&frames[i], text + used, text_len - used);
    return truncated ? -(int)n : (int)n;
}

int probe_thread_name(uintptr_t tstate, char *buf, size_t len)
{
    return (int)gs_pyabi_thread_name(&abi, tstate, buf, len);
}

long long probe_interpreter_id(uintptr_t tstate)
{
    uintptr_t interp;
    return gs_pyabi_interpreter_id(&abi, tstate, &interp);
}

/* What is no thread state, no code object: refused, and we live. 0 when all is well. */
int probe_bad_reads(void)
{
    static uint64_t garbage[512];
    bool truncated;
    uintptr_t bad[] = {0, 8, 0xdeadbeef000, (uintptr_t)garbage, (uintptr_t)&garbage[500], ~0ul};
    int failures = 0;
    for (size_t i = 0; i < sizeof(garbage) / sizeof(garbage[0]); i++)
        garbage[i] = (uintptr_t)garbage + 8 * (i % 100);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct gs_py_code_info info;
        struct gs_py_frame frame = {bad[i], 1, 2, false};
        char buf[128];
        failures += walk(1, bad[i], GS_PY_MAX_DEPTH, &truncated) != 0;
        failures += gs_pyabi_read_code(&abi, &frame, &info, buf, sizeof(buf)) == GS_OK;
        failures += gs_pyabi_thread_name(&abi, bad[i], buf, sizeof(buf)) != 0;
    }
    return failures;
}

/* Walks a running thread again and again; call it without the GIL. counts: walks, those that gave
 * frames, those that came down to the code object `bottom`. */
void probe_watch(uintptr_t tstate, uintptr_t bottom, int ms, long counts[3])
{
    struct timespec now, begin;
    bool truncated;
    clock_gettime(CLOCK_MONOTONIC, &begin);
    do {
        size_t n = walk(1, tstate, GS_PY_MAX_DEPTH, &truncated);
        counts[0]++;
        counts[1] += n > 0;
        counts[2] += n > 0 && frames[n - 1].code == bottom;
        clock_gettime(CLOCK_MONOTONIC, &now);
    } while ((now.tv_sec - begin.tv_sec) * 1000 + (now.tv_nsec - begin.tv_nsec) / 1000000 < ms);
}

/* Nanoseconds of one call, and the frames it saw: walk_self, walk_other, safe read. */
double probe_bench(int what, uintptr_t tstate, int n, int *n_frames)
{
    struct timespec begin, end;
    bool truncated;
    uint64_t word;
    clock_gettime(CLOCK_MONOTONIC, &begin);
    for (int i = 0; i < n; i++) {
        if (what == 2)
            *n_frames = gs_safe_read(&word, tstate, sizeof(word));
        else
            *n_frames = (int)walk(what, tstate, GS_PY_MAX_DEPTH, &truncated);
    }
    clock_gettime(CLOCK_MONOTONIC, &end);
    return ((double)(end.tv_sec - begin.tv_sec) * 1e9 + (double)(end.tv_nsec - begin.tv_nsec)) / n;
}
