/* SPDX-License-Identifier: MIT
 * The terminal summary: verdict, findings, threads, stacks, memory, CUDA, data quality. Names come
 * from captures: everything printed went through gs_fmt_safe().
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "analyzer/findings.h"
#include "analyzer/fmt_units.h"
#include "analyzer/stats_text.h"
#include "analyzer/xalloc.h"

bool gs_stats_want_colour(FILE *out)
{
    const char *no = getenv("NO_COLOR"), *term = getenv("TERM");
    return isatty(fileno(out)) && !(no && *no) && !(term && strcmp(term, "dumb") == 0);
}

const char *gs_text_style(const struct gs_text *t, const char *code)
{
    return t->colour ? code : "";
}

/* Columns on the screen: characters, not bytes (wide characters count as one). */
static size_t columns_of(const char *s, size_t bytes)
{
    size_t n = 0;
    for (size_t i = 0; i < bytes; i++)
        n += ((unsigned char)s[i] & 0xc0) != 0x80;
    return n;
}

void gs_text_wrapped(const struct gs_text *t, const char *s, unsigned first, unsigned indent)
{
    size_t at = first;
    for (bool start = true; *s; start = false) {
        size_t len = strcspn(s, " "), wide = columns_of(s, len);
        if (!start && at + 1 + wide > t->width) {
            fprintf(t->out, "\n%*s", (int)indent, "");
            at = indent;
        } else if (!start) {
            fputc(' ', t->out);
            at++;
        }
        fwrite(s, 1, len, t->out);
        at += wide;
        s += len + strspn(s + len, " ");
    }
    fputc('\n', t->out);
}

void gs_text_heading(const struct gs_text *t, const char *s)
{
    fprintf(t->out, "\n%s%s%s\n", gs_text_style(t, BOLD), s, gs_text_style(t, RESET));
}

static void put_findings(const struct gs_text *t, const struct gs_profile *p)
{
    static const char *const names[] = {"HIGH", "MEDIUM", "LOW"};
    static const char *const colours[] = {RED, YELLOW, GREEN};
    gs_text_heading(t, "Findings");
    for (size_t i = 0; i < p->n_findings; i++) {
        const struct gs_finding *f = &p->findings[i];
        fprintf(t->out, " %zu. %s%-6s%s ", i + 1, gs_text_style(t, colours[f->severity]),
                names[f->severity], gs_text_style(t, RESET));
        gs_text_wrapped(t, f->claim, 11, 11);
        fprintf(t->out, "%11s%s-> ", "", gs_text_style(t, DIM));
        gs_text_wrapped(t, f->suggestion, 14, 14);
        fputs(gs_text_style(t, RESET), t->out);
    }
}

/* `s` in exactly `width` columns. */
static void put_cell(const struct gs_text *t, const char *s, size_t width)
{
    char *safe = gs_fmt_safe(s, width);
    size_t wide = columns_of(safe, strlen(safe));
    fprintf(t->out, "%s%*s", safe, (int)(wide < width ? width - wide : 0), "");
    free(safe);
}

struct thread_ref {
    const struct gs_prof_process *process;
    const struct gs_prof_thread *thread;
};

static int by_wait(const void *pa, const void *pb)
{
    const struct thread_ref *ra = pa, *rb = pb;
    const struct gs_prof_thread *a = ra->thread, *b = rb->thread;
    if (a->wait_ns != b->wait_ns)
        return a->wait_ns > b->wait_ns ? -1 : 1;
    if (a->hold_ns != b->hold_ns)
        return a->hold_ns > b->hold_ns ? -1 : 1;
    return ra->process != rb->process ? (ra->process < rb->process ? -1 : 1) : (a < b ? -1 : a > b);
}

static struct thread_ref *all_threads(const struct gs_profile *p, size_t *n_out)
{
    size_t n = 0;
    for (size_t i = 0; i < p->n_processes; i++)
        n += p->processes[i].n_threads;
    struct thread_ref *all = gs_xmalloc(n, sizeof(*all));
    n = 0;
    for (size_t i = 0; i < p->n_processes; i++)
        for (size_t k = 0; k < p->processes[i].n_threads; k++)
            all[n++] = (struct thread_ref){&p->processes[i], &p->processes[i].threads[k]};
    if (n)
        qsort(all, n, sizeof(*all), by_wait);
    *n_out = n;
    return all;
}

static void put_threads(const struct gs_text *t, const struct gs_profile *p)
{
    size_t n, name_width = t->width > 70 ? t->width - 62 : 10;
    struct thread_ref *all = all_threads(p, &n);
    gs_text_heading(t, "Threads, by time lost waiting");
    fprintf(t->out, " %s%-*s %8s %9s %9s %6s %9s %9s%s\n", gs_text_style(t, DIM), (int)name_width,
            "thread", "pid", "held", "waited", "of it", "p99 wait", "blamed",
            gs_text_style(t, RESET));
    for (size_t i = 0; i < n && i < t->top; i++) {
        const struct gs_prof_thread *th = all[i].thread;
        fputc(' ', t->out);
        put_cell(t, th->name, name_width);
        fprintf(t->out, " %8u %9s %9s %6s %9s %9s\n", all[i].process->pid, gs_fmt_ns(th->hold_ns).s,
                gs_fmt_ns(th->wait_ns).s, gs_fmt_percent(th->wait_ns, gs_thread_wall_ns(th)).s,
                gs_fmt_ns(th->wait_p99_ns).s, gs_fmt_ns(th->blamed_ns).s);
    }
    if (n > t->top)
        fprintf(t->out, " … and %zu more: see stats --json\n", n - t->top);
    free(all);
}

/* "func (file.py:12)" in at most `room` columns: a long name is cut, the place is not. */
static char *frame_text(const struct gs_prof_frame *f, size_t room)
{
    if ((!f->file[0] && !f->module[0]) || gs_frame_is_raw(f))
        return gs_fmt_safe(f->func, room);
    char *file = gs_fmt_safe(gs_fmt_basename(f->file[0] ? f->file : f->module), room / 2);
    bool no_line = f->kind != GS_FRAME_PYTHON && f->line < 0;
    char *place = no_line ? gs_xasprintf(" (%s)", file) : gs_xasprintf(" (%s:%d)", file, f->line);
    size_t wide = columns_of(place, strlen(place));
    char *func = gs_fmt_safe(f->func, room > wide + 8 ? room - wide : 8);
    char *out = gs_xasprintf("%s%s", func, place);
    free(file);
    free(place);
    free(func);
    return out;
}

void gs_text_line(const struct gs_text *t, char *line)
{
    fputc(' ', t->out);
    gs_text_wrapped(t, line, 1, 1);
    free(line);
}

void gs_text_why(const struct gs_text *t, const char *what, const char *why)
{
    char *safe = gs_fmt_safe(why, 0);
    gs_text_line(t, gs_xasprintf("%s: %s", what, safe));
    free(safe);
}

void gs_text_stack(const struct gs_text *t, const struct gs_profile *p, uint32_t node, size_t room)
{
    char *text = frame_text(&p->frames[p->nodes[node].frame], room);
    for (uint32_t up = p->nodes[node].parent; up; up = p->nodes[up].parent) {
        char *caller = gs_fmt_safe(p->frames[p->nodes[up].frame].func, 0);
        bool fits = columns_of(text, strlen(text)) + columns_of(caller, strlen(caller)) + 3 <= room;
        char *longer = fits ? gs_xasprintf("%s < %s", text, caller) : NULL;
        free(caller);
        if (!fits)
            break;
        free(text);
        text = longer;
    }
    fprintf(t->out, "%s\n", text);
    free(text);
}

static void put_holders(const struct gs_text *t, const struct gs_profile *p, uint64_t wait_ns)
{
    gs_text_heading(t, "Stacks that held while others waited (innermost < caller)");
    fprintf(t->out, " %s%9s %6s %9s  stack%s\n", gs_text_style(t, DIM), "blamed", "share", "held",
            gs_text_style(t, RESET));
    for (size_t i = 0; i < p->n_holders && i < t->top && p->holders[i].blamed_ns; i++) {
        const struct gs_prof_stack_total *h = &p->holders[i];
        fprintf(t->out, " %9s %6s %9s  ", gs_fmt_ns(h->blamed_ns).s,
                gs_fmt_percent(h->blamed_ns, wait_ns).s, gs_fmt_ns(h->hold_ns).s);
        gs_text_stack(t, p, h->node, t->width - 30);
    }
}

static void put_waiters(const struct gs_text *t, const struct gs_profile *p, uint64_t wait_ns)
{
    gs_text_heading(t, "Stacks that waited");
    fprintf(t->out, " %s%9s %6s %9s  stack%s\n", gs_text_style(t, DIM), "waited", "share", "times",
            gs_text_style(t, RESET));
    for (size_t i = 0; i < p->n_waiters && i < t->top && p->waiters[i].wait_ns; i++) {
        const struct gs_prof_stack_total *w = &p->waiters[i];
        fprintf(t->out, " %9s %6s %9s  ", gs_fmt_ns(w->wait_ns).s,
                gs_fmt_percent(w->wait_ns, wait_ns).s, gs_fmt_count(w->wait_count).s);
        gs_text_stack(t, p, w->node, t->width - 30);
    }
}

static void put_notes(const struct gs_text *t, const struct gs_profile *p)
{
    for (size_t i = 0; i < p->n_processes; i++)
        for (const char *s = p->processes[i].notes; s && *s;) {
            size_t len = strcspn(s, "\n");
            char *line = gs_xstrndup(s, len), *safe = gs_fmt_safe(line, 0);
            fprintf(t->out, " note (pid %u): ", p->processes[i].pid);
            gs_text_wrapped(t, safe, 18, 4);
            free(safe);
            free(line);
            s += len + (s[len] == '\n');
        }
}

static void put_quality(const struct gs_text *t, const struct gs_profile *p,
                        const struct gs_job *job)
{
    gs_text_heading(t, "Data");
    char *line = gs_xasprintf(
        "%s recorded in %zu process%s; engine %s; agent's own cost %s (%s of CPU time); lost "
        "events "
        "%s; unknown holder %s; %s.",
        gs_fmt_ns(p->duration_ns).s, p->n_processes, p->n_processes == 1 ? "" : "es", p->engine,
        gs_fmt_ns(p->overhead_ns).s, gs_fmt_percent(p->overhead_ns, p->process_cpu_ns).s,
        gs_fmt_count(p->lost_events).s, gs_fmt_ns(job->unknown_ns).s,
        p->complete ? "complete"
        : p->ended  ? "NOT complete: parts of the capture are missing"
                    : "NOT complete: the program ended without notice");
    fputc(' ', t->out);
    gs_text_wrapped(t, line, 1, 1);
    free(line);
    if (p->damaged_chunks)
        fprintf(t->out, " %s%" PRIu64 " damaged pieces, %" PRIu64 " bytes could not be read%s\n",
                gs_text_style(t, RED), p->damaged_chunks, p->skipped_bytes,
                gs_text_style(t, RESET));
    put_notes(t, p);
}

bool gs_stats_text(const struct gs_profile *p, const struct gs_text_options *o, FILE *out)
{
    struct gs_text t = {out, o && o->colour, o && o->width ? o->width : 80,
                        o && o->top ? o->top : 10};
    struct gs_job job = gs_job_totals(p);
    if (t.width < 60)
        t.width = 60;
    fputs(gs_text_style(&t, BOLD), out);
    gs_text_wrapped(&t, p->verdict, 0, 0);
    fputs(gs_text_style(&t, RESET), out);
    put_findings(&t, p);
    if (job.n_threads)
        put_threads(&t, p);
    if (p->n_holders && p->holders[0].blamed_ns)
        put_holders(&t, p, job.wait_ns);
    if (p->n_waiters && p->waiters[0].wait_ns)
        put_waiters(&t, p, job.wait_ns);
    gs_text_gc(&t, p);
    gs_text_memory(&t, p);
    gs_text_cuda(&t, p);
    gs_text_counters(&t, p);
    put_quality(&t, p, &job);
    return fflush(out) == 0 && !ferror(out);
}
