# SPDX-License-Identifier: MIT
"""The program as a user types it: what `run` hands through, errors, exit codes, texts."""

import json
import os
import pathlib
import random
import re
import shutil
import signal
import struct
import subprocess
import sys
import time

import pytest

from conftest import ROOT, clean_env, run_bounded

sys.path.insert(0, str(ROOT / "tests" / "lint"))
from check_generated import written_out  # noqa: E402

CONTEND = """
import threading, time
def outer():
    inner()
def inner():
    end = time.monotonic() + 0.4
    while time.monotonic() < end:
        sum(range(2000))
threads = [threading.Thread(target=outer, name="worker-%d" % i) for i in range(3)]
for t in threads: t.start()
for t in threads: t.join()
"""
COMMANDS = "run stats report export whatif calibrate dump recover symbolize doctor completions help".split()
OPTION = re.compile(
    r'^GS_OPTION\((\w+), \w+,\s*(NULL|"[^"]*"),\s*(\'.\'|0),\s*(NULL|"[^"]*")', re.MULTILINE)


def option_table():
    """(command, long name or None, letter or None)"""
    text = written_out((ROOT / "analyzer" / "options.def").read_text())
    for cmd, name, letter, _ in OPTION.findall(text):
        yield (cmd, None if name == "NULL" else name.strip('"'),
               None if letter == "0" else letter.strip("'"))


def one_line(text):
    """The message of a failure: one line that starts with the program's name."""
    lines = text.splitlines()
    assert len(lines) == 1 and lines[0].startswith("gilscope: "), text
    return lines[0]


@pytest.fixture
def run(gilscope, tmp_path):
    """run(args...) in an empty directory -> CompletedProcess; -q, as the agent may speak"""

    def call(*args, rc=0, **kwargs):
        kwargs.setdefault("cwd", tmp_path)
        return gilscope("run", *args, expect_rc=rc, **kwargs)

    return call


@pytest.fixture(scope="module")
def capture(gilscope, tmp_path_factory):
    """A contended recording by the Python that runs the tests."""
    folder = tmp_path_factory.mktemp("cli")
    (folder / "contend.py").write_text(CONTEND)
    gilscope("run", "-q", "-o", folder / "job.gsc", "--", sys.executable, folder / "contend.py")
    return folder / "job.gsc"


# ---- run: what the program sees ----


@pytest.mark.parametrize("code", [0, 7, 255])
def test_exit_code_is_the_programs(run, code):
    run("-q", "-c", "raise SystemExit(%d)" % code, rc=code)


def test_death_by_signal_is_the_programs(run):
    result = run("-q", "-c", "import os; os.kill(os.getpid(), 15)", rc=None)
    assert result.returncode == -signal.SIGTERM


def test_stdin_and_stdout_are_the_programs(run, tmp_path):
    (tmp_path / "in").write_text("hello\n")
    with open(tmp_path / "in") as stdin:
        result = run("-q", "-c", "print(input()[::-1])", stdin=stdin)
    assert result.stdout == "olleh\n"


def test_pid_is_the_programs(gilscope, tmp_path):
    process = subprocess.Popen(
        [str(gilscope), "run", "-q", "-c", "import os; print(os.getpid())"],
        stdout=subprocess.PIPE, cwd=tmp_path, env=clean_env(), universal_newlines=True)
    out, _ = process.communicate(timeout=60)
    assert int(out) == process.pid


def test_signals_reach_the_program(gilscope, tmp_path):
    code = ("import os, signal, time\n"
            "signal.signal(signal.SIGUSR1, lambda *a: (os.write(1, b'got it\\n'), exit(5)))\n"
            "print('ready', flush=True)\ntime.sleep(30)\n")
    process = subprocess.Popen([str(gilscope), "run", "-q", "-c", code], stdout=subprocess.PIPE,
                               cwd=tmp_path, env=clean_env(), universal_newlines=True)
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGUSR1)
    assert process.communicate(timeout=30)[0] == "got it\n"
    assert process.returncode == 5


ARGS = ["-o", "x", "--level", "9", "--", "-h", "a b", ""]
SHOW = "import sys; print(sys.argv[1:])"


@pytest.mark.parametrize("form", ["script", "-m", "-c", "--", "program", "-q -m", "-qc"])
def test_what_follows_the_program_is_the_programs(run, tmp_path, form):
    (tmp_path / "show.py").write_text(SHOW)
    start = {
        "script": ["show.py"],
        "-m": ["-m", "show"],
        "-c": ["-c", SHOW],
        "--": ["--", "show.py"],
        "program": [sys.executable, "show.py"],
        "-q -m": ["-q", "-mshow"],
        "-qc": ["-qc", SHOW],
    }[form]
    assert run(*start, *ARGS).stdout == repr(ARGS) + "\n"


def test_package_directory_runs(run, tmp_path):
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "__main__.py").write_text(SHOW)
    assert run("-q", "app", "1").stdout == "['1']\n"


def test_virtual_env_is_preferred(run, tmp_path):
    bin_dir = tmp_path / "venv" / "bin"
    bin_dir.mkdir(parents=True)
    (bin_dir / "python3").write_text("#!/bin/sh\necho venv \"$@\"\n")
    (bin_dir / "python3").chmod(0o755)
    result = run("-c", "1", env={"VIRTUAL_ENV": tmp_path / "venv"})
    assert result.stdout == "venv -c 1\n"


def environment(run, *options, env=None, rc=0):
    result = run(*options, "env", env=env, rc=rc)
    return dict(line.split("=", 1) for line in result.stdout.splitlines() if "=" in line)


def test_environment_of_the_program(run, gilscope, tmp_path):
    seen = environment(run, "--level", "2", "-d", "1.5", "--max-size", "10M", "-f", "-q",
                       "--subprocesses", "--budget", "2.5", "--out", "x.gsc",
                       env={"GILSCOPE_LEVEL": "0", "GILSCOPE_BUDGET": "7"})
    assert seen["LD_PRELOAD"] == str(gilscope.agent)
    assert seen["GILSCOPE_OUT"] == str(tmp_path / "x.gsc")
    assert {k: v for k, v in seen.items() if k.startswith("GILSCOPE_")
            and k not in ("GILSCOPE_OUT", "GILSCOPE_ROOT_PID")} == {
        "GILSCOPE_LEVEL": "2", "GILSCOPE_DURATION": "1.5", "GILSCOPE_MAX_SIZE": "10M",
        "GILSCOPE_FORCE": "1", "GILSCOPE_QUIET": "1", "GILSCOPE_CHILDREN": "python",
        "GILSCOPE_BUDGET": "2.5"}


def test_existing_preload_stays_behind_ours(run, gilscope):
    other = "/lib/x86_64-linux-gnu/libm.so.6"
    if not os.path.exists(other):
        pytest.skip("no libm to preload")
    assert environment(run, env={"LD_PRELOAD": other})["LD_PRELOAD"] == "%s:%s" % (
        gilscope.agent, other)
    twice = "%s:%s" % (gilscope.agent, other)
    assert environment(run, env={"LD_PRELOAD": twice})["LD_PRELOAD"] == twice


def test_output_forms(run, tmp_path):
    name = "gilscope-%q{RANK}-%p.gsc"
    odd = tmp_path / "odd 100% dir"
    odd.mkdir()
    escaped = str(odd).replace("%", "%%")
    assert environment(run)["GILSCOPE_OUT"] == "%s/%s" % (tmp_path, name)
    assert environment(run, "-o", odd)["GILSCOPE_OUT"] == "%s/%s" % (escaped, name)
    result = run("-o", "r-%p.gsc", "env", cwd=odd)
    assert "GILSCOPE_OUT=%s/r-%%p.gsc\n" % escaped in result.stdout
    assert environment(run, env={"GILSCOPE_OUT": "e.gsc"})["GILSCOPE_OUT"] == str(
        tmp_path / "e.gsc")


def test_capture_lands_where_it_was_asked_for(run, gilscope, tmp_path):
    odd = tmp_path / "100% odd"
    odd.mkdir()
    run("-q", "-o", odd, "-c", "pass")
    files = list(odd.iterdir())
    assert len(files) == 1 and re.fullmatch(r"gilscope-\d+\.gsc", files[0].name)
    assert files[0].stat().st_mode & 0o777 == 0o600
    gilscope("stats", "--json", odd)


# ---- run: what it refuses, before anything starts ----


@pytest.mark.parametrize("args, rc, word", [
    ([], 2, "nothing to run"),
    (["--leval", "1", "x.py"], 2, "did you mean '--level'"),
    (["--level", "3", "x.py"], 2, "0|1|2"),
    (["--level"], 2, "needs an argument"),
    (["--force=1", "x.py"], 2, "no argument"),
    (["-d", "soon", "x.py"], 2, "seconds"),
    (["-d", "0", "x.py"], 2, "seconds"),
    (["--max-size", "1X", "x.py"], 2, "size"),
    (["--budget", "nan", "x.py"], 2, "percentage"),
    (["--children", "some", "x.py"], 2, "python|all|none"),
    (["-u", "x.py"], 2, "gilscope run python3 -u"),
    (["-o", "%x.gsc", "true"], 2, "%q{VARIABLE}"),
    (["-o", "%q{X.gsc", "true"], 2, "%q{VARIABLE}"),
    (["-o", "no/such/dir/x.gsc", "true"], 125, "mkdir"),
    (["missing.py"], 127, "No such file"),
    (["missing-program"], 127, "PATH"),
    (["./missing"], 127, "no program"),
    (["plain.txt"], 127, "gilscope run python3 plain.txt"),
    (["./plain.txt"], 126, "not executable"),
    (["/tmp"], 126, "not executable"),
    (["./empty"], 126, "#!"),
    (["./bad-interpreter"], 127, "interpreter"),
])
def test_run_refuses_with_one_line(run, tmp_path, args, rc, word):
    (tmp_path / "plain.txt").write_text("print(1)\n")
    (tmp_path / "empty").write_text("")
    (tmp_path / "empty").chmod(0o755)
    (tmp_path / "bad-interpreter").write_text("#!/no/such/interpreter\n")
    (tmp_path / "bad-interpreter").chmod(0o755)
    result = run(*args, rc=rc)
    assert word in one_line(result.stderr)
    assert result.stdout == ""
    assert not list(tmp_path.glob("*.gsc"))


def compile_c(tmp_path, name, *flags, code="int main(void) { return 0; }\n"):
    compiler = shutil.which("cc") or shutil.which("gcc")
    if not compiler:
        pytest.skip("no C compiler")
    source = tmp_path / (name + ".c")
    source.write_text(code)
    done = subprocess.run([compiler, str(source), "-o", str(tmp_path / name), *flags],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if done.returncode:
        pytest.skip("cannot link with %s" % " ".join(flags))
    return tmp_path / name


@pytest.mark.parametrize("flags, word", [
    (["-static"], "statically"),
    (["-static-pie", "-fPIE"], "statically"),
    (["-fsanitize=address"], "libasan"),
])
def test_programs_that_load_no_agent_are_refused(run, tmp_path, flags, word):
    program = compile_c(tmp_path, "program", *flags)
    assert word in one_line(run(program, rc=125).stderr)
    script = tmp_path / "script"
    script.write_text("#!%s\n" % program)
    script.chmod(0o755)
    assert word in one_line(run(script, rc=125).stderr)


def test_32_bit_programs_are_refused(run, tmp_path):
    program = tmp_path / "program"
    program.write_bytes(b"\x7fELF\1\1\1" + bytes(9)
                        + struct.pack("<HHIIIIIHHHHHH", 2, 3, 1, 0, 0, 0, 0, 52, 0, 0, 0, 0, 0))
    program.chmod(0o755)
    assert "64-bit" in one_line(run(program, rc=125).stderr)


@pytest.mark.skipif(os.getuid() != 0, reason="only root can make a program setuid for another")
def test_setuid_programs_are_refused(run, tmp_path):
    program = compile_c(tmp_path, "program")
    os.chown(program, 65534, 65534)
    program.chmod(0o4755)
    if os.statvfs(tmp_path).f_flag & os.ST_NOSUID:
        pytest.skip("the temporary directory ignores setuid")
    assert "LD_PRELOAD" in one_line(run(program, rc=125).stderr)


def test_misspelt_variable_is_named(run):
    result = run("true", env={"GILSCOPE_LEVL": "1"})
    assert "did you mean GILSCOPE_LEVEL" in one_line(result.stderr)


# ---- texts ----


@pytest.mark.parametrize("cmd", COMMANDS)
def test_help_names_every_option(gilscope, cmd):
    text = gilscope(cmd, "--help").stdout
    for owner, name, letter in option_table():
        if owner == cmd:
            assert not name or "--" + name in text
            assert not letter or "-%s" % letter in text
    assert text.startswith("usage: gilscope " + cmd)
    assert len(text.splitlines()) <= 50 and max(map(len, text.splitlines())) <= 100
    assert len(text.split("examples:\n")[1].splitlines()) == 3
    assert gilscope("help", cmd).stdout == text


@pytest.mark.parametrize("cmd", COMMANDS)
def test_man_page_names_every_option(gilscope, cmd):
    text = gilscope("__man", cmd).stdout.replace("\\-", "-")
    for owner, name, letter in option_table():
        if owner == cmd:
            assert not name or "--%s" % name in text
            assert not letter or " -%s" % letter in text
    if shutil.which("mandoc"):
        subprocess.run(["mandoc", "-Tlint", "-Werror"], input=text, check=True,
                       universal_newlines=True)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completions_name_every_option(gilscope, tmp_path, shell):
    text = gilscope("completions", shell).stdout
    for _, name, _ in option_table():
        assert not name or ("-l " + name if shell == "fish" else "--" + name) in text
    if shutil.which(shell):
        subprocess.run([shell, "-n"], input=text, universal_newlines=True, check=True)


def test_bash_completes(gilscope, tmp_path):
    (tmp_path / "gilscope.bash").write_text(gilscope("completions", "bash").stdout)

    def complete(*words):
        code = ("source ./gilscope.bash; COMP_WORDS=(%s); COMP_CWORD=%d; _gilscope; "
                'printf "%%s\\n" "${COMPREPLY[@]}"' % (" ".join("'%s'" % w for w in words),
                                                        len(words) - 1))
        return subprocess.run(["bash", "-c", code], cwd=tmp_path, stdout=subprocess.PIPE,
                              universal_newlines=True).stdout.split()

    assert complete("gilscope", "re") == ["report", "recover"]
    assert complete("gilscope", "run", "--lev") == ["--level"]
    assert complete("gilscope", "run", "--level", "") == ["0", "1", "2"]
    assert complete("gilscope", "export", "s") == ["speedscope"]


def test_program_without_a_command(gilscope):
    assert gilscope("--help").stdout == gilscope("help").stdout
    assert gilscope(expect_rc=2).stderr == gilscope("--help").stdout
    assert re.fullmatch(r"gilscope \d+\.\d+\.\d+\n", gilscope("-V").stdout)
    assert "GILSCOPE_SAMPLE_INTERVAL" in gilscope("help", "env").stdout
    assert "did you mean 'stats'" in one_line(gilscope("stat", expect_rc=2).stderr)
    assert "--help" in one_line(gilscope("-x", expect_rc=2).stderr)


# ---- reading ----


def test_stats(gilscope, capture):
    data = json.loads(gilscope("stats", "--json", capture).stdout)
    assert data["processes"][0]["gil"]["contended"] > 0
    text = gilscope("stats", capture).stdout
    assert "worker-" in text and "\x1b" not in text


def sums(gilscope, capture):
    data = json.loads(gilscope("stats", "--json", capture).stdout)
    threads = [t for p in data["processes"] for t in p["threads"]]
    return {"hold": sum(t["hold_ns"] for t in threads), "wait": sum(t["wait_ns"] for t in threads),
            "blame": sum(t["blamed_ns"] for t in threads)}


@pytest.mark.parametrize("metric", ["hold", "wait", "blame"])
def test_collapsed_sums_to_stats(gilscope, capture, metric):
    text = gilscope("export", "collapsed", "--metric", metric, capture).stdout
    lines = text.splitlines()
    assert all(re.fullmatch(r".+;.+ \d+", line) for line in lines)
    total = sum(int(line.rsplit(" ", 1)[1]) for line in lines)
    assert total == sums(gilscope, capture)[metric] > 0
    assert any(re.search(r"worker-\d \(\d+\);.*;outer \(.*contend\.py:4\);inner ", line)
               for line in lines)
    if metric == "hold":
        assert gilscope("export", "collapsed", capture).stdout == text


def test_speedscope_sums_to_stats(gilscope, capture, tmp_path):
    out = tmp_path / "x.speedscope.json"
    gilscope("export", "speedscope", capture, "-o", out)
    data = json.loads(out.read_text())
    assert data["exporter"].startswith("gilscope@")
    frames = data["shared"]["frames"]
    assert len({json.dumps(f, sort_keys=True) for f in frames}) == len(frames)
    total = {"hold": 0, "wait": 0, "blame": 0}
    for profile in data["profiles"]:
        assert profile["type"] == "sampled" and profile["unit"] == "nanoseconds"
        assert len(profile["samples"]) == len(profile["weights"])
        assert profile["endValue"] - profile["startValue"] == sum(profile["weights"])
        assert all(0 < len(s) <= 500 and max(s) < len(frames) for s in profile["samples"])
        total[profile["name"].split()[1]] += sum(profile["weights"])
    assert total == sums(gilscope, capture)
    worst = data["profiles"][data["activeProfileIndex"]]
    assert worst["name"].startswith("gil wait")


def test_speedscope_fits_its_schema(gilscope, capture):
    jsonschema = pytest.importorskip("jsonschema")
    schema = os.environ.get("GILSCOPE_SPEEDSCOPE_SCHEMA")
    if not schema:
        pytest.skip("GILSCOPE_SPEEDSCOPE_SCHEMA does not name file-format-schema.json of the npm "
                    "package speedscope")
    data = json.loads(gilscope("export", "speedscope", capture).stdout)
    jsonschema.validate(data, json.loads(pathlib.Path(schema).read_text()))


def test_report(gilscope, capture, tmp_path):
    import base64
    import gzip

    result = gilscope("report", capture, cwd=tmp_path)
    page = tmp_path / "job.html"
    assert "job.html" in one_line(result.stderr)
    assert page.stat().st_mode & 0o777 == 0o600
    html = page.read_text()
    blocks = re.findall(r'<script type="application/octet-stream" class="gs-data">([^<]*)</script>',
                        html)
    data = json.loads(gzip.decompress(b"".join(map(base64.b64decode, blocks))))
    assert data["processes"] and "GILSCOPE-DATA" not in html and "<noscript>" in html
    assert "-f" in one_line(gilscope("report", capture, cwd=tmp_path, expect_rc=1).stderr)
    page.write_text("old")
    gilscope("report", "-f", capture, cwd=tmp_path)
    assert page.read_text() == html
    page.unlink()
    page.symlink_to(tmp_path / "elsewhere")
    gilscope("report", capture, cwd=tmp_path, expect_rc=1)
    assert not (tmp_path / "elsewhere").exists()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["job.html"]


def test_dump_is_the_second_decoders(gilscope, capture):
    mine = gilscope("dump", "--raw-json", capture).stdout
    other = subprocess.run([sys.executable, str(ROOT / "tests" / "py" / "decode_trace.py"),
                            str(capture)], stdout=subprocess.PIPE, universal_newlines=True)
    assert mine == other.stdout
    text = gilscope("dump", capture).stdout
    assert text.startswith("file header at 0: format 1.") and "PROCESS pid=" in text


def test_recover(gilscope, capture, tmp_path):
    out = tmp_path / "out.gsc"
    gilscope("recover", capture, "-o", out)
    data = capture.read_bytes()
    assert out.read_bytes() == data
    hurt = bytearray(data)
    hurt[len(data) // 2] ^= 0xff
    damaged = tmp_path / "damaged.gsc"
    damaged.write_bytes(hurt)
    gilscope("stats", damaged, expect_rc=4)
    assert "left out" in gilscope("recover", "-f", damaged, "-o", out, expect_rc=4).stderr
    assert 64 < out.stat().st_size < len(data)
    gilscope("stats", out)
    assert "the capture itself" in one_line(
        gilscope("recover", "-f", out, "-o", out, expect_rc=2).stderr)


@pytest.mark.parametrize("args, rc, word", [
    (["stats"], 2, "no capture"),
    (["stats", "missing.gsc"], 1, "missing.gsc"),
    (["stats", "--engine", "gpu", "x"], 2, "auto|reference|cpu"),
    (["stats", "--jsno", "x"], 2, "--json"),
    (["export", "colapsed", "x"], 2, "did you mean collapsed"),
    (["export"], 2, "format"),
    (["dump"], 2, "one capture"),
    (["dump", "missing.gsc"], 1, "missing.gsc"),
    (["recover", "x"], 2, "-o FILE"),
    (["symbolize", "x"], 2, "-o FILE"),
    (["completions", "tcsh"], 2, "bash"),
    (["help", "rum"], 2, "help run"),
    (["doctor", "python3"], 2, "--python python3"),
])
def test_errors_are_one_line(gilscope, tmp_path, args, rc, word):
    result = gilscope(*args, cwd=tmp_path, expect_rc=rc)
    assert word in one_line(result.stderr)


READERS = [["stats"], ["stats", "--json"], ["report", "-f", "-o", "x.html"],
           ["export", "collapsed"], ["export", "speedscope"], ["dump"], ["dump", "--raw-json"],
           ["recover", "-f", "-o", "x.gsc"], ["symbolize", "-f", "-o", "x.gsc"]]


def garbage(data):
    rng = random.Random(5)
    yield b""
    yield b"GILSCOPE"
    yield bytes(rng.randrange(256) for _ in range(5000))
    yield data[:64]
    yield data[:len(data) * 2 // 3]
    yield data[64:]
    yield data + data[64:]
    for _ in range(12):
        hurt = bytearray(data)
        for _ in range(rng.randrange(1, 30)):
            hurt[rng.randrange(len(hurt))] = rng.randrange(256)
        yield bytes(hurt)


def test_garbage_never_crashes_a_reader(gilscope, capture, tmp_path):
    for number, data in enumerate(garbage(capture.read_bytes())):
        file = tmp_path / "garbage.gsc"
        file.write_bytes(data)
        for args in READERS:
            result = gilscope(*args, file, cwd=tmp_path, expect_rc=None)
            assert result.returncode in (0, 1, 4), (number, args, result)
            if result.returncode == 1:
                assert result.stderr.splitlines()[-1].startswith("gilscope: ")


@pytest.mark.parametrize("args", READERS[:2] + READERS[3:7] + [["help"], ["--help"], ["-V"]])
def test_full_disk_is_an_error(gilscope, capture, args):
    operands = [] if "h" in args[0][:3] or args[0] == "-V" else [str(capture)]
    with open("/dev/full", "w") as full:
        process = subprocess.run([str(gilscope), *args, *operands], stdout=full,
                                 stderr=subprocess.PIPE, env=clean_env(), universal_newlines=True)
    assert process.returncode == 1
    assert "No space left" in one_line(process.stderr)


@pytest.mark.parametrize("args", [["report"], ["export", "collapsed"], ["export", "speedscope"],
                                  ["recover"]])
def test_full_disk_behind_a_name_is_an_error(gilscope, capture, args):
    result = gilscope(*args, capture, "-o", "/dev/full", expect_rc=1)
    assert "No space left" in result.stderr


@pytest.mark.parametrize("force", [[], ["-f"]])
def test_an_interrupted_export_leaves_nothing(gilscope, capture, tmp_path, force):
    many = tmp_path / "many"
    many.mkdir()
    out = tmp_path / "out"
    for delay in (0.0, 0.005, 0.02):
        (many / "job.gsc").write_bytes(capture.read_bytes())
        process = subprocess.Popen([str(gilscope), "export", "speedscope", *force, str(many), "-o",
                                    str(out)], env=clean_env())
        time.sleep(delay)
        process.terminate()
        code = process.wait(timeout=30)
        if out.exists():  # whole, also where the signal came behind its last byte
            json.loads(out.read_text())
            out.unlink()
        assert [p.name for p in tmp_path.iterdir()] == ["many"], code


def test_closed_pipe_ends_it(gilscope, capture):
    for preexec, expected in ((None, -signal.SIGPIPE), (ignore_sigpipe, 1)):
        read, write = os.pipe()
        os.close(read)  # before it starts, for its output may fit into the pipe
        result = subprocess.run(
            [str(gilscope), "dump", "--raw-json", str(capture)], stdout=write, timeout=30,
            stderr=subprocess.PIPE, preexec_fn=preexec, restore_signals=preexec is None)
        os.close(write)
        assert result.returncode == expected


def ignore_sigpipe():
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)


# ---- doctor ----


def test_doctor_records_with_each_python(gilscope, python):
    text = gilscope("doctor", "--python", python).stdout
    assert re.search(r"recorded [1-9]\d* turns, [1-9]\d* contended, 0 lost, overhead \d+\.\d %", text)
    assert re.search("perf_event: (allow|refus)ed", text)
    assert text.splitlines()[-1].startswith("ready")


def test_doctor_names_what_is_too_old(gilscope, old_python):
    text = gilscope("doctor", "--python", old_python, expect_rc=1).stdout
    assert "too old" in text


def test_doctor_names_free_threaded_builds(gilscope, free_threaded_python):
    text = gilscope("doctor", "--python", free_threaded_python, expect_rc=1).stdout
    assert "free-threaded" in text


@pytest.mark.parametrize("program", ["true", "/no/such/python", "false"])
def test_doctor_survives_what_is_no_python(gilscope, program):
    text = gilscope("doctor", "--python", program, expect_rc=1).stdout
    assert "BAD" in text


def test_installed_tree_works(gilscope, tmp_path):
    if not shutil.which("cmake"):
        pytest.skip("no cmake")
    done = run_bounded(["cmake", "--install", str(gilscope.path.parent.parent), "--prefix",
                        str(tmp_path / "p")], 120, clean_env())
    assert done.returncode == 0, done.stderr
    program = tmp_path / "p" / "bin" / "gilscope"
    assert (tmp_path / "p" / "lib" / "gilscope" / "libgilscope.so").exists()
    pages = {p.name for p in (tmp_path / "p" / "share" / "man" / "man1").iterdir()}
    assert pages == {"gilscope.1"} | {"gilscope-%s.1" % cmd for cmd in COMMANDS}
    done = run_bounded([str(program), "run", "-q", "-o", str(tmp_path / "x.gsc"), "-c", "pass"],
                       60, clean_env())
    assert done.returncode == 0 and (tmp_path / "x.gsc").exists(), done.stderr
