/* SPDX-License-Identifier: MIT */
#include "preload/perf_events.h"

#include <errno.h>
#include <linux/perf_event.h>
#include <string.h>

#include "preload/agent.h"
#include "preload/raw_sys.h"

static uint32_t owner_tid;

void gs_perf_own(bool mine)
{
    owner_tid = mine ? gs_gettid() : 0;
}

static bool is_owner(void)
{
    return owner_tid && owner_tid == gs_gettid();
}

static long open_event(const struct gs_counter_spec *spec, uint32_t tid, bool user_only)
{
    struct perf_event_attr attr = {
        .size = sizeof(attr),
        .type = spec->type,
        .config = spec->config,
        .config1 = spec->config1,
        .config2 = spec->config2,
        .read_format = PERF_FORMAT_TOTAL_TIME_ENABLED | PERF_FORMAT_TOTAL_TIME_RUNNING,
        .exclude_user = (spec->flags & GS_COUNTER_NO_USER) != 0,
        .exclude_kernel = user_only || spec->flags & GS_COUNTER_NO_KERNEL,
        .exclude_hv = user_only || spec->flags & GS_COUNTER_NO_KERNEL,
    };
    return gs_syscall6(SYS_perf_event_open, (long)&attr, tid, -1, -1, PERF_FLAG_FD_CLOEXEC, 0);
}

/* Read by the thread itself, where processor and kernel allow it. One page: no samples. */
static void map_page(struct gs_counts_of_thread *c, uint32_t k, long fd)
{
    if (c->page[k] || gs_agent.config.counters.at[k].type == PERF_TYPE_SOFTWARE)
        return;
    long page = gs_syscall6(SYS_mmap, 0, GS_PAGE_BYTES, PROT_READ, MAP_SHARED, fd, 0);
    if (page > 0)
        __atomic_store_n(&c->page[k], (void *)page, __ATOMIC_RELEASE);
}

/* An event of the kernel's own happens in kernel mode: without that nothing of it would be counted,
 * and 0 would be a lie. */
bool gs_perf_open(struct gs_counts_of_thread *c, uint32_t k, uint32_t tid, bool *user_only,
                  long *error)
{
    const struct gs_counter_spec *spec = &gs_agent.config.counters.at[k];
    long fd = *user_only ? -EACCES : open_event(spec, tid, false);
    if ((fd == -EACCES || fd == -EPERM) && spec->type != PERF_TYPE_SOFTWARE &&
        !(spec->flags & GS_COUNTER_NO_USER)) {
        long second = open_event(spec, tid, true);
        *user_only = second >= 0 || second == -ESRCH;
        fd = *user_only ? second : fd;
    }
    *error = fd < 0 && fd != -ESRCH ? fd : 0;
    if (fd < 0)
        return false;
    c->fd_plus_1[k] = (int32_t)fd + 1;
    map_page(c, k, fd);
    return true;
}

struct gs_perf_value gs_perf_value(const struct gs_counts_of_thread *c, uint32_t k)
{
    struct gs_perf_value now = {0}, v = c->value[k];
    if (c->fd_plus_1[k] && is_owner() &&
        gs_sys3(SYS_read, c->fd_plus_1[k] - 1, &now, sizeof(now)) == (long)sizeof(now)) {
        v.count += now.count;
        v.enabled_ns += now.enabled_ns;
        v.running_ns += now.running_ns;
    }
    return v;
}

void gs_perf_close(struct gs_counts_of_thread *c, uint32_t k)
{
    if (!c->fd_plus_1[k] || !is_owner())
        return;
    c->value[k] = gs_perf_value(c, k);
    gs_close(c->fd_plus_1[k] - 1);
    c->fd_plus_1[k] = 0;
}

void gs_perf_unmap(struct gs_counts_of_thread *c, uint32_t k)
{
    if (c->page[k])
        gs_sys2(SYS_munmap, c->page[k], GS_PAGE_BYTES);
    c->page[k] = NULL;
}

/* ---- refusals ---- */

#define NO_HARDWARE                                                                                \
    "this processor, or the virtual machine, does not offer it: a virtual machine needs a "        \
    "virtual "                                                                                     \
    "PMU, other machines another event (gilscope run knows the names of libpfm4)"
#define NO_RIGHT "the kernel refuses perf_event_open: kernel.perf_event_paranoid is "
#define WHAT_ALLOWS                                                                                \
    "; sysctl kernel.perf_event_paranoid=1, or the capability CAP_PERFMON, would allow it"
#define BY_FILTER                                                                                  \
    "a filter of system calls (seccomp, as containers have) refuses perf_event_open: a profile "   \
    "that allows it, or the capability CAP_PERFMON (older runtimes: CAP_SYS_ADMIN), would"

static const char *no_right(char *buf, size_t cap)
{
    char value[16];
    long n = gs_read_file("/proc/sys/kernel/perf_event_paranoid", value, sizeof(value));
    size_t head = sizeof(NO_RIGHT) - 1, tail = sizeof(WHAT_ALLOWS);
    while (n > 0 && (value[n - 1] == '\n' || value[n - 1] == ' '))
        n--;
    if (n <= 0 || head + (size_t)n + tail > cap)
        return BY_FILTER;
    if (value[0] == '-' || value[0] == '0' || (value[0] == '1' && n == 1))
        return BY_FILTER; /* by its own rules the kernel would have allowed it */
    memcpy(buf, NO_RIGHT, head);
    memcpy(buf + head, value, (size_t)n);
    memcpy(buf + head + n, WHAT_ALLOWS, tail);
    return buf;
}

/* EPERM is what filters answer; the kernel's own rule answers EACCES. */
const char *gs_perf_refusal(uint32_t type, long error, char *buf, size_t cap)
{
    switch (-error) {
    case EACCES:
        return no_right(buf, cap);
    case EPERM:
        return BY_FILTER;
    case ENOSYS:
        return "no perf_event_open here: this kernel, or a filter of system calls (seccomp), has "
               "none; a kernel with CONFIG_PERF_EVENTS and a profile that allows the call would";
    case ENOENT:
    case EOPNOTSUPP:
    case ENODEV:
    case ENXIO:
        return type == PERF_TYPE_SOFTWARE ? "this kernel does not count it" : NO_HARDWARE;
    case EMFILE:
    case ENFILE:
        return "no descriptor to be had: raise the limit (ulimit -n)";
    default:
        return "the kernel refuses perf_event_open for it (invalid for this processor, or busy)";
    }
}
