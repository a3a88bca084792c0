/* SPDX-License-Identifier: MIT
 * Names as people write them, of C++ and of Rust: its older way, which C++'s reads, and its newer
 * one
 * (_R) where this was built with libiberty.
 */
#ifndef GS_DEMANGLE_H
#define GS_DEMANGLE_H

/* The caller's; the name itself where it is not mangled, or nobody here can read it. */
char *gs_demangle(const char *name);

#endif
