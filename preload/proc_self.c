/* SPDX-License-Identifier: MIT */
#include "preload/proc_self.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "preload/agent.h"
#include "preload/agent_clock.h"
#include "preload/counts.h"
#include "preload/raw_sys.h"

#define STARVED_NS 50000000u
#define LOOK_NS    100000u

static void task_path(char *out, uint32_t tid, const char *leaf)
{
    char digits[12];
    size_t d = 0, len = sizeof("/proc/self/task/") - 1;
    memcpy(out, "/proc/self/task/", len);
    do
        digits[d++] = (char)('0' + tid % 10);
    while (tid /= 10);
    while (d)
        out[len++] = digits[--d];
    memcpy(out + len, leaf, strlen(leaf) + 1);
}

uint32_t gs_proc_cpus(void)
{
    uint64_t mask[128] = {0};
    uint32_t n = 0;
    long len = gs_sys3(SYS_sched_getaffinity, 0, sizeof(mask), mask);
    for (long i = 0; i < len / 8; i++)
        n += (uint32_t)__builtin_popcountll(mask[i]);
    return n;
}

bool gs_proc_thread_name(uint32_t tid, char *buf, size_t len)
{
    char path[64];
    task_path(path, tid, "/comm");
    memset(buf, 0, len);
    long n = gs_read_file(path, buf, len);
    if (n <= 0)
        return false;
    if (buf[n - 1] == '\n')
        buf[n - 1] = 0;
    return true;
}

static uint64_t parse_u64(const char **p)
{
    uint64_t v = 0;
    while (**p == ' ')
        ++*p;
    while (**p >= '0' && **p <= '9')
        v = v * 10 + (uint64_t)(*(*p)++ - '0');
    return v;
}

bool gs_proc_schedstat(uint32_t tid, uint64_t *cpu_ns, uint64_t *runqueue_ns)
{
    char path[64], text[96];
    const char *p = text;
    task_path(path, tid, "/schedstat");
    if (gs_read_file(path, text, sizeof(text)) <= 0)
        return false;
    *cpu_ns = parse_u64(&p);
    *runqueue_ns = parse_u64(&p);
    return true;
}

/* "NAME:\tVALUE" lines; behind the name, or NULL. */
static const char *line_of(const char *text, const char *name)
{
    size_t len = strlen(name);
    for (const char *p = text; *p; p++) {
        if (strncmp(p, name, len) == 0)
            return p + len;
        p += strcspn(p, "\n");
        if (!*p)
            break;
    }
    return NULL;
}

static bool read_switches(uint32_t tid, uint64_t *switches)
{
    static const char *const names[] = {"voluntary_ctxt_switches:\t",
                                        "nonvoluntary_ctxt_switches:\t"};
    char path[64], text[4096];
    task_path(path, tid, "/status");
    *switches = 0;
    if (gs_read_file(path, text, sizeof(text)) <= 0)
        return false;
    for (int i = 0; i < 2; i++) {
        const char *p = line_of(text, names[i]);
        if (!p)
            return false;
        *switches += parse_u64(&p);
    }
    return true;
}

/* pid (name) state ppid pgrp session tty tpgid flags minflt cminflt majflt */
static bool read_faults(uint32_t tid, uint64_t *minor, uint64_t *major)
{
    enum { FIELDS_BEFORE = 7, BETWEEN = 1 };
    char path[64], text[512];
    task_path(path, tid, "/stat");
    if (gs_read_file(path, text, sizeof(text)) <= 0)
        return false;
    const char *p = strrchr(text, ')');
    for (int i = 0; p && *p && i <= FIELDS_BEFORE; i++)
        p += strcspn(p, " ") + 1;
    if (!p || !*p)
        return false;
    *minor = parse_u64(&p);
    for (int i = 0; i < BETWEEN; i++)
        parse_u64(&p);
    *major = parse_u64(&p);
    return true;
}

bool gs_proc_accounts(uint32_t tid, struct gs_accounts *out)
{
    uint64_t runqueue_ns;
    return gs_proc_schedstat(tid, &out->cpu_ns, &runqueue_ns) &&
           read_faults(tid, &out->minor_faults, &out->major_faults) &&
           read_switches(tid, &out->switches);
}

bool gs_proc_statm(uint64_t *rss_bytes, uint64_t *file_rss_bytes)
{
    char text[128];
    const char *p = text;
    if (gs_read_file("/proc/self/statm", text, sizeof(text)) <= 0)
        return false;
    parse_u64(&p); /* size */
    *rss_bytes = parse_u64(&p) * GS_PAGE_BYTES;
    *file_rss_bytes = parse_u64(&p) * GS_PAGE_BYTES;
    return true;
}

/* Not by /proc: it may be out of reach (chroot, no descriptors left) or number threads as another
 * namespace does, and what serves a thread that lives must not be given away. Signal 0 is none. */
bool gs_proc_task_has_ended(uint32_t tid)
{
    return gs_sys3(SYS_tgkill, gs_getpid(), tid, 0) == -ESRCH;
}

bool gs_proc_task_sleeps(uint32_t tid)
{
    char path[64], text[128];
    task_path(path, tid, "/stat");
    if (gs_read_file(path, text, sizeof(text)) <= 0)
        return !gs_proc_task_has_ended(tid);
    const char *state = strrchr(text, ')'); /* follows its name */
    return !state || state[1] != ' ' || !strchr("RZX", state[2]);
}

bool gs_proc_task_may_end_soon(uint32_t tid, uint64_t waited_ns)
{
    return waited_ns < GS_TASK_END_NS ||
           (waited_ns < STARVED_NS && (!tid || !gs_proc_task_sleeps(tid)));
}

/* An ordinary end takes the kernel some microseconds. Later each look opens a file of /proc in the
 * program's table of descriptors: not more often than need be. */
bool gs_proc_await_task_end(uint32_t tid, uint64_t begin_ns)
{
    while (!gs_proc_task_has_ended(tid)) {
        uint64_t waited_ns = gs_clock_ns(CLOCK_MONOTONIC) - begin_ns;
        uint32_t nobody = 0;
        if (!gs_proc_task_may_end_soon(tid, waited_ns))
            return false;
        if (waited_ns < GS_TASK_END_NS)
            gs_sys0(SYS_sched_yield);
        else
            gs_futex_wait(&nobody, 0, LOOK_NS);
    }
    return true;
}

/* The directory's link count is 2 + threads: one system call decides in the ordinary case. */
bool gs_proc_only_task(void)
{
    struct stat st;
    char text[512];
    if (gs_syscall6(SYS_newfstatat, AT_FDCWD, (long)"/proc/self/task", (long)&st, 0, 0, 0) != 0 ||
        st.st_nlink > 4 || gs_read_file("/proc/self/stat", text, sizeof(text)) <= 0)
        return false;
    const char *state = strrchr(text, ')'); /* the leader's state follows its name */
    return state && state[1] == ' ' && (state[2] == 'Z' || st.st_nlink == 3);
}
