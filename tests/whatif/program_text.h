/* SPDX-License-Identifier: MIT
 * Programs as text: analyzer/whatif/README.md.
 */
#ifndef GS_PROGRAM_TEXT_H
#define GS_PROGRAM_TEXT_H

#include <stdio.h>

#include "analyzer/whatif/program.h"

/* Fills *out, which was zeroed. NULL, or what is wrong with it; *line is then where. */
const char *gs_program_read(FILE *in, struct gs_program *out, unsigned *line);

#endif
