/* SPDX-License-Identifier: MIT
 * Programs in which a preloaded library is ignored or refused. Better one line before the start
 * than a job that ran for an hour and left no capture.
 */
#include "analyzer/run_target.h"

#include <fcntl.h>
#include <gelf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <unistd.h>

/* The kernel sets AT_SECURE, and ld.so then ignores LD_PRELOAD, when exec changes who we are. */
static bool exec_gains_privilege(const char *path)
{
    struct stat st;
    struct statvfs fs;
    if (stat(path, &st) != 0 || (statvfs(path, &fs) == 0 && (fs.f_flag & ST_NOSUID)))
        return false;
    if ((st.st_mode & S_ISUID) && st.st_uid != getuid())
        return true;
    if ((st.st_mode & S_ISGID) && (st.st_mode & S_IXGRP) && st.st_gid != getgid())
        return true;
    return getuid() != 0 && getxattr(path, "security.capability", NULL, 0) > 0;
}

static const char *interpreter_of(Elf *elf, size_t n_phdr)
{
    for (size_t i = 0; i < n_phdr; i++) {
        GElf_Phdr ph;
        size_t size;
        const char *raw = elf_rawfile(elf, &size);
        if (!gelf_getphdr(elf, (int)i, &ph))
            break; /* the count is a claim of the file's */
        if (ph.p_type != PT_INTERP)
            continue;
        bool inside =
            raw && ph.p_filesz > 0 && ph.p_offset < size && ph.p_filesz <= size - ph.p_offset;
        return inside && raw[ph.p_offset + ph.p_filesz - 1] == '\0' ? raw + ph.p_offset : "";
    }
    return NULL;
}

static bool names_library(Elf *elf, Elf_Data *data, size_t strings, const char *prefix)
{
    GElf_Dyn dyn;
    for (int i = 0; data && gelf_getdyn(data, i, &dyn) && dyn.d_tag != DT_NULL; i++) {
        if (dyn.d_tag != DT_NEEDED)
            continue;
        const char *name = elf_strptr(elf, strings, dyn.d_un.d_val);
        if (name && strncmp(name, prefix, strlen(prefix)) == 0)
            return true;
    }
    return false;
}

/* A program has one dynamic section; a file that claims thousands is not read once for each. */
static bool needs_library(Elf *elf, const char *prefix)
{
    for (Elf_Scn *scn = elf_nextscn(elf, NULL); scn; scn = elf_nextscn(elf, scn)) {
        GElf_Shdr sh;
        if (gelf_getshdr(scn, &sh) && sh.sh_type == SHT_DYNAMIC)
            return names_library(elf, elf_getdata(scn, NULL), sh.sh_link, prefix);
    }
    return false;
}

static bool asan_accepts_preload(void)
{
    const char *options = getenv("ASAN_OPTIONS");
    return options && strstr(options, "verify_asan_link_order=0");
}

static const char *elf_refusal(Elf *elf)
{
    GElf_Ehdr eh;
    size_t n_phdr;
    if (!gelf_getehdr(elf, &eh) || elf_getphdrnum(elf, &n_phdr) != 0)
        return NULL; /* let exec say what is wrong with it */
    if (eh.e_machine != EM_X86_64 || eh.e_ident[EI_CLASS] != ELFCLASS64)
        return "is not a 64-bit x86 program; gilscope records only those";
    const char *interp = interpreter_of(elf, n_phdr);
    if (!interp)
        return "is linked statically and loads no agent; use a dynamically linked Python";
    if (strstr(interp, "ld-musl"))
        return "is linked with musl, which gilscope does not support yet; use a glibc Python";
    if (needs_library(elf, "libasan.so") && !asan_accepts_preload())
        return "needs libasan.so, which refuses to start behind another preloaded library; "
               "set ASAN_OPTIONS=verify_asan_link_order=0";
    return NULL;
}

/* "#!/usr/bin/env python3": the interpreter's path, or false. */
static bool script_interpreter(const char *head, size_t len, char out[PATH_MAX])
{
    if (len < 3 || memcmp(head, "#!", 2) != 0)
        return false;
    size_t start = 2 + strspn(head + 2, " \t");
    size_t n = strcspn(head + start, " \t\r\n");
    snprintf(out, PATH_MAX, "%.*s", (int)n, head + start);
    return n > 0;
}

static const char *file_refusal(const char *path, bool *is_script, char interpreter[PATH_MAX])
{
    char head[256] = "";
    const char *why = NULL;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* it may be a pipe */
    if (fd < 0)
        return NULL; /* executable but not readable: nothing to look at */
    ssize_t n = pread(fd, head, sizeof(head) - 1, 0);
    *is_script = n > 0 && script_interpreter(head, (size_t)n, interpreter);
    if (n >= SELFMAG && memcmp(head, ELFMAG, SELFMAG) == 0) {
        elf_version(EV_CURRENT);
        Elf *elf = elf_begin(fd, ELF_C_READ_MMAP, NULL);
        if (elf)
            why = elf_refusal(elf);
        elf_end(elf);
    }
    close(fd);
    return why;
}

const char *gs_target_refusal(const char *path, char *buf, size_t cap)
{
    char interpreter[PATH_MAX];
    bool is_script = false;
    const char *why = file_refusal(path, &is_script, interpreter);
    if (is_script) { /* the kernel takes ids and loader from the interpreter, not from the script */
        path = interpreter;
        bool nested = false;
        char ignored[PATH_MAX];
        why = file_refusal(interpreter, &nested, ignored);
    }
    if (!why && exec_gains_privilege(path))
        why = "runs with other rights than yours (setuid, setgid or capabilities), so the loader "
              "ignores LD_PRELOAD; run it as that user";
    if (!why)
        return NULL;
    snprintf(buf, cap, "%s %s", path, why);
    return buf;
}
