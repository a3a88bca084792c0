/* SPDX-License-Identifier: MIT
 * gilscope dump: what stands in a capture, item by item.
 */
#include <stdio.h>

#include "analyzer/cmd.h"
#include "analyzer/cmd_load.h"
#include "analyzer/dump.h"
#include "analyzer/options.h"

static int dump_text(const struct gs_mapped_file *file)
{
    struct gs_walk walk;
    struct gs_walk_item item;
    unsigned long damaged = 0, sound = 0;
    gs_walk_init(&walk, file->data, file->len);
    while (gs_walk_next(&walk, &item) && !ferror(stdout)) {
        gs_dump_text(&item, stdout);
        damaged += item.kind == GS_WALK_DAMAGED;
        sound += item.kind != GS_WALK_DAMAGED;
    }
    int code = gs_cmd_flush_stdout(GS_EXIT_OK);
    if (code == GS_EXIT_OK && sound == 0)
        return gs_cmd_fail(GS_EXIT_FAILED,
                           "%s: nothing in it is a gilscope capture; look at the name", file->path);
    if (code == GS_EXIT_OK && damaged)
        return gs_cmd_fail(GS_EXIT_DAMAGED, "%s: %lu damaged places were skipped", file->path,
                           damaged);
    return code;
}

/* Damage is in the lines themselves; 1 is for an input that is refused, as in the Python decoder.
 */
static int dump_json(const struct gs_mapped_file *file)
{
    bool accepted = gs_dump_json(file->data, file->len, stdout);
    int code = gs_cmd_flush_stdout(GS_EXIT_OK);
    if (code == GS_EXIT_OK && !accepted)
        return gs_cmd_fail(GS_EXIT_FAILED,
                           "%s: this version cannot read it; the last line says why", file->path);
    return code;
}

int gs_cmd_dump(int argc, char **argv)
{
    struct gs_args args;
    struct gs_mapped_file file = {0};
    struct gs_error err = {0};
    int code = gs_args_parse(gs_cmd_find("dump"), argc, argv, &args);
    if (code != GS_ARGS_GO_ON)
        return code;
    if (args.n_rest != 1)
        return gs_cmd_fail(GS_EXIT_USAGE, "dump: name one capture: gilscope dump CAPTURE");
    if (gs_file_map(&file, args.rest[0], &err) != GS_OK)
        return gs_cmd_fail_error(&err);
    code = args.value[GS_OPT_dump_raw_json] ? dump_json(&file) : dump_text(&file);
    gs_file_unmap(&file);
    return code;
}
