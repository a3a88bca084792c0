/* SPDX-License-Identifier: MIT
 * A capture names files, and files may be anybody's. Input: what claims to be a library.
 */
#include <stdlib.h>
#include <string.h>

#include "analyzer/whatif/extension.h"
#include "analyzer/xalloc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct gs_extension e = {0};
    char *image = gs_xmalloc(size + 1, 1); /* libelf may write to it */
    memcpy(image, data, size);
    gs_extension_look_at(&e, image, size);
    if ((e.answer == GS_GIL_UNKNOWN) != (e.why != NULL))
        __builtin_trap();
    free(image);
    return 0;
}
