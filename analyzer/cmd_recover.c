/* SPDX-License-Identifier: MIT
 * gilscope recover: keeps every sound file header and chunk, byte for byte, and drops the rest.
 * Nothing is made up: a recording that was cut short stays marked as incomplete.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "analyzer/cmd.h"
#include "analyzer/cmd_load.h"
#include "analyzer/out_file.h"
#include "analyzer/trace_reader.h"

struct tally {
    uint64_t kept_chunks, kept_bytes, lost_places, lost_bytes;
    bool has_file_hdr;
};

/* Whether a file may be rewritten by a program that does not know all of its features. */
static enum gs_status check_writable(const struct gs_walk_item *item, const char *path,
                                     struct gs_error *err)
{
    if (item->status != GS_OK)
        return gs_error_set(err, item->status, "%s: %s; use a newer gilscope", path,
                            gs_status_message(item->status));
    if (item->file.feat_ro != 0)
        return gs_error_set(err, GS_ERR_FEATURE,
                            "%s: uses a feature that forbids this version to rewrite it; use a "
                            "newer gilscope",
                            path);
    return GS_OK;
}

static enum gs_status copy_sound(const struct gs_mapped_file *file, FILE *out, struct tally *tally,
                                 struct gs_error *err)
{
    struct gs_walk walk;
    struct gs_walk_item item;
    gs_walk_init(&walk, file->data, file->len);
    while (gs_walk_next(&walk, &item)) {
        if (item.kind == GS_WALK_DAMAGED) {
            tally->lost_places++;
            tally->lost_bytes += item.len;
            gs_cmd_say("recover: bytes %" PRIu64 " to %" PRIu64 ": %s", item.off,
                       item.off + item.len - 1, gs_status_message(item.status));
            continue;
        }
        if (item.kind == GS_WALK_FILE_HDR && check_writable(&item, file->path, err) != GS_OK)
            return err->status;
        tally->has_file_hdr |= item.kind == GS_WALK_FILE_HDR;
        tally->kept_chunks += item.kind != GS_WALK_FILE_HDR;
        tally->kept_bytes += item.len;
        fwrite(item.data, 1, item.len, out);
    }
    if (tally->kept_bytes == 0)
        return gs_error_set(err, GS_ERR_MAGIC,
                            "%s: nothing in it is a gilscope capture; look at "
                            "the name",
                            file->path);
    return GS_OK;
}

/* Without its file header the rest would not be taken for a capture: make the one it had. */
static void put_missing_header(const struct gs_mapped_file *file, FILE *out)
{
    struct gs_walk walk;
    struct gs_walk_item item;
    struct gs_file_hdr hdr;
    gs_walk_init(&walk, file->data, file->len);
    while (gs_walk_next(&walk, &item)) {
        if (item.kind == GS_WALK_FILE_HDR)
            return;
        if (item.kind == GS_WALK_DAMAGED)
            continue;
        gs_file_hdr_encode(&hdr, GS_FORMAT_MINOR, item.chunk.process_key, 0, 0);
        fwrite(&hdr, 1, sizeof(hdr), out);
        return;
    }
}

static int report_loss(const char *path, const struct tally *t)
{
    gs_cmd_say("recover: wrote %s: %" PRIu64 " chunks, %" PRIu64 " bytes", path, t->kept_chunks,
               t->kept_bytes);
    if (t->lost_bytes == 0)
        return GS_EXIT_OK;
    return gs_cmd_fail(GS_EXIT_DAMAGED,
                       "recover: %" PRIu64 " bytes in %" PRIu64
                       " places were damaged and are left out",
                       t->lost_bytes, t->lost_places);
}

static bool copy_file(const char *path, FILE *out, struct tally *tally, struct gs_error *err)
{
    struct gs_mapped_file file = {0};
    if (gs_file_map(&file, path, err) != GS_OK)
        return false;
    put_missing_header(&file, out);
    bool ok = copy_sound(&file, out, tally, err) == GS_OK;
    gs_file_unmap(&file);
    return ok;
}

/* A capture in segments becomes one file. */
static int recover(const struct gs_path_list *files, const char *path, bool force)
{
    struct gs_error err = {0};
    struct gs_out out;
    struct tally tally = {0};
    bool ok = true;
    if (gs_out_open(&out, path, force, &err) != GS_OK)
        return gs_cmd_fail_error(&err);
    for (size_t i = 0; i < files->n && ok; i++)
        ok = copy_file(files->paths[i], out.file, &tally, &err);
    if (gs_out_commit(&out, ok, &err) != GS_OK)
        return gs_cmd_fail_error(&err);
    return report_loss(path, &tally);
}

static bool same_file(const char *a, const char *b)
{
    struct stat x, y;
    return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

static bool is_among(const char *path, const struct gs_path_list *files)
{
    for (size_t i = 0; i < files->n; i++)
        if (same_file(files->paths[i], path))
            return true;
    return false;
}

int gs_cmd_recover(int argc, char **argv)
{
    struct gs_args args;
    struct gs_path_list files;
    struct gs_error err = {0};
    int code = gs_args_parse(gs_cmd_find("recover"), argc, argv, &args);
    if (code != GS_ARGS_GO_ON)
        return code;
    const char *path = args.value[GS_OPT_recover_output];
    if (args.n_rest != 1 || !path)
        return gs_cmd_fail(GS_EXIT_USAGE, "recover: name one capture and where to write it: "
                                          "gilscope recover CAPTURE -o FILE");
    bool ok = gs_paths_expand((const char *const *)args.rest, 1, &files, &err) == GS_OK;
    if (!ok)
        code = gs_cmd_fail_error(&err);
    else if (is_among(path, &files))
        code = gs_cmd_fail(GS_EXIT_USAGE,
                           "recover: %s is the capture itself; name another file "
                           "with -o",
                           path);
    else
        code = recover(&files, path, args.value[GS_OPT_recover_force]);
    gs_path_list_free(&files);
    return code;
}
