/* SPDX-License-Identifier: MIT */
#include "preload/agent_config.h"

#include <string.h>

#include "preload/raw_sys.h"

static const char *env_get(char *const *envp, const char *name, size_t len)
{
    for (; envp && *envp; envp++)
        if (!strncmp(*envp, name, len) && (*envp)[len] == '=')
            return *envp + len + 1;
    return NULL;
}

/* ---- values ---- */

#define MAX_NS       (UINT64_C(1) << 60) /* 36 years: no time is longer, so that none overflows */
#define MAX_INTERVAL (UINT64_C(1) << 40) /* bytes: no process allocates much more */

/* Digits with up to three decimals, in thousandths; then an optional suffix. */
static bool parse_milli(const char *s, uint64_t *milli, const char **rest)
{
    uint64_t v = 0, scale = 1000;
    bool any = false;
    for (; *s >= '0' && *s <= '9'; s++, any = true) {
        if (v > UINT64_MAX / 10000 - 10)
            return false;
        v = v * 10 + (uint64_t)(*s - '0');
    }
    v *= 1000;
    if (*s == '.')
        for (s++; *s >= '0' && *s <= '9'; s++, any = true)
            v += (uint64_t)(*s - '0') * (scale /= 10);
    *milli = v;
    *rest = s;
    return any;
}

static bool parse_whole(const char *s, uint64_t *out)
{
    const char *rest;
    uint64_t milli;
    if (!parse_milli(s, &milli, &rest) || *rest || milli % 1000)
        return false;
    *out = milli / 1000;
    return true;
}

static bool parse_size(const char *s, uint64_t *out)
{
    static const char suffixes[] = "KMGkmg";
    const char *rest;
    uint64_t milli, unit = 1;
    if (!parse_milli(s, &milli, &rest))
        return false;
    const char *at = *rest ? strchr(suffixes, *rest) : NULL;
    if (*rest && !at)
        return false;
    if (at)
        unit = (uint64_t)1 << (10 * ((at - suffixes) % 3 + 1));
    if (at && rest[1] && strcmp(rest + 1, "B") && strcmp(rest + 1, "iB"))
        return false;
    unsigned __int128 bytes = (unsigned __int128)milli * unit / 1000;
    *out = (uint64_t)bytes;
    return bytes <= UINT64_MAX;
}

static bool parse_thousandths(const char *s, uint64_t *out)
{
    const char *rest;
    uint64_t milli;
    if (!parse_milli(s, &milli, &rest) || *rest)
        return false;
    *out = milli;
    return true;
}

/* One of these per variable, by name: what a person types -> the field. */
static bool set_GILSCOPE_OUT(struct gs_config *c, const char *v)
{
    c->out = v;
    return *v != 0;
}

static bool set_GILSCOPE_LEVEL(struct gs_config *c, const char *v)
{
    if (v[0] < '0' || v[0] > '2' || v[1])
        return false;
    c->level = (uint32_t)(v[0] - '0');
    return true;
}

static bool set_GILSCOPE_DURATION(struct gs_config *c, const char *v)
{
    uint64_t ms;
    if (!parse_thousandths(v, &ms) || ms > MAX_NS / 1000000)
        return false;
    c->duration_ms = ms;
    return true;
}

static bool set_GILSCOPE_CHILDREN(struct gs_config *c, const char *v)
{
    if (!strcmp(v, "python"))
        c->children = GS_CHILDREN_python;
    else if (!strcmp(v, "all"))
        c->children = GS_CHILDREN_all;
    else if (!strcmp(v, "none"))
        c->children = GS_CHILDREN_none;
    else
        return false;
    return true;
}

static bool set_GILSCOPE_ON_FULL(struct gs_config *c, const char *v)
{
    c->on_full = !strcmp(v, "ring") ? GS_ON_FULL_ring : GS_ON_FULL_stop;
    return c->on_full == GS_ON_FULL_ring || !strcmp(v, "stop");
}

static bool set_GILSCOPE_MAX_SIZE(struct gs_config *c, const char *v)
{
    uint64_t bytes;
    if (!parse_size(v, &bytes))
        return false;
    c->max_size_bytes = bytes;
    return true;
}

static bool parse_flag(const char *v, bool *out)
{
    bool known = (v[0] == '0' || v[0] == '1') && !v[1];
    if (known)
        *out = v[0] == '1';
    return known;
}

static bool set_GILSCOPE_FORCE(struct gs_config *c, const char *v)
{
    return parse_flag(v, &c->force);
}

static bool set_GILSCOPE_BUDGET(struct gs_config *c, const char *v)
{
    uint64_t milli_percent;
    if (!parse_thousandths(v, &milli_percent) || milli_percent > 100000)
        return false;
    c->budget_permille = (uint32_t)(milli_percent / 100);
    return true;
}

static bool set_GILSCOPE_QUIET(struct gs_config *c, const char *v)
{
    return parse_flag(v, &c->quiet);
}

static bool set_GILSCOPE_SAMPLE_INTERVAL(struct gs_config *c, const char *v)
{
    uint64_t us;
    if (!parse_whole(v, &us) || !us || us > MAX_NS / 1000)
        return false;
    c->sample_interval_us = us;
    return true;
}

static bool set_GILSCOPE_MEMORY_INTERVAL(struct gs_config *c, const char *v)
{
    uint64_t ms;
    if (!parse_whole(v, &ms) || ms > MAX_NS / 1000000)
        return false;
    c->memory_interval_ms = ms;
    return true;
}

static uint32_t what_named(const char *word, size_t len)
{
    if (len == 3 && !memcmp(word, "gil", 3))
        return GS_WHAT_gil;
    if (len == 3 && !memcmp(word, "mem", 3))
        return GS_WHAT_mem;
    return len == 4 && !memcmp(word, "cuda", 4) ? GS_WHAT_cuda : 0;
}

static bool set_GILSCOPE_WHAT(struct gs_config *c, const char *v)
{
    uint32_t what = 0;
    for (;; v++) {
        size_t len = strcspn(v, ",");
        uint32_t one = what_named(v, len);
        if (!one)
            return false;
        what |= one;
        v += len;
        if (!*v)
            break;
    }
    c->what = what;
    return true;
}

static bool set_GILSCOPE_ALLOC(struct gs_config *c, const char *v)
{
    return parse_flag(v, &c->alloc);
}

static bool set_GILSCOPE_LOCKS(struct gs_config *c, const char *v)
{
    return parse_flag(v, &c->locks);
}

static bool set_GILSCOPE_ALLOC_INTERVAL(struct gs_config *c, const char *v)
{
    uint64_t bytes;
    if (!parse_size(v, &bytes) || !bytes || bytes > MAX_INTERVAL)
        return false;
    c->alloc_interval_bytes = bytes;
    return true;
}

static bool set_GILSCOPE_NATIVE(struct gs_config *c, const char *v)
{
    return parse_flag(v, &c->native);
}

static bool set_GILSCOPE_COUNTERS(struct gs_config *c, const char *v)
{
    return gs_counters_parse(v, &c->counters);
}

/* ---- the output path ---- */

struct text {
    char *buf;
    size_t cap, len;
    bool overflow;
};

static void put(struct text *t, const char *s, size_t n)
{
    if (t->len + n >= t->cap) {
        t->overflow = true;
        return;
    }
    memcpy(t->buf + t->len, s, n);
    t->len += n;
}

static void put_u32(struct text *t, uint32_t v)
{
    char digits[12];
    size_t d = sizeof(digits);
    do
        digits[--d] = (char)('0' + v % 10);
    while (v /= 10);
    put(t, digits + d, sizeof(digits) - d);
}

static void put_host(struct text *t)
{
    char host[256];
    long n = gs_read_file("/proc/sys/kernel/hostname", host, sizeof(host));
    put(t, n > 1 ? host : "unknown", n > 1 ? (size_t)n - 1 : 7);
}

/* A value from the environment names a file, never a folder: its slashes are replaced. */
static const char *put_variable(struct text *t, const char *p, char *const *envp)
{
    const char *end = strchr(p, '}');
    if (!end)
        return NULL;
    const char *v = env_get(envp, p, (size_t)(end - p));
    for (; v && *v; v++)
        put(t, *v == '/' ? "_" : *v == '%' ? "%%" : v, *v == '%' ? 2 : 1);
    if (!v && end[1] == '-') /* an unset token collapses with the dash that follows it */
        end++;
    return end + 1;
}

static const char *put_token(struct text *t, const char *p, char *const *envp)
{
    if (*p == 'p' || *p == '%') { /* left for gs_config_out_path() */
        put(t, p - 1, 2);
        return p + 1;
    }
    if (*p == 'h') {
        put_host(t);
        return p + 1;
    }
    return p[0] == 'q' && p[1] == '{' ? put_variable(t, p + 2, envp) : NULL;
}

static bool put_cwd(struct text *t)
{
    long n = gs_sys2(SYS_getcwd, t->buf, t->cap);
    if (n <= 1 || t->buf[0] != '/')
        return false;
    t->len = (size_t)n - 1;
    if (t->buf[t->len - 1] != '/')
        put(t, "/", 1);
    return true;
}

static bool expand_pattern(const char *p, char *const *envp, char *buf, size_t len)
{
    struct text t = {buf, len, 0, false};
    if (*p != '/' && !put_cwd(&t))
        return false;
    while (*p) {
        const char *next = *p == '%' ? put_token(&t, p + 1, envp) : NULL;
        if (!next) { /* an ordinary character, or a token nobody knows: as it is */
            put(&t, p, 1);
            next = p + 1;
        }
        p = next;
    }
    buf[t.len] = 0;
    return !t.overflow;
}

bool gs_config_out_path(const struct gs_config *c, char *buf, size_t len)
{
    struct text t = {buf, len, 0, false};
    for (const char *p = c->out; *p; p++) {
        if (p[0] == '%' && p[1] == 'p')
            put_u32(&t, gs_getpid());
        else
            put(&t, p, 1);
        if (p[0] == '%' && (p[1] == 'p' || p[1] == '%'))
            p++;
    }
    buf[t.len] = 0;
    return !t.overflow && t.len;
}

/* ---- all of it ---- */

#define GS_DEFAULT_string(v)   v
#define GS_DEFAULT_u32(v)      v
#define GS_DEFAULT_u64(v)      v
#define GS_DEFAULT_bool(v)     v
#define GS_DEFAULT_children(v) GS_CHILDREN_##v
#define GS_DEFAULT_on_full(v)  GS_ON_FULL_##v
#define GS_DEFAULT_what(v)     GS_WHAT_##v
#define GS_DEFAULT_counters(v)                                                                     \
    {                                                                                              \
        0                                                                                          \
    }

void gs_config_parse(struct gs_config *out, char *const *envp)
{
    const char *v;
    const char *bad = NULL;
    uint64_t pid;
    *out = (struct gs_config){
#define GS_CONFIG(env, field, type, default_value, help) .field = GS_DEFAULT_##type(default_value),
#include "preload/agent_config.def"
#undef GS_CONFIG
        .bad_why = "value not understood, default taken",
    };
#define GS_CONFIG(env, field, type, default_value, help)                                           \
    if ((v = env_get(envp, #env, sizeof(#env) - 1)) && *v && !set_##env(out, v))                   \
        bad = #env;
#include "preload/agent_config.def"
#undef GS_CONFIG
    if ((v = env_get(envp, "GILSCOPE_ROOT_PID", 17)) && parse_whole(v, &pid) && pid <= UINT32_MAX)
        out->root_pid = (uint32_t)pid;
    if (out->locks && out->level < 2) {
        if ((v = env_get(envp, "GILSCOPE_LEVEL", 14)) && *v) {
            bad = "GILSCOPE_LEVEL";
            out->bad_why = "to record locks every turn is needed; level 2 is taken";
        }
        out->level = 2;
    }
    if (out->on_full == GS_ON_FULL_ring && out->max_size_bytes < GS_RING_MIN_BYTES) {
        out->on_full = GS_ON_FULL_stop;
        bad = "GILSCOPE_ON_FULL";
        out->bad_why = "a ring needs a GILSCOPE_MAX_SIZE of 1M or more; recording stops when full";
    }
    out->bad_name = bad;
    static char path[4096];
    if (!expand_pattern(out->out, envp, path, sizeof(path)))
        path[0] = 0;
    out->out = path;
}
