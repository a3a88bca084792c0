/* SPDX-License-Identifier: MIT
 * Build-time tool: makes one HTML page of the report's sources, and that page a C array.
 *   gs_viz_embed PAGE.html ARRAY.c TEMPLATE.html (STYLE.css | MODULE.js)...
 * Modules come in dependency order: `import` lines go, `export ` goes, so do indentation, lines of
 * comment (no module has a string of several lines) and spaces around punctuation; each module
 * becomes a function returning its exports. Nothing else changes, so a browser runs what the tests
 * import.
 * The page's Content-Security-Policy names the SHA-256 of the script and of the style, and nothing
 * more may run. Runs on the build machine; depends on libc alone so that no Node is needed to
 * build.
 */
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DATA_MARK "<!--GILSCOPE-DATA-->"

struct text {
    char *p;
    size_t len, cap;
};

static void die(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    fputs("gs_viz_embed: ", stderr);
    vfprintf(stderr, fmt, ap);
    fputc('\n', stderr);
    va_end(ap);
    exit(1);
}

static void append(struct text *t, const char *s, size_t len)
{
    if (t->len + len + 1 > t->cap) {
        t->cap = (t->len + len + 1) * 2;
        t->p = realloc(t->p, t->cap);
        if (!t->p)
            die("out of memory");
    }
    memcpy(t->p + t->len, s, len);
    t->len += len;
    t->p[t->len] = '\0';
}

static void append_str(struct text *t, const char *s)
{
    append(t, s, strlen(s));
}

static struct text read_file(const char *path)
{
    struct text t = {0};
    char buf[65536];
    size_t n;
    FILE *f = fopen(path, "rb");
    if (!f)
        die("cannot open %s", path);
    while ((n = fread(buf, 1, sizeof buf, f)) > 0)
        append(&t, buf, n);
    if (ferror(f) || !t.p)
        die("cannot read %s", path);
    fclose(f);
    /* The HTML parser would turn CR into LF, and the hashes would no longer fit. */
    if (memchr(t.p, '\r', t.len) || memchr(t.p, '\0', t.len))
        die("%s: CR or NUL in the source", path);
    return t;
}

/* ---- SHA-256 (FIPS 180-4) and base64 (RFC 4648) ---- */

static const uint32_t sha_k[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static uint32_t ror(uint32_t x, int n)
{
    return x >> n | x << (32 - n);
}

static void sha_block(uint32_t h[8], const unsigned char *p)
{
    uint32_t w[64], v[8];
    for (int i = 0; i < 16; i++)
        w[i] = (uint32_t)p[4 * i] << 24 | (uint32_t)p[4 * i + 1] << 16 |
               (uint32_t)p[4 * i + 2] << 8 | p[4 * i + 3];
    for (int i = 16; i < 64; i++) {
        uint32_t s0 = ror(w[i - 15], 7) ^ ror(w[i - 15], 18) ^ w[i - 15] >> 3;
        uint32_t s1 = ror(w[i - 2], 17) ^ ror(w[i - 2], 19) ^ w[i - 2] >> 10;
        w[i] = w[i - 16] + s0 + w[i - 7] + s1;
    }
    memcpy(v, h, sizeof v);
    for (int i = 0; i < 64; i++) {
        uint32_t s1 = ror(v[4], 6) ^ ror(v[4], 11) ^ ror(v[4], 25);
        uint32_t t1 = v[7] + s1 + ((v[4] & v[5]) ^ (~v[4] & v[6])) + sha_k[i] + w[i];
        uint32_t s0 = ror(v[0], 2) ^ ror(v[0], 13) ^ ror(v[0], 22);
        uint32_t t2 = s0 + ((v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]));
        memmove(v + 1, v, 7 * sizeof *v);
        v[4] += t1;
        v[0] = t1 + t2;
    }
    for (int i = 0; i < 8; i++)
        h[i] += v[i];
}

static void sha256(const char *data, size_t len, unsigned char out[32])
{
    uint32_t h[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                     0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
    unsigned char last[128] = {0};
    size_t full = len / 64 * 64, rest = len - full, n = rest < 56 ? 64 : 128;
    for (size_t i = 0; i < full; i += 64)
        sha_block(h, (const unsigned char *)data + i);
    memcpy(last, data + full, rest);
    last[rest] = 0x80;
    for (int i = 0; i < 8; i++)
        last[n - 1 - (size_t)i] = (unsigned char)((uint64_t)len * 8 >> 8 * i);
    for (size_t i = 0; i < n; i += 64)
        sha_block(h, last + i);
    for (int i = 0; i < 32; i++)
        out[i] = (unsigned char)(h[i / 4] >> (24 - 8 * (i % 4)));
}

static void append_hash(struct text *t, const struct text *of)
{
    static const char digit[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    unsigned char d[33] = {0}; /* one zero past the end, so that the last group is whole */
    char b64[45];
    sha256(of->p, of->len, d);
    for (int i = 0, o = 0; i < 33; i += 3, o += 4) {
        uint32_t v = (uint32_t)d[i] << 16 | (uint32_t)d[i + 1] << 8 | d[i + 2];
        for (int k = 0; k < 4; k++)
            b64[o + k] = digit[v >> (18 - 6 * k) & 63];
    }
    b64[43] = '=';
    append_str(t, "sha256-");
    append(t, b64, 44);
}

/* ---- The page ---- */

static bool starts(const char *s, const char *prefix)
{
    return strncmp(s, prefix, strlen(prefix)) == 0;
}

static bool ends(const char *s, const char *suffix)
{
    size_t n = strlen(s), m = strlen(suffix);
    return n >= m && strcmp(s + n - m, suffix) == 0;
}

/* The name declared by "function NAME(", "const NAME =", "class NAME {"…; 0 where there is none. */
static size_t declared_name(const char *s, const char **name)
{
    static const char *const kinds[] = {"async function ", "function ", "const ", "class ", NULL};
    for (int i = 0; kinds[i]; i++) {
        if (starts(s, kinds[i])) {
            *name = s + strlen(kinds[i]);
            return strspn(*name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_");
        }
    }
    return 0;
}

static void append_export(const char *path, const char *decl, struct text *names)
{
    const char *name = NULL;
    size_t len = declared_name(decl, &name);
    if (!len)
        die("%s: only `export function|class|const NAME` is understood", path);
    append(names, name, len);
    append_str(names, ", ");
}

struct punctuation {
    const char *before, *after; /* a space before or after one of these says nothing */
};

static const struct punctuation js = {"=,(){}[]?:+-*<>&|;!%", "=,(){}[]?:+-*<>&|;!%"};
static const struct punctuation css = {"{};,>", "{};,>:"};

/* Whether the line has a slash outside of strings: a regular expression, a comment, a division. */
static bool has_slash(const char *line, size_t len)
{
    char quote = 0;
    for (size_t i = 0; i < len; i++) {
        if (line[i] == '\\')
            i++;
        else if (quote ? line[i] == quote : line[i] == '\'' || line[i] == '"')
            quote = quote ? 0 : line[i];
        else if (!quote && line[i] == '/')
            return true;
    }
    return false;
}

/* "a + +b" and "a - -b" need their spaces. */
static bool is_idle_space(const struct punctuation *p, char last, char next)
{
    return !(last == next && (last == '+' || last == '-')) &&
           (strchr(p->after, last) || strchr(p->before, next));
}

/* A line without indentation, and without the spaces that no string holds and nothing needs. */
static void append_squeezed(struct text *t, const char *line, size_t len,
                            const struct punctuation *p)
{
    size_t indent = strspn(line, " ");
    indent = indent < len ? indent : len;
    line += indent, len -= indent;
    if (!len || *line == '\n')
        return;
    if (has_slash(line, len)) {
        append(t, line, len);
        return;
    }
    char quote = 0;
    for (size_t i = 0; i < len; i++) {
        char c = line[i];
        if (quote && c == '\\')
            append(t, line + i++, 1);
        else if (quote ? c == quote : c == '\'' || c == '"')
            quote = quote ? 0 : c;
        else if (!quote && c == ' ' && i + 1 < len && is_idle_space(p, line[i - 1], line[i + 1]))
            continue;
        append(t, line + i, 1);
    }
}

static void append_style(struct text *style, const char *path)
{
    struct text src = read_file(path);
    for (char *line = src.p; *line;) {
        char *end = strchr(line, '\n');
        size_t len = end ? (size_t)(end - line) + 1 : strlen(line);
        append_squeezed(style, line, len, &css);
        line += len;
    }
    free(src.p);
}

/* Body of a module without its imports, and the names it exports. */
static void append_body(struct text *script, const char *path, struct text *names)
{
    struct text src = read_file(path);
    for (char *line = src.p; *line;) {
        char *end = strchr(line, '\n');
        size_t len = end ? (size_t)(end - line) + 1 : strlen(line);
        if (starts(line, "import ")) {
            if (len < 3 || line[len - 2] != ';')
                die("%s: an import must be one line ending in ';'", path);
        } else {
            size_t skip = starts(line, "export ") ? strlen("export ") : 0;
            if (skip)
                append_export(path, line + skip, names);
            if (!starts(line + strspn(line, " "), "//"))
                append_squeezed(script, line + skip, len - skip, &js);
        }
        line += len;
    }
    free(src.p);
}

/* A module becomes `const {its exports} = (() => {…})();`: what it does not export stays its own.
 */
static void append_module(struct text *script, const char *path)
{
    struct text body = {0}, names = {0};
    append_str(&names, "");
    append_body(&body, path, &names);
    append_str(script, "const { ");
    append(script, names.p, names.len);
    append_str(script, "} = (() => {\n");
    append(script, body.p, body.len);
    append_str(script, "return { ");
    append(script, names.p, names.len);
    append_str(script, "};\n})();\n");
    free(body.p);
    free(names.p);
}

static void check_inline(const struct text *t, const char *what)
{
    static const char *const bad[] = {"</script", "</style", "<!--", NULL};
    for (int i = 0; bad[i]; i++)
        if (strstr(t->p, bad[i]))
            die("the %s holds %s, which would end or hide it in the page", what, bad[i]);
}

/* Replaces the one occurrence of `mark`. */
static void fill(struct text *page, const char *mark, const struct text *with)
{
    struct text out = {0};
    char *at = strstr(page->p, mark);
    if (!at || strstr(at + 1, mark))
        die("the template must hold %s exactly once", mark);
    append(&out, page->p, (size_t)(at - page->p));
    append(&out, with->p, with->len);
    append_str(&out, at + strlen(mark));
    free(page->p);
    *page = out;
}

static FILE *create(const char *path)
{
    FILE *f = fopen(path, "wb");
    if (!f)
        die("cannot write %s", path);
    return f;
}

static void finish(FILE *f, const char *path)
{
    if (ferror(f) | fclose(f))
        die("cannot write %s", path);
}

static void write_array(const char *path, const struct text *page)
{
    FILE *f = create(path);
    fputs("/* SPDX-License-Identifier: MIT */\n/* Generated by viz/embed.c. */\n"
          "#include \"viz/viz_bundle.h\"\n\nconst unsigned char gs_viz_html[] = {",
          f);
    for (size_t i = 0; i < page->len; i++)
        fprintf(f, "%s%u,", i % 20 ? "" : "\n", (unsigned char)page->p[i]);
    fprintf(f, "\n0};\nconst size_t gs_viz_html_len = %zu;\n", page->len);
    finish(f, path);
}

static void write_page(const char *path, const struct text *page)
{
    FILE *f = create(path);
    fwrite(page->p, 1, page->len, f);
    finish(f, path);
}

int main(int argc, char **argv)
{
    if (argc < 5)
        die("usage: gs_viz_embed PAGE.html ARRAY.c TEMPLATE.html FILE...");
    struct text style = {0}, script = {0}, style_hash = {0}, script_hash = {0};
    struct text page = read_file(argv[3]);
    append_str(&style, "\n");
    /* In a block nothing becomes global, and two exports of one name are a syntax error. */
    append_str(&script, "\n'use strict';\n{\n");
    for (int i = 4; i < argc; i++) {
        if (ends(argv[i], ".css"))
            append_style(&style, argv[i]);
        else
            append_module(&script, argv[i]);
    }
    append_str(&script, "}\n");
    check_inline(&style, "style");
    check_inline(&script, "script");
    append_hash(&style_hash, &style);
    append_hash(&script_hash, &script);
    fill(&page, "@STYLE_HASH@", &style_hash);
    fill(&page, "@SCRIPT_HASH@", &script_hash);
    fill(&page, "@STYLE@", &style);
    fill(&page, "@SCRIPT@", &script);
    char *mark = strstr(page.p, DATA_MARK);
    if (!mark || strstr(mark + 1, DATA_MARK))
        die("the page must hold %s exactly once", DATA_MARK);
    write_page(argv[1], &page);
    write_array(argv[2], &page);
    free(page.p);
    free(style.p);
    free(script.p);
    free(style_hash.p);
    free(script_hash.p);
    return 0;
}
