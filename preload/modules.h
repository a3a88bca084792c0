/* SPDX-License-Identifier: MIT
 * Which extension modules are there: mapped files NAME.*.so that export PyInit_NAME. Each
 * is told once, in a MODULE record. CTX of all functions: writer.
 */
#ifndef GS_MODULES_H
#define GS_MODULES_H

void gs_modules_look(void);
/* Forked child, or a new segment: all of them are told again. */
void gs_modules_forget(void);

#endif
