/* SPDX-License-Identifier: MIT
 * An interpreter: what it is, and whether a real recording of it can be read back.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "analyzer/doctor.h"
#include "analyzer/profile_build.h"
#include "analyzer/run_target.h"

enum { OLDEST_MINOR = 9, NEWEST_MINOR = 15, TIMEOUT_MS = 20000 };

/* Runs on Python 2 too: it is there to name what is not supported. */
static const char PROBE[] =
    "import sys\n"
    "v = sys.version_info\n"
    "ft = 0\n"
    "if v >= (3, 13):\n"
    "    import sysconfig\n"
    "    ft = int(bool(sysconfig.get_config_var('Py_GIL_DISABLED')))\n"
    "    if ft and sys._is_gil_enabled(): ft = 2\n"
    "impl = getattr(getattr(sys, 'implementation', None), 'name', 'cpython')\n"
    "print('gilscope-probe %d %d %d %d %s %s' % (v[0], v[1], v[2], ft, impl, sys.executable))\n";

static const char PROGRAM[] = "import threading, time\n"
                              "end = time.monotonic() + 0.3\n"
                              "def work():\n"
                              "    while time.monotonic() < end: sum(range(2000))\n"
                              "threads = [threading.Thread(target=work) for _ in range(2)]\n"
                              "for t in threads: t.start()\n"
                              "for t in threads: t.join()\n";

struct probe {
    int major, minor, micro, free_threaded; /* free_threaded: 2 if its GIL is on */
    char implementation[32], executable[1024];
};

static bool probe_python(const char *exe, struct probe *out, char *said, size_t cap)
{
    char *argv[] = {(char *)exe, "-c", (char *)PROBE, NULL};
    int status = gs_doctor_spawn(argv, TIMEOUT_MS, said, cap);
    const char *line = strstr(said, "gilscope-probe ");
    return status == 0 && line &&
           sscanf(line, "gilscope-probe %d %d %d %d %31s %1023[^\n]", &out->major, &out->minor,
                  &out->micro, &out->free_threaded, out->implementation, out->executable) == 6;
}

/* False for an interpreter seen before: a version manager has many names for one. */
static bool is_new(const char *exe)
{
    enum { MAX_SEEN = 32 };
    static char seen[MAX_SEEN][PATH_MAX];
    static int n_seen;
    char real[PATH_MAX];
    if (!realpath(exe, real))
        return true;
    for (int i = 0; i < n_seen; i++) {
        if (strcmp(seen[i], real) == 0)
            return false;
    }
    if (n_seen < MAX_SEEN)
        strcpy(seen[n_seen++], real);
    return true;
}

/* Why this build has nothing to record, or NULL. */
static const char *unsupported(const struct probe *p)
{
    if (strcmp(p->implementation, "cpython") != 0)
        return "is not CPython; gilscope knows only CPython's GIL";
    if (p->major != 3 || p->minor < OLDEST_MINOR)
        return "is too old; CPython 3.9 to 3.15 are supported";
    if (p->minor > NEWEST_MINOR)
        return "is newer than this gilscope knows (3.9 to 3.15); it would stay passive";
    if (p->free_threaded == 1)
        return "is free-threaded: it has no GIL to record";
    return NULL;
}

/* The last line of what a program said, for a message. */
static const char *last_line(char *said)
{
    size_t len = strlen(said);
    while (len && said[len - 1] == '\n')
        said[--len] = '\0';
    const char *line = strrchr(said, '\n');
    return *said ? line ? line + 1 : said : "it said nothing";
}

static bool describe_recording(enum gs_mark bad, const char *exe, const char *dir, char *said)
{
    struct gs_profile p = {0};
    struct gs_error err = {0};
    if (gs_profile_load(&dir, 1, NULL, &p, &err) != GS_OK)
        return gs_doctor_line(bad, exe, "no readable capture (%s); the agent said: %s", err.text,
                              last_line(said));
    uint64_t turns = 0, contended = 0;
    for (size_t i = 0; i < p.n_processes; i++) {
        turns += p.processes[i].gil.acquisitions;
        contended += p.processes[i].gil.contended;
    }
    uint64_t tenths = p.process_cpu_ns ? p.overhead_ns * 1000 / p.process_cpu_ns : 0;
    bool ok = turns > 0 && contended > 0 && p.n_processes > 0;
    gs_doctor_line(ok ? GS_MARK_OK : bad, exe,
                   "recorded %" PRIu64 " turns, %" PRIu64 " contended, %" PRIu64
                   " lost, overhead %" PRIu64 ".%" PRIu64 " %%%s",
                   turns, contended, p.lost_events, tenths / 10, tenths % 10,
                   ok ? "" : "; two busy threads should have contended");
    gs_profile_free(&p);
    return ok;
}

/* Removes the captures of one recording. */
static void remove_directory(const char *dir)
{

    char name[PATH_MAX];
    snprintf(name, sizeof(name), "%.4000s/doctor.gsc", dir);
    unlink(name);
    rmdir(dir);
}

static bool record(enum gs_mark bad, const char *exe)
{
    const char *tmp = getenv("TMPDIR");
    char dir[PATH_MAX], out[PATH_MAX + 32], self[PATH_MAX], said[4096];
    snprintf(dir, sizeof(dir), "%.4000s/gilscope-doctor-XXXXXX", tmp && *tmp ? tmp : "/tmp");
    ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
    self[n > 0 ? n : 0] = '\0';
    if (!mkdtemp(dir))
        return gs_doctor_line(bad, exe, "no temporary directory %s: %s", dir, strerror(errno));
    snprintf(out, sizeof(out), "%s/doctor.gsc", dir);
    char *argv[] = {self, "run", "-o", out, "--", (char *)exe, "-c", (char *)PROGRAM, NULL};
    int status = gs_doctor_spawn(argv, TIMEOUT_MS, said, sizeof(said));
    bool ok = false;
    if (status == 0)
        ok = describe_recording(bad, exe, dir, said);
    else
        gs_doctor_line(bad, exe, "a small program failed under gilscope (%s): %s",
                       status < 0 ? "it hung or did not start" : "it ended with an error",
                       last_line(said));
    remove_directory(dir);
    return ok;
}

bool gs_doctor_python(const char *exe, bool required)
{
    char refusal[PATH_MAX + 256], said[4096];
    struct probe p = {0};
    enum gs_mark bad = required ? GS_MARK_BAD : GS_MARK_NOTE;
    bool runs = probe_python(exe, &p, said, sizeof(said));
    if (!required && (!runs || !is_new(p.executable)))
        return true;
    if (!runs)
        return gs_doctor_line(bad, exe, "does not run as a Python: %s", last_line(said));
    is_new(p.executable);
    const char *why = unsupported(&p);
    if (why)
        return gs_doctor_line(bad, exe, "%s %d.%d.%d %s", p.implementation, p.major, p.minor,
                              p.micro, why) ||
               !required;
    gs_doctor_line(GS_MARK_OK, exe, "%s %d.%d.%d%s", p.implementation, p.major, p.minor, p.micro,
                   p.free_threaded == 2 ? ", free-threaded with its GIL on" : "");
    if (gs_target_refusal(exe, refusal, sizeof(refusal)))
        return gs_doctor_line(bad, exe, "%s", refusal) || !required;
    return record(bad, exe) || !required;
}
