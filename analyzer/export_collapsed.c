/* SPDX-License-Identifier: MIT
 * Collapsed stacks, for flamegraph.pl and everything that reads its input. Integers only:
 * speedscope drops a line with a decimal point without a word. No comments: they would be read as
 * stacks.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "analyzer/export.h"
#include "analyzer/utf8.h"
#include "analyzer/xalloc.h"

enum { MAX_DEPTH = 100000 };

/* A name may hold anything; here ';' and line ends are syntax, and the file is read in terminals.
 */
static void put_name(FILE *out, const char *s)
{
    size_t len = strlen(s);
    while (len > 0) {
        uint32_t cp;
        size_t n = gs_utf8_decode(s, len, &cp);
        if (cp == ';')
            fputc(':', out);
        else if (gs_utf8_is_hidden(cp))
            fputc('?', out);
        else if (cp == GS_UTF8_BAD)
            fputs("\xef\xbf\xbd", out);
        else
            fwrite(s, 1, n, out);
        s += n;
        len -= n;
    }
}

static void put_frame(FILE *out, const struct gs_prof_frame *f)
{
    fputc(';', out);
    put_name(out, f->func);
    if (!*f->file) /* synthetic */
        return;
    fputs(" (", out);
    put_name(out, f->file);
    if (f->line >= 0)
        fprintf(out, ":%" PRId32, f->line);
    fputc(')', out);
}

/* ";frame" of each frame, made when it is first needed: stacks share them. */
struct frame_text {
    char *text;
    size_t len;
};

static void put_text(FILE *out, const struct gs_prof_frame *f, struct frame_text *t)
{
    if (!t->text) {
        FILE *memory = open_memstream(&t->text, &t->len);
        if (!memory) {
            put_frame(out, f);
            return;
        }
        put_frame(memory, f);
        fclose(memory);
    }
    fwrite_unlocked(t->text, 1, t->len, out);
}

bool gs_export_collapsed(const struct gs_profile *p, enum gs_metric metric, FILE *out)
{
    uint32_t *path = gs_xmalloc(MAX_DEPTH, sizeof(*path));
    struct frame_text *texts = gs_xcalloc(p->n_frames, sizeof(*texts));
    size_t n;
    struct gs_export_row *rows = gs_export_rows(p, metric, &n);
    for (size_t i = 0; i < n && !ferror(out); i++) {
        char *label = gs_export_label(p, &rows[i]);
        size_t depth = gs_export_stack(p, rows[i].node, path, MAX_DEPTH);
        put_name(out, label);
        free(label);
        if (depth == 0) /* Firefox wants a ';' in the first line */
            fputs(";(no stack)", out);
        for (size_t d = 0; d < depth && d < MAX_DEPTH; d++)
            put_text(out, &p->frames[path[d]], &texts[path[d]]);
        fprintf(out, " %" PRIu64 "\n", rows[i].weight);
    }
    for (size_t i = 0; i < p->n_frames; i++)
        free(texts[i].text);
    free(texts);
    free(rows);
    free(path);
    return !ferror(out);
}
