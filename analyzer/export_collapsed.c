/* SPDX-License-Identifier: MIT
 * Collapsed stacks, for flamegraph.pl and everything that reads its input. Integers only:
 * speedscope drops a line with a decimal point without a word. No comments: they would be read as
 * stacks.
 */
#include <stdlib.h>

#include "analyzer/export.h"
#include "analyzer/fmt_units.h"
#include "analyzer/text_buf.h"
#include "analyzer/utf8.h"
#include "analyzer/xalloc.h"

/* ";frame" of each frame, made when it is first needed: stacks share them. */
struct frame_texts {
    struct gs_buf all;
    size_t *from;  /* of each frame, in `all` */
    uint32_t *len; /* 0: not yet made */
};

/* Rows come by thread and node, and neighbours share most of their stacks: the line keeps what the
 * next one begins with too. */
struct line {
    struct gs_buf text;
    size_t n, cap;
    struct level {
        uint32_t node;
        size_t end; /* of its frame, in the text */
    } * levels;     /* outermost first */
    size_t label_end;
};

struct writer {
    const struct gs_profile *p;
    uint32_t *depths; /* of nodes; 0 for the root */
    struct frame_texts frames;
    struct line line;
    struct gs_buf out;
};

/* A name may hold anything; here ';' and line ends are syntax, and the file is read in terminals.
 */
static void put_name(struct gs_buf *out, const char *s)
{
    size_t len = strlen(s);
    for (uint32_t cp; gs_buf_plain(out, &s, &len, ";", &cp);)
        gs_buf_string(out, cp == ';' ? ":" : cp == GS_UTF8_BAD ? "\xef\xbf\xbd" : "?");
}

static void put_frame(struct gs_buf *out, const struct gs_prof_frame *f)
{
    gs_buf_char(out, ';');
    put_name(out, f->func);
    const char *where = *f->file ? f->file : gs_fmt_basename(f->module);
    if (!*where || gs_frame_is_raw(f)) /* synthetic; or it says so itself */
        return;
    gs_buf_string(out, " (");
    put_name(out, where);
    if (*f->file && f->line >= 0) {
        gs_buf_char(out, ':');
        gs_buf_u64(out, (uint64_t)f->line);
    }
    gs_buf_char(out, ')');
}

static void push_frame(struct writer *w, uint32_t node)
{
    struct line *line = &w->line;
    struct frame_texts *t = &w->frames;
    uint32_t frame = w->p->nodes[node].frame;
    if (!t->len[frame]) {
        t->from[frame] = t->all.len;
        put_frame(&t->all, &w->p->frames[frame]);
        t->len[frame] = (uint32_t)(t->all.len - t->from[frame]);
    }
    gs_buf_put(&line->text, t->all.s + t->from[frame], t->len[frame]);
}

static void set_label(struct writer *w, const struct gs_export_row *row)
{
    char *label = gs_export_label(w->p, row);
    w->line.n = w->line.text.len = 0;
    put_name(&w->line.text, label);
    w->line.label_end = w->line.text.len;
    free(label);
}

/* From the innermost node outwards to where the line before is the same. */
static void set_stack(struct writer *w, uint32_t node)
{
    struct line *line = &w->line;
    size_t depth = w->depths[node], kept = depth;
    GS_RESERVE(line->levels, depth, line->cap);
    for (; kept > 0 && (kept > line->n || line->levels[kept - 1].node != node); kept--) {
        line->levels[kept - 1].node = node;
        node = w->p->nodes[node].parent;
    }
    line->text.len = kept ? line->levels[kept - 1].end : line->label_end;
    for (; kept < depth; kept++) {
        push_frame(w, line->levels[kept].node);
        line->levels[kept].end = line->text.len;
    }
    line->n = depth;
}

static void put_row(struct writer *w, const struct gs_export_row *row)
{
    set_stack(w, row->node);
    gs_buf_put(&w->out, w->line.text.s, w->line.text.len);
    if (row->node == 0) /* Firefox wants a ';' in the first line */
        gs_buf_string(&w->out, ";(no stack)");
    gs_buf_char(&w->out, ' ');
    gs_buf_u64(&w->out, row->weight);
    gs_buf_char(&w->out, '\n');
}

static bool is_same_thread(const struct gs_export_row *a, const struct gs_export_row *b)
{
    return a->process == b->process && a->thread == b->thread;
}

static void writer_open(struct writer *w, const struct gs_profile *p, FILE *out)
{
    *w = (struct writer){.p = p};
    w->depths = gs_xcalloc(p->n_nodes, sizeof(*w->depths));
    for (size_t i = 1; i < p->n_nodes; i++)
        w->depths[i] = w->depths[p->nodes[i].parent] + 1;
    w->frames.from = gs_xmalloc(p->n_frames, sizeof(*w->frames.from));
    w->frames.len = gs_xcalloc(p->n_frames, sizeof(*w->frames.len));
    gs_buf_open(&w->out, out);
}

static bool writer_close(struct writer *w)
{
    free(w->depths);
    gs_buf_free(&w->frames.all);
    free(w->frames.from);
    free(w->frames.len);
    gs_buf_free(&w->line.text);
    free(w->line.levels);
    return gs_buf_close(&w->out);
}

bool gs_export_collapsed(const struct gs_profile *p, enum gs_metric metric, FILE *out)
{
    struct writer w;
    size_t n;
    struct gs_export_row *rows = gs_export_rows(p, metric, &n);
    writer_open(&w, p, out);
    for (size_t i = 0; i < n && !ferror_unlocked(out); i++) {
        if (i == 0 || !is_same_thread(&rows[i], &rows[i - 1]))
            set_label(&w, &rows[i]);
        put_row(&w, &rows[i]);
    }
    free(rows);
    return writer_close(&w);
}
