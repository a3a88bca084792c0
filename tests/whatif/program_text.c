/* SPDX-License-Identifier: MIT */
#include "tests/whatif/program_text.h"

#include <stdlib.h>
#include <string.h>

#include "analyzer/idmap.h"

enum operand { NOTHING, TIME, TIMEOUT, ITEM, ITEM_TIMEOUT };

static const struct form {
    const char *word;
    enum gs_op_kind kind;
    enum gs_object_kind object; /* of the first operand */
    enum operand rest;
} forms[] = {
    {"py", GS_OP_PY, GS_OBJECT_NONE, TIME},
    {"native", GS_OP_NATIVE, GS_OBJECT_NONE, TIME},
    {"latency", GS_OP_LATENCY, GS_OBJECT_NONE, TIME},
    {"until", GS_OP_UNTIL, GS_OBJECT_NONE, TIME},
    {"mark", GS_OP_MARK, GS_OBJECT_NONE, TIME},
    {"acquire", GS_OP_ACQUIRE, GS_OBJECT_LOCK, TIMEOUT},
    {"release", GS_OP_RELEASE, GS_OBJECT_LOCK, NOTHING},
    {"put", GS_OP_PUT, GS_OBJECT_CHANNEL, ITEM},
    {"get", GS_OP_GET, GS_OBJECT_CHANNEL, ITEM_TIMEOUT},
    {"set", GS_OP_SET, GS_OBJECT_EVENT, NOTHING},
    {"clear", GS_OP_CLEAR, GS_OBJECT_EVENT, NOTHING},
    {"wait", GS_OP_WAIT, GS_OBJECT_EVENT, TIMEOUT},
    {"arrive", GS_OP_ARRIVE, GS_OBJECT_BARRIER, NOTHING},
    {"start", GS_OP_START, GS_OBJECT_THREAD, NOTHING},
    {"join", GS_OP_JOIN, GS_OBJECT_THREAD, NOTHING},
    {"submit", GS_OP_SUBMIT, GS_OBJECT_DEVICE, TIME},
    {"sync", GS_OP_SYNC, GS_OBJECT_DEVICE, NOTHING},
};

struct reader {
    struct gs_program *p;
    struct gs_idmap items;
    char *save;
};

static char *next_word(struct reader *r)
{
    return strtok_r(NULL, " \t\n", &r->save);
}

static bool read_number(const char *word, uint64_t *out)
{
    char *end = NULL;
    *out = word ? strtoull(word, &end, 10) : 0;
    return word && *end == '\0';
}

static uint32_t object_named(struct reader *r, enum gs_object_kind kind, const char *name)
{
    for (size_t i = 0; i < r->p->n_objects; i++)
        if (r->p->objects[i].kind == kind && strcmp(r->p->objects[i].name, name) == 0)
            return (uint32_t)i;
    return gs_program_object(r->p, kind, name);
}

static uint32_t task_named(struct reader *r, uint32_t channel, uint64_t item)
{
    uint32_t at = gs_idmap_add(&r->items, (uint64_t)channel << 40 | item);
    return at == r->p->n_tasks ? gs_program_task(r->p) : at;
}

/* [ITEM] [timeout NS] */
static const char *read_rest(struct reader *r, enum operand rest, struct gs_op *op)
{
    char *word = next_word(r);
    if (rest == TIME)
        return read_number(word, &op->ns) && !next_word(r) ? NULL : "a time is expected";
    if (word && rest >= ITEM && strcmp(word, "timeout") != 0) {
        uint64_t item;
        if (!read_number(word, &item))
            return "an item is a number";
        op->item = task_named(r, op->object, item);
        word = next_word(r);
    }
    if (word && rest != ITEM && strcmp(word, "timeout") == 0) {
        if (!read_number(next_word(r), &op->ns))
            return "a timeout is a time";
        word = next_word(r);
    }
    return word ? "unexpected words behind it" : NULL;
}

static const char *read_op(struct reader *r, const char *word)
{
    size_t n = sizeof(forms) / sizeof(forms[0]), i = 0;
    while (i < n && strcmp(forms[i].word, word) != 0)
        i++;
    if (i == n)
        return "no such operation";
    if (r->p->n_threads == 0)
        return "an operation before the first thread";
    struct gs_op op = gs_op_on(forms[i].kind, 0);
    if (forms[i].object != GS_OBJECT_NONE) {
        const char *name = next_word(r);
        if (!name)
            return "a name is expected";
        op = gs_op_on(forms[i].kind, object_named(r, forms[i].object, name));
    }
    const char *why = read_rest(r, forms[i].rest, &op);
    if (!why)
        gs_program_op(r->p, op);
    return why;
}

static const char *read_attributes(struct reader *r, struct gs_object *o)
{
    for (char *word = next_word(r); word; word = next_word(r)) {
        uint64_t n = 0;
        bool lifo = strcmp(word, "lifo") == 0, pool = strcmp(word, "pool") == 0;
        o->lifo |= lifo;
        o->pool |= pool;
        if (lifo || pool)
            continue;
        if (!read_number(next_word(r), &n) || n > INT32_MAX)
            return "a number is expected";
        if (strcmp(word, "capacity") == 0)
            o->capacity = (uint32_t)n;
        else if (strcmp(word, "initial") == 0)
            o->initial = (uint32_t)n;
        else if (strcmp(word, "parties") == 0)
            o->parties = (uint32_t)n;
        else
            return "no such attribute";
    }
    return NULL;
}

static const char *read_line(struct reader *r, char *line)
{
    char *comment = strchr(line, '#'), *name;
    if (comment)
        *comment = '\0';
    char *word = strtok_r(line, " \t\n", &r->save);
    if (!word)
        return NULL;
    if (strcmp(word, "thread") == 0) {
        if (!(name = next_word(r)))
            return "a thread has a name";
        char *late = next_word(r);
        gs_program_begin(r->p, gs_program_thread(r->p, name, late && strcmp(late, "late") == 0));
        return NULL;
    }
    bool channel = strcmp(word, "channel") == 0;
    if (!channel && strcmp(word, "barrier") != 0)
        return read_op(r, word);
    if (!(name = next_word(r)))
        return "a name is expected";
    uint32_t at = object_named(r, channel ? GS_OBJECT_CHANNEL : GS_OBJECT_BARRIER, name);
    return read_attributes(r, &r->p->objects[at]);
}

/* START and JOIN may name a thread that comes later: it got an object of its own then. */
static const char *settle_threads(struct gs_program *p)
{
    for (size_t i = 0; i < p->n_ops; i++) {
        struct gs_op *op = &p->ops[i];
        size_t t = 0;
        if (op->kind != GS_OP_START && op->kind != GS_OP_JOIN)
            continue;
        while (t < p->n_threads &&
               strcmp(p->objects[p->threads[t].object].name, p->objects[op->object].name) != 0)
            t++;
        if (t == p->n_threads)
            return "a thread is started or joined that is not there";
        op->object = p->threads[t].object & (GS_OBJECTS - 1);
    }
    return NULL;
}

const char *gs_program_read(FILE *in, struct gs_program *out, unsigned *line)
{
    struct reader r = {.p = out};
    const char *why = NULL;
    char *text = NULL;
    size_t cap = 0;
    for (*line = 0; !why && getline(&text, &cap, in) >= 0;) {
        ++*line;
        why = read_line(&r, text);
    }
    free(text);
    gs_idmap_free(&r.items);
    if (!why)
        why = settle_threads(out);
    return why ? why : gs_program_finish(out);
}
