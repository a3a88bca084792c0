/* SPDX-License-Identifier: MIT
 * Parses the field lists of trace_format.h: "u a, z b, s* c, u n, then n times: u d, u e; remark".
 */
#include <string.h>

#include "analyzer/dump.h"

static const struct {
    const char *name;
    uint32_t tag;
    const char *fields;
} texts[] = {
#define X(NAME, number, fields) {#NAME, number, fields},
    GS_RECORD_LIST(X)
#undef X
};
enum { N_TEXTS = sizeof(texts) / sizeof(texts[0]) };

static const char *skip_remark(const char *p)
{
    p += strspn(p, " ,");
    while (*p == '(') {
        p += strcspn(p, ")");
        p += *p == ')';
        p += strspn(p, " ,");
    }
    return p;
}

static void parse_fields(const char *p, struct gs_record_spec *out)
{
    static const char GROUP[] = "then n times:";
    bool in_group = false;
    for (p = skip_remark(p); *p && *p != ';'; p = skip_remark(p)) {
        if (strncmp(p, GROUP, strlen(GROUP)) == 0) {
            in_group = true;
            p = skip_remark(p + strlen(GROUP));
        }
        if (out->n == GS_MAX_FIELDS)
            return;
        struct gs_field_spec *f = &out->field[out->n++];
        f->type = *p++;
        f->list = *p == '*';
        p += f->list;
        p += strspn(p, " ");
        size_t len = strcspn(p, ",; (");
        memcpy(f->name, p, len < sizeof(f->name) ? len : sizeof(f->name) - 1);
        p += len;
        out->n_fixed += !in_group;
    }
}

const struct gs_record_spec *gs_record_spec(uint32_t tag)
{
    static struct gs_record_spec specs[N_TEXTS];
    for (size_t i = 0; i < N_TEXTS; i++) {
        if (texts[i].tag != tag)
            continue;
        if (!specs[i].name) {
            specs[i] = (struct gs_record_spec){.name = texts[i].name, .tag = tag};
            parse_fields(texts[i].fields, &specs[i]);
        }
        return &specs[i];
    }
    return NULL;
}
