/* SPDX-License-Identifier: MIT */
#include "preload/counter_spec.h"

#include <linux/perf_event.h>
#include <stddef.h>
#include <string.h>

#define N_CODES 5 /* TYPE/FLAGS/CONFIG/CONFIG1/CONFIG2/ */

static const struct {
    const char *name;
    uint32_t type;
    uint64_t config;
    enum gs_account account;
} known[] = {
#define GS_COUNTER(name, type, config, account)                                                    \
    {name, PERF_TYPE_##type, config, GS_ACCOUNT_##account},
#include "preload/counter_names.def"
#undef GS_COUNTER
};

static bool take_name(const char *s, size_t len, struct gs_counter_spec *out)
{
    if (!len || len >= sizeof(out->name))
        return false;
    memcpy(out->name, s, len);
    out->name[len] = 0;
    return true;
}

static bool by_name(const char *s, size_t len, struct gs_counter_spec *out)
{
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (strlen(known[i].name) != len || memcmp(known[i].name, s, len) != 0)
            continue;
        out->type = known[i].type;
        out->config = known[i].config;
        out->account = known[i].account;
        return take_name(s, len, out);
    }
    return false;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static const char *take_code(const char *s, uint64_t *out)
{
    const char *begin = s;
    for (*out = 0; hex_digit(*s) >= 0; s++)
        *out = *out << 4 | (uint64_t)hex_digit(*s);
    return s > begin && s - begin <= 16 && *s == '/' ? s + 1 : NULL;
}

/* The same event under libpfm4's name. */
static enum gs_account account_of(const struct gs_counter_spec *spec)
{
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        if (!spec->flags && known[i].type == spec->type && known[i].config == spec->config)
            return known[i].account;
    return GS_ACCOUNT_NONE;
}

static bool by_code(const char *s, size_t len, struct gs_counter_spec *out)
{
    const char *end = s + len;
    uint64_t code[N_CODES];
    for (int i = 0; i < N_CODES; i++)
        if (!(s = take_code(s, &code[i])))
            return false;
    if (s > end || code[0] > UINT32_MAX || code[1] > (GS_COUNTER_NO_USER | GS_COUNTER_NO_KERNEL))
        return false;
    out->type = (uint32_t)code[0];
    out->flags = (uint32_t)code[1];
    out->config = code[2];
    out->config1 = code[3];
    out->config2 = code[4];
    out->account = account_of(out);
    return take_name(s, (size_t)(end - s), out);
}

bool gs_counters_parse(const char *text, struct gs_counters *out)
{
    memset(out, 0, sizeof(*out));
    for (const char *s = text;; s++) {
        struct gs_counter_spec *spec = &out->at[out->n];
        size_t len = strcspn(s, ",");
        if (out->n == GS_MAX_COUNTERS || (!by_name(s, len, spec) && !by_code(s, len, spec)))
            break;
        out->n++;
        s += len;
        if (!*s)
            return true;
    }
    memset(out, 0, sizeof(*out));
    return false;
}
