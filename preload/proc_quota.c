/* SPDX-License-Identifier: MIT */
#include "preload/proc_quota.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "preload/raw_sys.h"

#define PATH_BYTES 1024u

struct path {
    char text[PATH_BYTES];
    size_t len;
};

/* False: it does not fit, and is as it was. */
static bool add(struct path *p, const char *s, size_t n)
{
    if (p->len + n >= sizeof(p->text))
        return false;
    memcpy(p->text + p->len, s, n);
    p->len += n;
    p->text[p->len] = 0;
    return true;
}

/* A number; false for "max", "-1" and what is none. */
static bool parse(const char **s, uint64_t *out)
{
    const char *from = *s;
    for (*out = 0; **s >= '0' && **s <= '9'; ++*s)
        *out = *out * 10 + (uint64_t)(**s - '0');
    return *s != from && *out;
}

static long read_of(const struct path *group, const char *file, char *text, size_t cap)
{
    struct path p = *group;
    return add(&p, file, strlen(file)) ? gs_read_file(p.text, text, cap) : -1;
}

/* Version 2 of control groups: "max 100000" or "50000 100000". */
static bool quota_of_v2(const struct path *group, struct gs_cpu_quota *q)
{
    char text[64];
    const char *at = text;
    return read_of(group, "/cpu.max", text, sizeof(text)) > 0 && parse(&at, &q->quota_us) &&
           *at++ == ' ' && parse(&at, &q->period_us);
}

static bool quota_of_v1(const struct path *group, struct gs_cpu_quota *q)
{
    char quota[64], period[64];
    const char *at = quota, *at2 = period;
    return read_of(group, "/cpu.cfs_quota_us", quota, sizeof(quota)) > 0 &&
           read_of(group, "/cpu.cfs_period_us", period, sizeof(period)) > 0 &&
           parse(&at, &q->quota_us) && parse(&at2, &q->period_us);
}

static void take_less(struct gs_cpu_quota *least, struct gs_cpu_quota q)
{
    if (!least->period_us || (unsigned __int128)q.quota_us * least->period_us <
                                 (unsigned __int128)least->quota_us * q.period_us)
        *least = q;
}

/* The group and all around it. In a container the outer ones are not to be seen, and the group may
 * lie at the top. */
static void look_up(const char *root, const char *hierarchy, const char *group, size_t len,
                    bool (*quota_of)(const struct path *, struct gs_cpu_quota *),
                    struct gs_cpu_quota *least)
{
    struct path p = {.len = 0};
    if (!add(&p, root, strlen(root)) || !add(&p, hierarchy, strlen(hierarchy)))
        return;
    size_t top = p.len;
    if (!add(&p, group, len))
        return;
    for (;;) {
        struct gs_cpu_quota q;
        if (quota_of(&p, &q))
            take_less(least, q);
        if (p.len <= top)
            return;
        while (p.len > top && p.text[--p.len] != '/')
            ;
        p.text[p.len] = 0;
    }
}

static bool is_among(const char *words, const char *end, const char *word)
{
    for (const char *at = words; at < end; at++) {
        size_t len = strcspn(at, ",:");
        if (len == strlen(word) && !memcmp(at, word, len))
            return true;
        at += len;
    }
    return false;
}

/* "4:cpu,cpuacct:/group", or of version 2 "0::/group" */
static void take_line(const char *root, const char *line, struct gs_cpu_quota *least)
{
    const char *words = strchr(line, ':'), *group = words ? strchr(words + 1, ':') : NULL;
    if (!group)
        return;
    size_t len = strcspn(group + 1, "\n");
    if (group == words + 1)
        look_up(root, "/sys/fs/cgroup", group + 1, len, quota_of_v2, least);
    else if (is_among(words + 1, group, "cpu"))
        look_up(root, "/sys/fs/cgroup/cpu", group + 1, len, quota_of_v1, least);
}

struct gs_cpu_quota gs_proc_cpu_quota(const char *root)
{
    static char text[8192];
    struct path p = {.len = 0};
    struct gs_cpu_quota least = {0};
    if (!add(&p, root, strlen(root)) || read_of(&p, "/proc/self/cgroup", text, sizeof(text)) <= 0)
        return least;
    for (const char *line = text; *line; line += *line != 0) {
        take_line(root, line, &least);
        line += strcspn(line, "\n");
    }
    return least;
}
