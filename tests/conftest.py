# SPDX-License-Identifier: MIT
"""Interpreters and helpers for all tests that run real programs.

Fixtures for tests:
  python               each CPython >= 3.9 with a GIL, one test each (`.path`, `.version`, …)
  old_python           each CPython older than that: to be refused
  free_threaded_python each free-threaded build
  timed_python         the 3.13 that times its own GIL (tests/matrix/timed_gil.patch)
  gilscope             run the program: gilscope("stats", file) -> CompletedProcess
  record, stats        record(python, ["x.py"]) -> Capture; stats(capture) -> dict
  script, samples      script("code") -> path of a program; the folder of the samples
  targets, compile_c   the folder of target programs; compile_c("x.c", *flags) -> one of them, built
  measured             measured("a line of numbers"): printed at the end of the run

`@pytest.mark.pythons(min=(3, 12), max=(3, 13), per_minor=True)` narrows `python`. A test that
measures time carries `@pytest.mark.serial`: tests/run then runs it with nothing beside it.

GILSCOPE_PYTHONS (':'-separated) replaces the interpreters found, GILSCOPE_BUILD the build folder,
GILSCOPE_CACHE the cache. An interpreter that is missing is a skipped test with its name and reason.
"""

import functools
import json
import os
import pathlib
import shutil
import signal
import subprocess
import zlib

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[1]
BUILD = pathlib.Path(os.environ.get("GILSCOPE_BUILD", ROOT / "build")).resolve()
CACHE = pathlib.Path(
    os.environ.get("GILSCOPE_CACHE")
    or pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "gilscope"
)
MATRIX = CACHE / "matrix"
MATRIX_NAMES = ("3.14", "3.15", "3.13-timed", "3.13t")  # made by tests/matrix/setup.sh
SUPPORTED_MINORS = range(9, 16)

PROBE = """
import json, os, sys
sysconfig = None
if sys.version_info >= (3, 13):
    import sysconfig
print(json.dumps({
    "version": list(sys.version_info[:3]),
    "implementation": getattr(getattr(sys, "implementation", None), "name", "cpython"),
    "free_threaded": bool(sysconfig and sysconfig.get_config_var("Py_GIL_DISABLED")),
    "executable": os.path.realpath(sys.executable),
}))
"""


class Interpreter:
    """One interpreter; `str()` of it is its path."""

    def __init__(self, path, source, version, free_threaded):
        self.path = str(path)
        self.source = source  # "pyenv", "system", "path", "matrix", "timed", "given"
        self.version = tuple(version)
        self.free_threaded = free_threaded
        self.timed = source == "timed"
        self.name = "%d.%d.%d%s-%s" % (*self.version, "t" if free_threaded else "", source)

    @property
    def minor(self):
        return self.version[:2]

    def __str__(self):
        return self.path

    def __repr__(self):
        return "<Interpreter %s>" % self.name

    def run(self, *args, timeout=60, env=None, **kwargs):
        """Runs it without gilscope."""
        return run_bounded([self.path, *map(str, args)], timeout, clean_env(env), **kwargs)


# ---- discovery ----


def candidate_paths():
    """(path, source) of all that might be an interpreter, the preferred name first."""
    given = os.environ.get("GILSCOPE_PYTHONS")
    if given:
        for path in filter(None, given.split(":")):
            yield path, "given"
        return
    pyenv = pathlib.Path(os.environ.get("PYENV_ROOT") or pathlib.Path.home() / ".pyenv")
    for path in sorted(pyenv.glob("versions/*/bin/python")):
        yield path, "pyenv"
    for folder in ("/usr/bin", "/usr/local/bin"):
        for pattern in ("python3", "python3.[0-9]", "python3.[0-9][0-9]"):
            for path in sorted(pathlib.Path(folder).glob(pattern)):
                yield path, "system"
    for ok in sorted(MATRIX.glob("*/.ok")):
        yield ok.parent / "python", "timed" if ok.parent.name == "3.13-timed" else "matrix"
    on_path = shutil.which("python3")
    if on_path:
        yield on_path, "path"


def probe(path):
    try:
        out = subprocess.run(
            [str(path), "-c", PROBE], capture_output=True, text=True, timeout=60, env=clean_env()
        )
        return json.loads(out.stdout)
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return None


@functools.lru_cache(maxsize=None)
def discover():
    found, seen, names = [], set(), set()
    for path, source in candidate_paths():
        facts = probe(path)
        if not facts or facts["implementation"] != "cpython" or facts["executable"] in seen:
            continue
        seen.add(facts["executable"])
        python = Interpreter(path, source, facts["version"], facts["free_threaded"])
        while python.name in names:
            python.name += "+"
        names.add(python.name)
        found.append(python)
    return sorted(found, key=lambda p: (p.version, p.name))


def matrix_skips():
    """Reasons by name, for what tests/matrix/setup.sh could not set up."""
    reasons = {}
    if (MATRIX / "skipped.txt").exists():
        for line in (MATRIX / "skipped.txt").read_text().splitlines():
            name, _, reason = line.partition(": ")
            reasons[name] = reason
    for name in MATRIX_NAMES:
        if not (MATRIX / name / ".ok").exists():
            reasons.setdefault(name, "not set up; tests/matrix/setup.sh does it")
    return reasons


def missing_minors(found):
    """(name, reason) of the supported minor versions no interpreter with a GIL stands for."""
    if os.environ.get("GILSCOPE_PYTHONS"):
        return []
    present = {p.minor for p in found if not p.free_threaded}
    reasons = matrix_skips()
    return [
        ("3.%d" % minor, reasons.get("3.%d" % minor, "no such interpreter on this machine"))
        for minor in SUPPORTED_MINORS
        if (3, minor) not in present
    ]


def skipped_param(name, reason):
    return pytest.param(
        None, id=name, marks=pytest.mark.skip(reason="interpreter %s: %s" % (name, reason))
    )


def params_for_python(mark):
    options = dict(mark.kwargs) if mark else {}
    low, high = options.get("min", (3, SUPPORTED_MINORS[0])), options.get("max", (3, 99))
    found = [p for p in discover() if not p.free_threaded]
    params, minors = [], set()
    for python in found:
        if not low <= python.minor <= high or python.version < (3, 9):
            continue
        if options.get("per_minor") and python.minor in minors:
            continue
        minors.add(python.minor)
        params.append(pytest.param(python, id=python.name))
    for name, reason in missing_minors(found):
        if low <= tuple(map(int, name.split("."))) <= high:
            params.append(skipped_param(name, reason))
    return params


def params_or_skip(pythons, name, reason):
    return [pytest.param(p, id=p.name) for p in pythons] or [skipped_param(name, reason)]


def pytest_generate_tests(metafunc):
    names = metafunc.fixturenames
    if "python" in names:
        metafunc.parametrize("python", params_for_python(metafunc.definition.get_closest_marker(
            "pythons")))
    if "old_python" in names:
        old = [p for p in discover() if p.version < (3, 9)]
        metafunc.parametrize(
            "old_python", params_or_skip(old, "before-3.9", "none on this machine"))
    if "free_threaded_python" in names:
        free = [p for p in discover() if p.free_threaded]
        reason = matrix_skips().get("3.13t", "none on this machine")
        metafunc.parametrize("free_threaded_python", params_or_skip(free, "3.13t", reason))
    if "timed_python" in names:
        timed = [p for p in discover() if p.timed]
        reason = matrix_skips().get("3.13-timed", "left out by GILSCOPE_PYTHONS")
        metafunc.parametrize("timed_python", params_or_skip(timed, "3.13-timed", reason))


def pytest_configure(config):
    config.addinivalue_line("markers", "serial: measures time; tests/run runs it alone")
    config.addinivalue_line("markers", "pythons(min, max, per_minor): narrows the python fixture")


def pytest_report_header():
    return ["interpreters: " + " ".join(p.name for p in discover())] + [
        "interpreter skipped: %s: %s" % item for item in sorted(matrix_skips().items())
    ]


# ---- running things ----


def clean_env(extra=None):
    """The environment without what would change a target's or gilscope's behaviour."""
    env = {
        key: value
        for key, value in os.environ.items()
        if not key.startswith(("GILSCOPE_", "PYTHON", "GILTIMED_")) and key != "LD_PRELOAD"
    }
    env.update({key: str(value) for key, value in (extra or {}).items()})
    return env


def default_signals():
    """Tests that run in the background inherit SIGINT ignored, and Python then has no
    KeyboardInterrupt."""
    for number in (signal.SIGINT, signal.SIGQUIT):
        signal.signal(number, signal.SIG_DFL)


def run_bounded(argv, timeout, env, **kwargs):
    """subprocess.run that never leaves a process behind: the whole session is killed."""
    text = kwargs.pop("text", True)
    kwargs.setdefault("stdin", subprocess.DEVNULL)
    kwargs.setdefault("preexec_fn", default_signals)
    process = subprocess.Popen(
        argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env, start_new_session=True,
        text=text, errors="replace" if text else None, **kwargs)
    try:
        out, err = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        out, err = process.communicate()
        pytest.fail("no end after %d s: %s\nstdout: %s\nstderr: %s"
                    % (timeout, " ".join(map(str, argv)), out[-2000:], err[-2000:]))
    return subprocess.CompletedProcess(argv, process.returncode, out, err)


class Capture(os.PathLike):
    """A folder of captures, one file per process; usable wherever a path is."""

    def __init__(self, folder, result):
        self.folder = pathlib.Path(folder)
        self.result = result
        self.stdout, self.stderr = result.stdout, result.stderr
        self.returncode = result.returncode

    @property
    def files(self):
        return sorted(self.folder.glob("*.gsc*"))

    @property
    def file(self):
        """The only file; fails when there is not exactly one."""
        assert len(self.files) == 1, "captures: %s\nstderr: %s" % (self.files, self.stderr)
        return self.files[0]

    def __fspath__(self):
        return str(self.folder)

    def __str__(self):
        return str(self.folder)


class Gilscope:
    """The program under test. `str()` of it is its path."""

    def __init__(self):
        self.path = BUILD / "bin" / "gilscope"
        self.agent = BUILD / "lib" / "libgilscope.so"
        for file in (self.path, self.agent):
            if not file.exists():
                pytest.fail("%s is not built (GILSCOPE_BUILD?)" % file, pytrace=False)

    def __fspath__(self):
        return str(self.path)

    def __str__(self):
        return str(self.path)

    def __call__(self, *args, expect_rc=0, timeout=120, env=None, **kwargs):
        result = run_bounded([str(self.path), *map(str, args)], timeout, clean_env(env), **kwargs)
        check_rc(result, expect_rc)
        return result


def check_rc(result, expected):
    if expected is not None and result.returncode != expected:
        pytest.fail("exit status %d, not %d: %s\nstdout: %s\nstderr: %s" % (
            result.returncode, expected, " ".join(map(str, result.args)),
            result.stdout[-3000:], result.stderr[-3000:]))


# ---- fixtures ----


@pytest.fixture(scope="session")
def interpreters():
    """All interpreters found, whatever their version and kind."""
    return discover()


@pytest.fixture(scope="session")
def gilscope():
    return Gilscope()


@pytest.fixture
def record(gilscope, tmp_path):
    """record(python, args, level=, options=, env=, expect_rc=, timeout=) -> Capture"""
    count = 0

    def run(python, args, *, level=None, options=(), env=None, expect_rc=0, timeout=120, **kwargs):
        nonlocal count
        count += 1
        folder = tmp_path / ("capture-%d" % count)
        folder.mkdir()
        options = [*map(str, options), *([] if level is None else ["--level", str(level)])]
        result = gilscope(
            "run", "-o", folder / "%p.gsc", *options, "--", python, *args,
            env=env, expect_rc=expect_rc, timeout=timeout, **kwargs)
        return Capture(folder, result)

    return run


@pytest.fixture
def stats(gilscope):
    """stats(capture or file or a list of them) -> the JSON of `gilscope stats --json`"""

    def run(captures, *options, expect_rc=0):
        if not isinstance(captures, (list, tuple)):
            captures = [captures]
        result = gilscope("stats", "--json", *options, *captures, expect_rc=expect_rc)
        return json.loads(result.stdout)

    return run


@pytest.fixture
def script(tmp_path):
    """script("code", name="x.py") -> the path of a program with that code"""

    def write(code, name="target.py"):
        path = tmp_path / name
        path.write_text(code)
        return path

    return write


MEASURED = []


@pytest.fixture(scope="session")
def measured():
    """measured("line"): numbers to print at the end, also when the test passes."""
    return MEASURED.append


def pytest_terminal_summary(terminalreporter):
    if MEASURED:
        terminalreporter.section("measured")
        for line in MEASURED:
            terminalreporter.write_line(line)


@pytest.fixture(scope="session")
def samples():
    return ROOT / "samples" / "programs"


@pytest.fixture(scope="session")
def targets():
    return ROOT / "tests" / "integration" / "targets"


@pytest.fixture(scope="session")
def compile_c(tmp_path_factory, targets):
    """compile_c(name, *flags) -> a program or library from targets/name"""
    cc = shutil.which("cc") or pytest.skip("no C compiler")
    folder = tmp_path_factory.mktemp("compiled")

    def run(name, *flags, compiler=cc):
        key = zlib.crc32(" ".join(map(str, flags)).encode())
        out = folder / ("%s-%s-%08x" % (name.replace(".c", ""), os.path.basename(compiler), key))
        if not out.exists():
            subprocess.run([compiler, "-O1", *flags, "-o", out, targets / name], check=True)
        return out

    return run
