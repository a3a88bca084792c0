/* SPDX-License-Identifier: MIT
 * Directory expansion: *.gsc at any depth, sorted by path.
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

static enum gs_status expand_one(const char *path, struct gs_path_list *out, struct gs_error *err)
{
    struct stat st;
    if (stat(path, &st) != 0)
        return gs_error_set(err, GS_ERR_IO, "cannot open %s: %s", path, strerror(errno));
    if (!S_ISDIR(st.st_mode)) {
        add_path(out, path);
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
