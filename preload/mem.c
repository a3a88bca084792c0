/* SPDX-License-Identifier: MIT
 * The agent's own memcpy(), strlen() and their like, hidden: the process's may be another
 * preload's. ThreadSanitizer's checks each byte, knows nothing of our atomics or of the loader's
 * lock, and reports races that are none. Only for what is rare; where it matters the compiler
 * copies inline. Compiled as freestanding, or the compiler would make of each loop here a call of
 * the function it is in.
 */
#include <stddef.h>
#include <stdint.h>

#define WORD sizeof(uint64_t)

void *memcpy(void *restrict to, const void *restrict from, size_t n);
void *memmove(void *to, const void *from, size_t n);
void *memset(void *to, int byte, size_t n);
int memcmp(const void *a, const void *b, size_t n);
size_t strlen(const char *s);
size_t strnlen(const char *s, size_t most);
char *strchr(const char *s, int c);
char *strrchr(const char *s, int c);
int strcmp(const char *a, const char *b);
int strncmp(const char *a, const char *b, size_t n);
size_t strcspn(const char *s, const char *reject);
char *strstr(const char *s, const char *word);

static void copy_word(char *to, const char *from)
{
    uint64_t word;
    __builtin_memcpy(&word, from, WORD);
    __builtin_memcpy(to, &word, WORD);
}

static void copy_up(char *to, const char *from, size_t n)
{
    for (; n >= WORD; n -= WORD, to += WORD, from += WORD)
        copy_word(to, from);
    while (n--)
        *to++ = *from++;
}

void *memcpy(void *restrict to, const void *restrict from, size_t n)
{
    copy_up(to, from, n);
    return to;
}

void *memmove(void *to, const void *from, size_t n)
{
    if ((uintptr_t)to - (uintptr_t)from >= n) {
        copy_up(to, from, n);
        return to;
    }
    for (; n >= WORD; n -= WORD)
        copy_word((char *)to + n - WORD, (const char *)from + n - WORD);
    while (n--)
        ((char *)to)[n] = ((const char *)from)[n];
    return to;
}

void *memset(void *to, int byte, size_t n)
{
    char *p = to;
    const uint64_t word = (uint8_t)byte * UINT64_C(0x0101010101010101);
    for (; n >= WORD; n -= WORD, p += WORD)
        __builtin_memcpy(p, &word, WORD);
    while (n--)
        *p++ = (char)byte;
    return to;
}

int memcmp(const void *a, const void *b, size_t n)
{
    const unsigned char *p = a, *q = b;
    while (n && *p == *q)
        n--, p++, q++;
    return n ? *p - *q : 0;
}

size_t strlen(const char *s)
{
    size_t n = 0;
    while (s[n])
        n++;
    return n;
}

size_t strnlen(const char *s, size_t most)
{
    size_t n = 0;
    while (n < most && s[n])
        n++;
    return n;
}

char *strchr(const char *s, int c)
{
    while (*s && *s != (char)c)
        s++;
    return *s == (char)c ? (char *)s : NULL;
}

char *strrchr(const char *s, int c)
{
    const char *last = NULL;
    for (; *s; s++)
        last = *s == (char)c ? s : last;
    return (char *)((char)c ? last : s);
}

int strncmp(const char *a, const char *b, size_t n)
{
    for (; n && *a && *a == *b; n--)
        a++, b++;
    return n ? (unsigned char)*a - (unsigned char)*b : 0;
}

int strcmp(const char *a, const char *b)
{
    return strncmp(a, b, SIZE_MAX);
}

size_t strcspn(const char *s, const char *reject)
{
    size_t n = 0;
    while (s[n] && !strchr(reject, s[n]))
        n++;
    return n;
}

char *strstr(const char *s, const char *word)
{
    size_t n = strlen(word);
    for (; *s || !n; s++)
        if (strncmp(s, word, n) == 0)
            return (char *)s;
    return NULL;
}
