/* SPDX-License-Identifier: MIT
 * Directory expansion: *.gsc at any depth, sorted by path; and the segments of a capture that was
 * cut into several files: job.gsc, job.seg000001.gsc, ...
 */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "analyzer/trace_reader.h"
#include "analyzer/xalloc.h"

#define MAX_DEPTH 32 /* no symbolic links are followed, so this only stops absurd trees */

static bool is_capture_name(const char *name)
{
    size_t len = strlen(name);
    return len > 4 && strcmp(name + len - 4, ".gsc") == 0;
}

static void add_path(struct gs_path_list *out, const char *path)
{
    GS_PUSH(out->paths, out->n, out->cap, gs_xstrndup(path, strlen(path)));
}

static void scan_directory(const char *dir, unsigned depth, struct gs_path_list *out);

static void scan_entry(const char *dir, const char *name, unsigned depth, struct gs_path_list *out)
{
    struct stat st;
    char *path = gs_xasprintf("%s/%s", dir, name);
    if (lstat(path, &st) == 0) {
        if (S_ISDIR(st.st_mode))
            scan_directory(path, depth + 1, out);
        else if (S_ISREG(st.st_mode) && st.st_size > 0 && is_capture_name(name))
            add_path(out, path);
    }
    free(path);
}

static void scan_directory(const char *dir, unsigned depth, struct gs_path_list *out)
{
    DIR *d = depth < MAX_DEPTH ? opendir(dir) : NULL;
    if (!d)
        return;
    for (struct dirent *e; (e = readdir(d));)
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
            scan_entry(dir, e->d_name, depth, out);
    closedir(d);
}

/* ---- segments ---- */

#define SEGMENT_MARK ".seg"

/* Length of "job" in "job.gsc", "job.seg000012.gsc" and "job". */
static size_t stem_length(const char *path)
{
    size_t len = strlen(path);
    if (!is_capture_name(path))
        return len;
    len -= 4;
    size_t digits = 0;
    while (digits < len && path[len - digits - 1] >= '0' && path[len - digits - 1] <= '9')
        digits++;
    size_t mark = digits + strlen(SEGMENT_MARK);
    bool is_segment = digits >= 6 && mark < len &&
                      strncmp(path + len - mark, SEGMENT_MARK, strlen(SEGMENT_MARK)) == 0;
    return is_segment ? len - mark : len;
}

static bool read_header(const char *path, struct gs_file_hdr *out)
{
    struct gs_mapped_file f;
    struct gs_error err = {0};
    bool good =
        gs_file_map(&f, path, &err) == GS_OK && gs_file_hdr_decode(f.data, f.len, out) == GS_OK;
    gs_file_unmap(&f);
    return good;
}

/* `path` if it belongs to the same recording. */
static void add_if_sibling(const char *path, uint64_t process_key, struct gs_path_list *out)
{
    struct gs_file_hdr hdr;
    if (read_header(path, &hdr) && hdr.process_key == process_key &&
        hdr.feat_incompat & GS_FEAT_SEGMENTS)
        add_path(out, path);
}

static void scan_siblings(const char *dir, const char *stem, uint64_t process_key,
                          struct gs_path_list *out)
{
    size_t len = strlen(stem);
    DIR *d = opendir(dir);
    for (struct dirent *e; d && (e = readdir(d));) {
        if (strncmp(e->d_name, stem, len) != 0 || stem_length(e->d_name) != len)
            continue;
        char *path = strcmp(dir, ".") == 0 ? gs_xasprintf("%s", e->d_name)
                                           : gs_xasprintf("%s%s", dir, e->d_name);
        add_if_sibling(path, process_key, out);
        free(path);
    }
    if (d)
        closedir(d);
}

/* The files that lie beside one of a capture in segments. */
static void add_siblings(const char *path, struct gs_path_list *out)
{
    struct gs_file_hdr hdr;
    if (!read_header(path, &hdr) || !(hdr.feat_incompat & GS_FEAT_SEGMENTS))
        return;
    const char *slash = strrchr(path, '/');
    char *dir = slash ? gs_xstrndup(path, (size_t)(slash - path) + 1) : gs_xstrndup(".", 1);
    const char *name = slash ? slash + 1 : path;
    char *stem = gs_xstrndup(name, stem_length(name));
    scan_siblings(dir, stem, hdr.process_key, out);
    free(stem);
    free(dir);
}

static enum gs_status expand_one(const char *path, struct gs_path_list *out, struct gs_error *err)
{
    struct stat st;
    if (stat(path, &st) != 0)
        return gs_error_set(err, GS_ERR_IO, "cannot open %s: %s", path, strerror(errno));
    if (!S_ISDIR(st.st_mode)) {
        add_path(out, path);
        add_siblings(path, out);
        return GS_OK;
    }
    size_t before = out->n;
    scan_directory(path, 0, out);
    if (out->n == before)
        return gs_error_set(err, GS_ERR_IO, "no captures (*.gsc) in %s", path);
    return GS_OK;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void sort_unique(struct gs_path_list *l)
{
    size_t kept = 0;
    qsort(l->paths, l->n, sizeof(*l->paths), by_text);
    for (size_t i = 0; i < l->n; i++) {
        if (kept > 0 && strcmp(l->paths[i], l->paths[kept - 1]) == 0)
            free(l->paths[i]);
        else
            l->paths[kept++] = l->paths[i];
    }
    l->n = kept;
}

enum gs_status gs_paths_expand(const char *const *paths, size_t n, struct gs_path_list *out,
                               struct gs_error *err)
{
    memset(out, 0, sizeof(*out));
    for (size_t i = 0; i < n; i++) {
        enum gs_status s = expand_one(paths[i], out, err);
        if (s != GS_OK)
            return s;
    }
    if (out->n == 0)
        return gs_error_set(err, GS_ERR_USAGE, "no capture given");
    sort_unique(out);
    return GS_OK;
}

void gs_path_list_free(struct gs_path_list *l)
{
    for (size_t i = 0; i < l->n; i++)
        free(l->paths[i]);
    free(l->paths);
    memset(l, 0, sizeof(*l));
}
