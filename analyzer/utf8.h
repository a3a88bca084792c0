/* SPDX-License-Identifier: MIT
 * UTF-8 from outside. One decoder for everything that prints a name from a capture.
 */
#ifndef GS_UTF8_H
#define GS_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GS_UTF8_BAD 0xfffdu

/* Length of the character at s (1..4); *cp is its code point, U+FFFD for a byte that starts no
 * valid character (then the length is 1). len > 0. */
size_t gs_utf8_decode(const char *s, size_t len, uint32_t *cp);

/* Characters that nobody sees but that act: they move the cursor, colour the screen, end a line or
 * turn the direction of the text around them. All are below U+10000. Line ends are among them. */
bool gs_utf8_is_hidden(uint32_t cp);

/* Length of the text at s that needs no care: whole characters, none of them hidden and none of the
 * ASCII ones in `special`. */
size_t gs_utf8_plain(const char *s, size_t len, const char *special);

/* In place: every hidden character, and every byte that is not UTF-8, becomes one '?'. For the one
 * line of a message. */
void gs_utf8_defuse(char *s);

/* A copy without invalid bytes (U+FFFD instead) and without NUL, cut at max_len bytes between two
 * characters. Terminated; the caller frees. */
char *gs_utf8_clean(const char *s, size_t len, size_t max_len);

#endif
