/* SPDX-License-Identifier: MIT
 * The report: the page of viz/ with the profile's JSON in it, gzipped and in base64. Bytes of the
 * capture appear in the page only there, and escaped in <noscript>.
 */
#include "analyzer/export.h"

#include <string.h>
#include <sys/types.h>
#include <zlib.h>

#include "analyzer/base64.h"
#include "analyzer/stats.h"
#include "analyzer/text_buf.h"
#include "analyzer/utf8.h"

#ifdef GS_HAVE_VIZ
#include "viz/viz_bundle.h"
#else
#define GS_VIZ_DATA_MARK ""
static const unsigned char gs_viz_html[] = "";
static const size_t gs_viz_html_len = 0;
#endif

/* A <script> block holds at most this much: V8 silently empties one beyond 2^29 - 24 characters.
 * A multiple of four characters, so that each block can be decoded alone. */
enum { BLOCK_CHARS = 4 << 20 };
#define BLOCK_OPEN  "<script type=\"application/octet-stream\" class=\"gs-data\">"
#define BLOCK_CLOSE "</script>\n"

/* ---- base64 in blocks ---- */
struct base64 {
    struct gs_buf text;
    unsigned char rest[3];
    size_t n_rest, chars; /* chars: in the open block */
};

/* Whole threes, and at the end what is left of one. */
static void put_quads(struct base64 *b, const unsigned char *p, size_t n)
{
    while (n > 0) {
        size_t room = (BLOCK_CHARS - b->chars) / 4 * 3, take = n < room ? n : room;
        if (b->chars == 0)
            gs_buf_string(&b->text, BLOCK_OPEN);
        size_t chars = gs_base64_encode(gs_buf_room(&b->text, (take + 2) / 3 * 4), p, take);
        b->text.len += chars;
        b->chars += chars;
        p += take;
        n -= take;
        if (b->chars == BLOCK_CHARS) {
            gs_buf_string(&b->text, BLOCK_CLOSE);
            b->chars = 0;
        }
    }
}

static void base64_put(struct base64 *b, const unsigned char *p, size_t n)
{
    while (n > 0 && b->n_rest > 0 && b->n_rest < 3) {
        b->rest[b->n_rest++] = *p++;
        n--;
    }
    if (b->n_rest == 3) {
        put_quads(b, b->rest, 3);
        b->n_rest = 0;
    }
    put_quads(b, p, n / 3 * 3);
    for (p += n / 3 * 3, n %= 3; n > 0; n--)
        b->rest[b->n_rest++] = *p++;
}

static bool base64_end(struct base64 *b)
{
    put_quads(b, b->rest, b->n_rest);
    if (b->chars)
        gs_buf_string(&b->text, BLOCK_CLOSE);
    return gs_buf_close(&b->text);
}

/* ---- gzip, as a stream that the JSON writer can print to ---- */
struct gzip {
    z_stream z;
    struct base64 base64;
};

static bool deflate_all(struct gzip *g, const char *data, size_t n, int flush)
{
    unsigned char buf[48 << 10];
    g->z.next_in = (unsigned char *)data; /* zlib does not write to it */
    g->z.avail_in = (uInt)n;
    do {
        g->z.next_out = buf;
        g->z.avail_out = sizeof(buf);
        if (deflate(&g->z, flush) == Z_STREAM_ERROR)
            return false;
        base64_put(&g->base64, buf, sizeof(buf) - g->z.avail_out);
    } while (g->z.avail_out == 0);
    return true;
}

static ssize_t gzip_write(void *cookie, const char *data, size_t n)
{
    struct gzip *g = cookie;
    return deflate_all(g, data, n, Z_NO_FLUSH) ? (ssize_t)n : 0;
}

/* Columns of numbers gain little from a longer search: level 9 makes them 8 % shorter and takes 30
 * times as long. Level 1 alone gives up what lies in matches of more than 4, a fifth of the length.
 */
static bool deflate_open(z_stream *z)
{
    enum { GZIP = 15 + 16, MEMORY = 8, GOOD = 4, INSERTED = 16, NICE = 16, TRIED = 2 };
    return deflateInit2(z, 1, Z_DEFLATED, GZIP, MEMORY, Z_DEFAULT_STRATEGY) == Z_OK &&
           deflateTune(z, GOOD, INSERTED, NICE, TRIED) == Z_OK;
}

static bool put_data(const struct gs_profile *p, FILE *out)
{
    struct gzip g = {0};
    if (!deflate_open(&g.z))
        return false;
    gs_buf_open(&g.base64.text, out);
    FILE *json = fopencookie(&g, "w", (cookie_io_functions_t){.write = gzip_write});
    bool ok = json && gs_report_json(p, json);
    if (json && fclose(json) != 0)
        ok = false;
    ok = ok && deflate_all(&g, NULL, 0, Z_FINISH);
    ok = base64_end(&g.base64) && ok;
    deflateEnd(&g.z);
    return ok;
}

/* ---- what a browser without scripts shows ---- */
static void put_escaped(FILE *out, const char *s)
{
    size_t len = s ? strlen(s) : 0;
    while (len > 0) {
        uint32_t cp;
        size_t n = gs_utf8_decode(s, len, &cp);
        if (gs_utf8_is_hidden(cp))
            fprintf(out, "\\u%04x", (unsigned)cp);
        else if (cp < 0x80 && strchr("&<>\"'", (int)cp))
            fprintf(out, "&#%u;", (unsigned)cp);
        else if (cp == GS_UTF8_BAD)
            fputs("&#65533;", out);
        else
            fwrite(s, 1, n, out);
        s += n;
        len -= n;
    }
}

static void put_noscript(const struct gs_profile *p, FILE *out)
{
    fputs("<noscript><p>", out);
    put_escaped(out, p->verdict);
    fputs("</p>\n<ol>\n", out);
    for (size_t i = 0; i < p->n_findings; i++) {
        fputs("<li>", out);
        put_escaped(out, p->findings[i].claim);
        fputs(" ", out);
        put_escaped(out, p->findings[i].suggestion);
        fputs("</li>\n", out);
    }
    fputs("</ol>\n<p>The graphs need JavaScript.</p></noscript>\n", out);
}

bool gs_export_html_available(void)
{
    return gs_viz_html_len > 0;
}

bool gs_export_html(const struct gs_profile *p, FILE *out)
{
    const unsigned char *marker =
        gs_viz_html_len
            ? memmem(gs_viz_html, gs_viz_html_len, GS_VIZ_DATA_MARK, strlen(GS_VIZ_DATA_MARK))
            : NULL;
    if (!marker)
        return false;
    size_t head = (size_t)(marker - gs_viz_html);
    const unsigned char *tail = marker + strlen(GS_VIZ_DATA_MARK);
    fwrite(gs_viz_html, 1, head, out);
    bool ok = put_data(p, out);
    put_noscript(p, out);
    fwrite(tail, 1, gs_viz_html_len - head - strlen(GS_VIZ_DATA_MARK), out);
    return ok && !ferror(out);
}
