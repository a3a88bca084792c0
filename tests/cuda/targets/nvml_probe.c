/* SPDX-License-Identifier: MIT
 * usage: nvml_probe STEP…
 * Does what a program and the agent's drain thread do with NVML, in the order of the steps, and
 * prints a line for each: a number, or why there is none. driver        the program makes a context
 * and allocates 1 MiB of device 0 ask           the drain thread asks what the process uses;
 * `ask:ID` of that PCI bus id begins        another drain thread, with a table of its own; its
 * descriptor 3 is a file of ours load, global  the program loads libnvidia-ml.so.1 (RTLD_GLOBAL)
 * and initialises it query         the program asks its own NVML for the memory of the device
 *   close-all     the program closes all its descriptors from 3
 *   fds           how many descriptors the process has
 *   fork          the rest is done in a forked child
 *   refuse-memfd  no memfd_create() from here on
 *   chroot:DIR    no /proc from here on
 */
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <semaphore.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "preload/nvml.h"

#define FIRST_DEVICE "0000:3B:00.0"

static struct {
    pthread_t thread;
    sem_t go, done;
    const char *ask; /* NULL: the thread is to end */
    bool runs;
    char answer[200]; /* the thread has no standard output */
} drain;

static void keep_answer(const char *id)
{
    uint64_t used;
    if (gs_nvml_used(id, &used))
        snprintf(drain.answer, sizeof(drain.answer), "%llu", (unsigned long long)used);
    else
        snprintf(drain.answer, sizeof(drain.answer), "%s", gs_nvml_why_not());
}

static void *drain_thread(void *arg)
{
    struct stat before, after;
    (void)arg;
    if (syscall(SYS_close_range, 0, ~0u, 2))
        exit(3);
    gs_nvml_drain_begins();
    for (int i = 0; i < 8; i++) /* the numbers that NVML had in the last table */
        if (open("/", O_RDONLY | O_CLOEXEC) < 0)
            exit(3);
    fstat(3, &before);
    for (sem_post(&drain.done), sem_wait(&drain.go); drain.ask; sem_wait(&drain.go)) {
        keep_answer(drain.ask);
        if (fstat(3, &after) || after.st_ino != before.st_ino)
            strcpy(drain.answer, "descriptor 3 is gone");
        sem_post(&drain.done);
    }
    return NULL;
}

static void end_drain(void)
{
    if (!drain.runs)
        return;
    drain.ask = NULL;
    sem_post(&drain.go);
    pthread_join(drain.thread, NULL);
    drain.runs = false;
}

static void begin_drain(void)
{
    end_drain();
    sem_init(&drain.go, 0, 0);
    sem_init(&drain.done, 0, 0);
    if (pthread_create(&drain.thread, NULL, drain_thread, NULL))
        exit(3);
    sem_wait(&drain.done);
    drain.runs = true;
}

static void ask(const char *id)
{
    if (!drain.runs)
        begin_drain();
    drain.ask = id;
    sem_post(&drain.go);
    sem_wait(&drain.done);
    printf("%s\n", drain.answer);
}

/* ---- the program's own ---- */

static void *nvml;

static void *of(void *lib, const char *name)
{
    void *p = lib ? dlsym(lib, name) : NULL;
    if (!p) {
        fprintf(stderr, "no %s\n", name);
        exit(3);
    }
    return p;
}

static void use_driver(void)
{
    void *lib = dlopen("libcuda.so.1", RTLD_NOW), *context;
    unsigned long long address;
    ((int (*)(int))of(lib, "cuInit"))(0);
    ((int (*)(void **, int))of(lib, "cuDevicePrimaryCtxRetain"))(&context, 0);
    ((int (*)(void *))of(lib, "cuCtxSetCurrent"))(context);
    printf("driver %d\n",
           ((int (*)(unsigned long long *, size_t))of(lib, "cuMemAlloc_v2"))(&address, 1 << 20));
}

static void load(int scope)
{
    nvml = dlopen("libnvidia-ml.so.1", RTLD_NOW | scope);
    printf("load %d\n", ((int (*)(void))of(nvml, "nvmlInit_v2"))());
}

static void query(void)
{
    void *device = NULL;
    unsigned long long memory[3] = {0};
    int rc = ((int (*)(unsigned, void **))of(nvml, "nvmlDeviceGetHandleByIndex_v2"))(0, &device);
    if (!rc)
        rc = ((int (*)(void *, void *))of(nvml, "nvmlDeviceGetMemoryInfo"))(device, memory);
    printf("query %d, %d calls\n", rc, *(int *)of(nvml, "fake_nvml_calls"));
}

static void count_fds(void)
{
    int n = 0;
    DIR *dir = opendir("/proc/self/fd");
    while (dir && readdir(dir))
        n++;
    printf("%d descriptors\n", n - 3); /* ., .. and the folder's own */
    closedir(dir);
}

static void refuse_memfd(void)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_memfd_create, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof(code) / sizeof(*code), code};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, 2, &program))
        exit(3);
}

/* The drain thread is not in the child; the parent gives the child's exit status. */
static void go_on_in_child(void)
{
    int status;
    fflush(stdout);
    pid_t pid = fork();
    if (pid) {
        waitpid(pid, &status, 0);
        exit(WIFEXITED(status) ? WEXITSTATUS(status) : 99);
    }
    drain.runs = false;
    gs_nvml_forget();
}

static void chroot_into(const char *folder)
{
    if (chroot(folder) || chdir("/"))
        exit(3);
}

static void do_step(const char *step)
{
    if (!strcmp(step, "ask"))
        ask(FIRST_DEVICE);
    else if (!strncmp(step, "ask:", 4))
        ask(step + 4);
    else if (!strcmp(step, "begins"))
        begin_drain();
    else if (!strcmp(step, "driver"))
        use_driver();
    else if (!strcmp(step, "load"))
        load(RTLD_LOCAL);
    else if (!strcmp(step, "global"))
        load(RTLD_GLOBAL);
    else if (!strcmp(step, "query"))
        query();
    else if (!strcmp(step, "close-all"))
        syscall(SYS_close_range, 3, ~0u, 0);
    else if (!strcmp(step, "fds"))
        count_fds();
    else if (!strcmp(step, "fork"))
        go_on_in_child();
    else if (!strcmp(step, "refuse-memfd"))
        refuse_memfd();
    else if (!strncmp(step, "chroot:", 7))
        chroot_into(step + 7);
    else
        exit(2);
}

int main(int argc, char **argv)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    for (int i = 1; i < argc; i++)
        do_step(argv[i]);
    end_drain();
    return 0;
}
