/* SPDX-License-Identifier: MIT */
#include "analyzer/run_counters.h"

#include <linux/perf_event.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analyzer/cmd.h"
#include "analyzer/xalloc.h"

#ifdef GS_HAVE_LIBPFM
#include <perfmon/pfmlib_perf_event.h>
#endif

enum { MAX_COUNTERS = 8, NAME_MAX_BYTES = 63 }; /* the agent's limits */
enum { NO_USER = 1, NO_KERNEL = 2 };            /* FLAGS of preload/counter_spec.h */

static const char *const known[] = {
#define GS_COUNTER(name, type, config, account) name,
#include "preload/counter_names.def"
#undef GS_COUNTER
};
enum { N_KNOWN = sizeof(known) / sizeof(known[0]) };

static bool is_known(const char *name)
{
    for (size_t i = 0; i < N_KNOWN; i++)
        if (strcmp(known[i], name) == 0)
            return true;
    return false;
}

/* TYPE/FLAGS/CONFIG/CONFIG1/CONFIG2/NAME, or NULL and why. */
#ifdef GS_HAVE_LIBPFM
static char *encode(const char *name, const char **why)
{
    struct perf_event_attr attr = {0};
    pfm_perf_encode_arg_t arg = {.attr = &attr, .size = sizeof(arg)};
    int rc = pfm_initialize();
    if (rc == PFM_SUCCESS)
        rc = pfm_get_os_event_encoding(name, PFM_PLM0 | PFM_PLM3, PFM_OS_PERF_EVENT, &arg);
    *why = rc == PFM_SUCCESS ? NULL : pfm_strerror(rc);
    if (*why)
        return NULL;
    unsigned flags = (attr.exclude_user ? NO_USER : 0) | (attr.exclude_kernel ? NO_KERNEL : 0);
    return gs_xasprintf("%x/%x/%llx/%llx/%llx/%s", attr.type, flags,
                        (unsigned long long)attr.config, (unsigned long long)attr.config1,
                        (unsigned long long)attr.config2, name);
}
#else
static char *encode(const char *name, const char **why)
{
    (void)name;
    *why = "built without libpfm4, which knows more names";
    return NULL;
}
#endif

static char *unknown(const char *name, const char *reason)
{
    struct gs_nearest near;
    gs_nearest_start(&near, name);
    for (size_t i = 0; i < N_KNOWN; i++)
        gs_nearest_offer(&near, known[i]);
    const char *best = gs_nearest_word(&near);
    return gs_xasprintf("there is no event '%s' (%s)%s%s%s", name, reason,
                        best ? "; did you mean " : "; such as cycles, page-faults",
                        best ? best : "", best ? "?" : "");
}

static char *append(char *list, char *word)
{
    char *longer = list ? gs_xasprintf("%s,%s", list, word) : gs_xasprintf("%s", word);
    free(list);
    free(word);
    return longer;
}

static char *encode_one(const char *name, char **why)
{
    const char *reason = NULL;
    if (!*name)
        *why = gs_xasprintf("names of events are expected, with commas between");
    else if (strlen(name) > NAME_MAX_BYTES)
        *why = gs_xasprintf("'%.20s...': a name is of %d characters at most", name, NAME_MAX_BYTES);
    else if (is_known(name))
        return gs_xasprintf("%s", name);
    else {
        char *code = encode(name, &reason);
        if (code)
            return code;
        *why = unknown(name, reason);
    }
    return NULL;
}

char *gs_counters_encode(const char *list, char **why)
{
    char *out = NULL;
    size_t n = 0;
    *why = NULL;
    for (const char *s = list;; s++, n++) {
        size_t len = strcspn(s, ",");
        char *name = gs_xstrndup(s, len), *code = NULL;
        if (n == MAX_COUNTERS)
            *why = gs_xasprintf("%d events at most", MAX_COUNTERS);
        else
            code = encode_one(name, why);
        free(name);
        if (!code) {
            free(out);
            return NULL;
        }
        out = append(out, code);
        s += len;
        if (!*s)
            return out;
    }
}
