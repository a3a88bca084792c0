/* SPDX-License-Identifier: MIT
 * The table of commands with their texts, and the one-line messages.
 */
#include "analyzer/cmd.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analyzer/out_file.h"
#include "analyzer/utf8.h"

const struct gs_cmd gs_cmds[] = {
    {"run",
     "record",
     "start a program and record it",
     "[options] [--] COMMAND [ARG]...",
     "Starts COMMAND with the recording agent and gets out of the way: the pid, signals, standard "
     "input and exit code are the program's own. COMMAND is a Python script (train.py), "
     "-m MODULE, -c CODE, or any program that starts Python. Everything after it belongs to "
     "it.\n"
     "Options win over GILSCOPE_* variables. Where a program cannot be started through gilscope, "
     "set LD_PRELOAD to libgilscope.so and the variables yourself; it is the same recording.",
     {"gilscope run train.py --epochs 1", "gilscope run -o job.gsc -m pytest tests",
      "gilscope run -o /data/ -d 60 -- gunicorn app:wsgi"},
     gs_cmd_run},
    {"stats",
     "look",
     "numbers in the terminal",
     "[--json] CAPTURE...",
     "Prints who held the GIL, who waited for it and who made them wait; and, where it was "
     "recorded, "
     "what memory is used for and which code keeps what is free. CAPTURE is a .gsc file or a "
     "directory of them; all that are named make one job.",
     {"gilscope stats job.gsc", "gilscope stats --json job.gsc | jq .findings",
      "gilscope stats captures/"},
     gs_cmd_stats},
    {"report",
     "look",
     "write one HTML file",
     "CAPTURE... [-o FILE]",
     "Writes a self-contained HTML page: verdict, findings, threads, and icicle graphs of hold, "
     "wait and blame. The page loads nothing from anywhere.",
     {"gilscope report job.gsc", "gilscope report captures/ -o job.html",
      "gilscope report --whatif --cores 16 job.gsc"},
     gs_cmd_report},
    {"export",
     "share",
     "other tools' formats",
     "FORMAT CAPTURE... [-o FILE]",
     "FORMAT is collapsed (flamegraph.pl, speedscope, Firefox Profiler) or speedscope "
     "(speedscope.app). Weights are integer nanoseconds, of --metric alloc bytes; their sum "
     "is the sum that stats prints. A speedscope file holds all metrics that were recorded unless "
     "--metric names one.",
     {"gilscope export collapsed job.gsc | flamegraph.pl > job.svg",
      "gilscope export collapsed --metric alloc job.gsc -o live.txt",
      "gilscope export speedscope job.gsc -o job.speedscope.json"},
     gs_cmd_export},
    {"whatif",
     "look",
     "what free-threaded Python would bring",
     "[--target VERSION] [--cores N] [--json] CAPTURE...",
     "Replays what the threads of a recording did without the GIL, on as many cores as you say, "
     "200 times with what is not known drawn anew: how much faster, as a range, under a "
     "ceiling that no scheduling could pass. For a number it needs a recording with --locks; of "
     "any other it says the ceiling and what is missing.",
     {"gilscope run --locks -o job.gsc server.py && gilscope whatif job.gsc",
      "gilscope whatif --target 3.13t --cores 16 job.gsc",
      "gilscope whatif --json job.gsc | jq .s_p50"},
     gs_cmd_whatif},
    {"calibrate",
     "look",
     "measure what whatif has to assume otherwise",
     "-o FILE [--python EXE] [--python-t EXE] [--base FILE] [-- PROGRAM ARGS...]",
     "Measures what several cores of this machine do together and, where a free-threaded Python is "
     "named, how long it takes for the same work in one thread: of eleven small loops, or of "
     "PROGRAM (a script and its arguments, with one thread and the load of one), which tells "
     "most. Takes less than a minute; nothing else should run meanwhile.",
     {"gilscope calibrate -o here.cal", "gilscope calibrate --python-t python3.14t -o here.cal",
      "gilscope calibrate --python-t python3.14t -o app.cal -- app.py --threads 1"},
     gs_cmd_calibrate},
    {"dump",
     "help",
     "the bytes of a capture, readable",
     "[--raw-json] CAPTURE",
     "Prints each file header, chunk, record and row as it stands in the file. Damaged places "
     "are named and skipped.",
     {"gilscope dump job.gsc | less", "gilscope dump --raw-json job.gsc | head",
      "gilscope dump damaged.gsc | grep damage"},
     gs_cmd_dump},
    {"recover",
     "help",
     "copy what is readable of a capture",
     "CAPTURE -o FILE",
     "Copies every intact file header and chunk byte for byte and leaves out the rest. Exits "
     "with 4 and says how much was lost if anything was. Other commands read damaged "
     "captures too; recover makes a clean file to keep.",
     {"gilscope recover damaged.gsc -o clean.gsc", "gilscope recover -f a.gsc -o b.gsc",
      "gilscope recover damaged.gsc -o clean.gsc && gilscope stats clean.gsc"},
     gs_cmd_recover},
    {"symbolize",
     "share",
     "put the names of native frames into a capture",
     "CAPTURE -o FILE",
     "Copies a capture that was recorded with --native and adds what its machine code is called: "
     "functions, inlined ones, files and lines. They are looked up on this machine, where the "
     "program's files are (debuginfod is asked where DEBUGINFOD_URLS is set); the copy shows them "
     "on any other.",
     {"gilscope symbolize job.gsc -o for-others.gsc", "gilscope symbolize -f job.gsc -o job.gsc",
      "gilscope symbolize captures/ -o all.gsc"},
     gs_cmd_symbolize},
    {"doctor",
     "help",
     "is this machine and Python supported?",
     "[--python EXE]",
     "Looks at the machine and at each Python found, and makes a real recording of 0.3 s with it. "
     "Exits with 1 if something does not work, and says what.",
     {"gilscope doctor", "gilscope doctor --python /opt/py/bin/python3.12",
      "gilscope doctor -o /data/captures"},
     gs_cmd_doctor},
    {"completions",
     "help",
     "print completions for a shell",
     "bash|zsh|fish",
     "Prints a completion script. An installed gilscope has them in place.",
     {"gilscope completions bash > ~/.local/share/bash-completion/completions/gilscope",
      "gilscope completions zsh > ~/.zfunc/_gilscope",
      "gilscope completions fish > ~/.config/fish/completions/gilscope.fish"},
     gs_cmd_completions},
    {"help",
     "help",
     "help on a command, or on: env, exit-codes",
     "[WORD]",
     "Prints the help of a command; `help env` lists the variables, `help exit-codes` the exit "
     "codes.",
     {"gilscope help run", "gilscope help env", "gilscope help exit-codes"},
     gs_cmd_help},
    {"__man", NULL, "", "[COMMAND]", "", {NULL}, gs_cmd_man},
    {NULL, NULL, NULL, NULL, NULL, {NULL}, NULL},
};

const struct gs_cmd *gs_cmd_find(const char *name)
{
    for (const struct gs_cmd *c = gs_cmds; c->name; c++) {
        if (strcmp(c->name, name) == 0)
            return c;
    }
    return NULL;
}

/* File names are untrusted: an escape sequence in one must not reach the terminal. */
static void print_line(const char *fmt, va_list ap)
{
    char *text;
    if (vasprintf(&text, fmt, ap) < 0)
        return;
    gs_utf8_defuse(text);
    fprintf(stderr, "gilscope: %s\n", text);
    free(text);
}

int gs_cmd_fail(int code, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    print_line(fmt, ap);
    va_end(ap);
    return code;
}

void gs_cmd_say(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    print_line(fmt, ap);
    va_end(ap);
}

int gs_cmd_flush_stdout(int code)
{
    int err = gs_stream_errno(stdout);
    if (err == 0)
        return code;
    return gs_cmd_fail(GS_EXIT_FAILED, "standard output: %s; the output is incomplete",
                       strerror(err));
}

/* Levenshtein; words are short, so the quadratic table is fine. */
static size_t distance(const char *a, const char *b)
{
    enum { MAX = 40 };
    size_t row[MAX + 1], la = strlen(a), lb = strlen(b);
    if (la > MAX || lb > MAX)
        return MAX;
    for (size_t j = 0; j <= lb; j++)
        row[j] = j;
    for (size_t i = 1; i <= la; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= lb; j++) {
            size_t cost = diagonal + (a[i - 1] != b[j - 1]);
            diagonal = row[j];
            if (row[j] + 1 < cost)
                cost = row[j] + 1;
            if (row[j - 1] + 1 < cost)
                cost = row[j - 1] + 1;
            row[j] = cost;
        }
    }
    return row[lb];
}

void gs_nearest_start(struct gs_nearest *n, const char *word)
{
    *n = (struct gs_nearest){.word = word, .distance = (size_t)-1};
}

void gs_nearest_offer(struct gs_nearest *n, const char *candidate)
{
    size_t d = distance(n->word, candidate);
    size_t len = strlen(n->word);
    if (len >= 3 && strncmp(n->word, candidate, len) == 0)
        d = 1; /* a cut-off word is nearer than any misspelling */
    if (d < n->distance) {
        n->distance = d;
        n->best = candidate;
    }
}

const char *gs_nearest_word(const struct gs_nearest *n)
{
    size_t allowed = strlen(n->word) / 3 + 1;
    return n->distance <= allowed ? n->best : NULL;
}
