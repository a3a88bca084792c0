/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "tests/tracegen/tracegen.h"

void *gen_alloc(size_t n, size_t size)
{
    void *p = calloc(n ? n : 1, size);
    if (!p)
        gen_fail("no memory left; ask for fewer --threads, --processes or --stacks");
    return p;
}

void gen_fail(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fputs("gilscope-tracegen: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    exit(1);
}

/* ---- the truth ---- */

struct truth_file {
    FILE *f; /* or NULL */
    const char *separator;
};

static struct truth_file open_truth(const struct gen_options *o)
{
    struct truth_file t = {o->truth ? fopen(o->truth, "w") : NULL, "{\"processes\": ["};
    if (o->truth && !t.f)
        gen_fail("cannot write %s: %s; give another place with --truth", o->truth, strerror(errno));
    return t;
}

static void close_truth(const struct gen_options *o, struct truth_file *t)
{
    if (!t->f)
        return;
    fputs("]}\n", t->f);
    if (ferror(t->f) | fclose(t->f))
        gen_fail("cannot write %s; give another place with --truth", o->truth);
}

static void finish(struct gen_process *p, struct truth_file *t)
{
    if (t->f) {
        fputs(t->separator, t->f);
        gen_truth_json(p->chunks.truth, t->f);
        t->separator = ",\n";
    }
    gen_process_close(p);
}

/* ---- the captures ---- */

static bool is_folder(const char *path)
{
    struct stat st;
    return (stat(path, &st) == 0 && S_ISDIR(st.st_mode)) || path[strlen(path) - 1] == '/';
}

static void write_folder(const struct gen_options *o, struct truth_file *truth)
{
    if (mkdir(o->out, 0777) != 0 && errno != EEXIST)
        gen_fail("cannot make %s: %s; give another place with -o", o->out, strerror(errno));
    size_t room = strlen(o->out) + 32;
    char *path = gen_alloc(room, 1);
    for (uint32_t i = 0; i < o->processes; i++) {
        snprintf(path, room, "%s/p%05u.gsc", o->out, i);
        struct gen_sink *sink = gen_sink_open(path, o->shuffle, gen_mix(o->seed, i, 3));
        struct gen_process *p = gen_process_open(o, i);
        while (gen_process_step(p, sink))
            ;
        gen_sink_close(sink);
        finish(p, truth);
    }
    free(path);
}

/* All processes at once; which goes on next is drawn. */
static void write_mixed(const struct gen_options *o, struct truth_file *truth)
{
    struct gen_sink *sink = gen_sink_open(o->out, o->shuffle, gen_mix(o->seed, 0, 4));
    struct gen_rng r = {gen_mix(o->seed, 0, 5)};
    uint32_t n = o->processes;
    struct gen_process **running = gen_alloc(n, sizeof(struct gen_process *));
    for (uint32_t i = 0; i < n; i++)
        running[i] = gen_process_open(o, i);
    while (n > 0) {
        uint32_t i = gen_below(&r, n);
        if (gen_process_step(running[i], sink))
            continue;
        finish(running[i], truth);
        running[i] = running[--n];
    }
    gen_sink_close(sink);
    free(running);
}

int main(int argc, char **argv)
{
    struct gen_options o;
    int rc = gen_options_parse(&o, argc, argv);
    if (rc)
        return rc - 1;
    struct truth_file truth = open_truth(&o);
    if (strcmp(o.out, "-") != 0 && *o.out && is_folder(o.out))
        write_folder(&o, &truth);
    else
        write_mixed(&o, &truth);
    close_truth(&o, &truth);
    return 0;
}
