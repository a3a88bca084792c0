/* SPDX-License-Identifier: MIT
 * The machine: clock, kernel, what a sandbox may forbid, where captures go.
 */
#include <cpuid.h>
#include <errno.h>
#include <gnu/libc-version.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "analyzer/doctor.h"
#include "analyzer/export.h"
#include "analyzer/run_target.h"

static bool check_agent(void)
{
    char path[PATH_MAX];
    if (!gs_agent_path(path))
        return gs_doctor_line(GS_MARK_BAD, "agent", "%s is missing; build or install again", path);
    if (strpbrk(path, " :"))
        return gs_doctor_line(GS_MARK_BAD, "agent",
                              "%s has a space or colon in its name and cannot be preloaded; "
                              "install elsewhere",
                              path);
    return gs_doctor_line(GS_MARK_OK, "agent", "%s", path);
}

static bool check_system(void)
{
    struct utsname u;
    int major = 0, minor = 0;
    const char *libc = gnu_get_libc_version();
    if (uname(&u) == 0)
        gs_doctor_line(GS_MARK_OK, "kernel", "%s %s %s", u.sysname, u.release, u.machine);
    sscanf(libc, "%d.%d", &major, &minor);
    if (major < 2 || (major == 2 && minor < 28))
        return gs_doctor_line(GS_MARK_BAD, "libc", "glibc %s; 2.28 or newer is needed", libc);
    return gs_doctor_line(GS_MARK_OK, "libc", "glibc %s", libc);
}

static void read_line(const char *path, char *out, size_t cap)
{
    FILE *f = fopen(path, "re");
    out[0] = '\0';
    if (f && fgets(out, (int)cap, f))
        out[strcspn(out, "\n")] = '\0';
    if (f)
        fclose(f);
}

static void check_clock(void)
{
    unsigned a, b, c, d = 0;
    char source[64];
    bool invariant = __get_cpuid(0x80000007, &a, &b, &c, &d) && (d & (1u << 8));
    read_line("/sys/devices/system/clocksource/clocksource0/current_clocksource", source,
              sizeof(source));
    if (!invariant)
        gs_doctor_line(GS_MARK_NOTE, "clock",
                       "the TSC is not invariant (clock source %s); the slower system clock is "
                       "used",
                       *source ? source : "unknown");
    else if (strcmp(source, "tsc") != 0)
        gs_doctor_line(GS_MARK_NOTE, "clock",
                       "invariant TSC, but the kernel uses %s: it may have found the TSC unstable",
                       *source ? source : "an unknown clock source");
    else
        gs_doctor_line(GS_MARK_OK, "clock", "invariant TSC, used by the kernel too");
}

static void check_safe_read(void)
{
    char from[8] = "gilscop", to[8] = "";
    struct iovec local = {to, sizeof(to)}, remote = {from, sizeof(from)};
    if (process_vm_readv(getpid(), &local, 1, &remote, 1, 0) == (ssize_t)sizeof(to))
        gs_doctor_line(GS_MARK_OK, "process_vm_readv", "allowed");
    else
        gs_doctor_line(GS_MARK_NOTE, "process_vm_readv",
                       "refused (%s): the holder's stack is not sampled while others wait; in "
                       "Docker, allow it in the seccomp profile",
                       strerror(errno));
}

/* In a child, since it changes the process. */
static void check_private_fds(void)
{
    const unsigned unshare_flag = 1u << 1; /* CLOSE_RANGE_UNSHARE */
    int status = -1;
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
#ifdef SYS_close_range
        _exit(syscall(SYS_close_range, ~0u, ~0u, unshare_flag) == 0 ? 0 : errno);
#else
        _exit(unshare_flag ? ENOSYS : 0);
#endif
    }
    if (pid > 0)
        waitpid(pid, &status, 0);
    if (status == 0)
        gs_doctor_line(GS_MARK_OK, "close_range", "a private table of files is allowed");
    else
        gs_doctor_line(GS_MARK_NOTE, "close_range",
                       "refused (%s): the capture is reopened for each write instead",
                       WIFEXITED(status) ? strerror(WEXITSTATUS(status)) : "no child process");
}

static int open_perf_event(uint32_t type, uint64_t config)
{
    struct perf_event_attr attr = {.size = sizeof(attr),
                                   .type = type,
                                   .config = config,
                                   .disabled = 1,
                                   .exclude_kernel = 1,
                                   .exclude_hv = 1};
    int fd = (int)syscall(SYS_perf_event_open, &attr, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);
    if (fd >= 0)
        close(fd);
    return fd < 0 ? errno : 0;
}

static void check_perf_event(void)
{
    int software = open_perf_event(PERF_TYPE_SOFTWARE, PERF_COUNT_SW_TASK_CLOCK);
    int hardware = open_perf_event(PERF_TYPE_HARDWARE, PERF_COUNT_HW_CPU_CYCLES);
    if (software)
        gs_doctor_line(GS_MARK_NOTE, "perf_event",
                       "refused (%s): --native sees nothing inside long holds, --counters only "
                       "what the kernel counts anyway; perf_event_paranoid of 2 or less, and a "
                       "seccomp profile that allows perf_event_open, would do",
                       strerror(software));
    else if (hardware)
        gs_doctor_line(GS_MARK_NOTE, "perf_event",
                       "allowed, without hardware counters (%s): a machine that has none, or does "
                       "not lend them",
                       strerror(hardware));
    else
        gs_doctor_line(GS_MARK_OK, "perf_event", "allowed, with hardware counters");
}

static bool check_output(const char *dir)
{
    char name[PATH_MAX];
    snprintf(name, sizeof(name), "%.4000s/.gilscope-XXXXXX", dir);
    int fd = mkstemp(name);
    if (fd < 0)
        return gs_doctor_line(GS_MARK_BAD, "output", "%s: %s; record to another place with -o", dir,
                              strerror(errno));
    close(fd);
    unlink(name);
    return gs_doctor_line(GS_MARK_OK, "output", "%s can be written",
                          strcmp(dir, ".") == 0 ? "the working directory" : dir);
}

bool gs_doctor_machine(const char *output_dir)
{
    bool ok = check_agent();
    ok &= check_system();
    check_clock();
    check_safe_read();
    check_private_fds();
    check_perf_event();
    ok &= check_output(output_dir);
    if (!gs_export_html_available())
        gs_doctor_line(GS_MARK_NOTE, "report", "this gilscope was built without the report page");
    return ok;
}
