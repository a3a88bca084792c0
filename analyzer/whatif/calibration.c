/* SPDX-License-Identifier: MIT */
#include "analyzer/whatif/calibration.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MOST_BYTES 65536u

/* Numbers between least and most, up to the end of the line; how many, or 0 if it is not so. */
static unsigned read_numbers(const char *line, double *out, unsigned room, double least,
                             double most)
{
    unsigned n = 0;
    for (;;) {
        char *end;
        double v = strtod(line, &end);
        if (end == line)
            break;
        if (n == room || !(v >= least && v <= most))
            return 0;
        out[n++] = v;
        line = end;
    }
    return line[strspn(line, " \t\r")] ? 0 : n;
}

static bool never_falls(const double *v, unsigned n)
{
    for (unsigned i = 1; i < n; i++)
        if (v[i] < v[i - 1])
            return false;
    return true;
}

static const char *read_cap(struct gs_calibration *c, const char *rest)
{
    c->n_cap = read_numbers(rest, c->cap, GS_CAP_MOST, 0.01, 1e6);
    bool fits = c->n_cap && c->cap[0] == 1.0 && never_falls(c->cap, c->n_cap);
    return fits ? NULL : "its line 'cap' is not 1 and numbers that never fall";
}

/* p10, p50, p90: from least to most, the last at most `times` the first. */
static bool read_range(struct gs_range_of *out, const char *rest, double least, double most,
                       double times)
{
    double v[3];
    if (read_numbers(rest, v, 3, least, most) != 3 || !never_falls(v, 3) || v[2] > times * v[0])
        return false;
    *out = (struct gs_range_of){v[0], v[1], v[2]};
    return true;
}

static const char *read_s(struct gs_calibration *c, const char *rest)
{
    c->has_s = read_range(&c->s, rest, 0.3, 20, 4);
    return c->has_s
               ? NULL
               : "its line 's' is not three numbers from 0.3 to 20 that never fall, and not far";
}

static const char *read_threads(struct gs_calibration *c, const char *rest)
{
    c->has_threads = read_range(&c->threads, rest, 0.5, 20, 40);
    return c->has_threads
               ? NULL
               : "its line 'threads' is not three numbers from 0.5 to 20 that never fall";
}

static const char *read_wake(struct gs_calibration *c, const char *rest)
{
    c->has_wake = read_range(&c->wake_ns, rest, 100, 1e7, 1e5);
    return c->has_wake
               ? NULL
               : "its line 'wake' is not three numbers from 100 to 10000000 that never fall";
}

static const char *read_gc(struct gs_calibration *c, const char *rest)
{
    double v[3];
    if (read_numbers(rest, v, 3, 0.5, 5000) != 3 || !never_falls(v, 3) || v[2] > 20 * v[0])
        return "its line 'gc' is not three numbers from 0.5 to 5000 that never fall, and not far";
    c->gc_ns = (struct gs_range_of){v[0], v[1], v[2]};
    c->has_gc = true;
    return NULL;
}

static const char *read_gc_gil(struct gs_calibration *c, const char *rest)
{
    bool fits = read_numbers(rest, &c->gc_gil_ns, 1, 0.5, 5000) == 1;
    return fits ? NULL : "its line 'gc_gil' is not a number from 0.5 to 5000";
}

static const char *read_line(struct gs_calibration *c, const char *line)
{
    if (strncmp(line, "cap ", 4) == 0)
        return read_cap(c, line + 4);
    if (strncmp(line, "s ", 2) == 0)
        return read_s(c, line + 2);
    if (strncmp(line, "gc ", 3) == 0)
        return read_gc(c, line + 3);
    if (strncmp(line, "gc_gil ", 7) == 0)
        return read_gc_gil(c, line + 7);
    if (strncmp(line, "threads ", 8) == 0)
        return read_threads(c, line + 8);
    if (strncmp(line, "wake ", 5) == 0)
        return read_wake(c, line + 5);
    if (strncmp(line, "target ", 7) == 0) {
        snprintf(c->target, sizeof(c->target), "%.15s", line + 7);
        return gs_target_find(c->target) ? NULL : "its target is none that is known";
    }
    return strncmp(line, "python ", 7) == 0 || *line == '\0' ? NULL : "it has a line of no kind";
}

enum gs_status gs_calibration_parse(struct gs_calibration *c, const char *text, const char **why)
{
    char line[16384];
    bool first = true;
    memset(c, 0, sizeof(*c));
    for (*why = NULL; *text && !*why; first = false) {
        size_t n = strcspn(text, "\n");
        if (n >= sizeof(line))
            break;
        memcpy(line, text, n);
        line[n] = '\0';
        text += n + (text[n] == '\n');
        if (first)
            *why = strcmp(line, "gilscope calibration 1") == 0 ? NULL : "it is no calibration";
        else
            *why = read_line(c, line);
    }
    if (!*why && (first || *text || c->n_cap == 0))
        *why = "it is no calibration";
    if (!*why && c->has_s != (c->target[0] != '\0'))
        *why = "it has one of 'target' and 's' without the other";
    if (!*why && c->has_gc && !c->has_s)
        *why = "it has 'gc' without 'target'";
    if (!*why && c->has_threads && !c->has_s)
        *why = "it has 'threads' without 's'";
    return *why ? GS_ERR_CORRUPT : GS_OK;
}

enum gs_status gs_calibration_load(struct gs_calibration *c, const char *path, struct gs_error *err)
{
    static char text[MOST_BYTES];
    const char *why;
    FILE *in = fopen(path, "re");
    if (!in)
        return gs_error_set(err, GS_ERR_IO, "cannot open %s: %s", path, strerror(errno));
    size_t n = fread(text, 1, sizeof(text) - 1, in);
    bool bad = ferror(in) || !feof(in);
    fclose(in);
    text[n] = '\0';
    if (bad || strlen(text) != n)
        return gs_error_set(err, GS_ERR_CORRUPT, "%s is no calibration", path);
    if (gs_calibration_parse(c, text, &why) != GS_OK)
        return gs_error_set(err, GS_ERR_CORRUPT,
                            "%s: %s; make one with gilscope calibrate --python EXE -o FILE", path,
                            why);
    return GS_OK;
}

static void put_range(const char *what, const struct gs_range_of *r, FILE *out)
{
    fprintf(out, "%s %.4f %.4f %.4f\n", what, r->p10, r->p50, r->p90);
}

void gs_calibration_put_base(const struct gs_calibration *c, FILE *out)
{
    fputs("cap", out);
    for (unsigned k = 0; k < c->n_cap; k++)
        fprintf(out, " %.4f", c->cap[k]);
    fputs("\n", out);
    if (c->has_wake)
        put_range("wake", &c->wake_ns, out);
    if (c->has_s)
        fprintf(out, "target %s\n", c->target);
    if (c->has_threads)
        put_range("threads", &c->threads, out);
}
