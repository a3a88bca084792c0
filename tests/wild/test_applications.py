# SPDX-License-Identifier: MIT
"""Applications nobody here wrote, with and without the agent: their own tests have the same verdicts,
programs that use them print the same answers, servers lose no request. See both_ways.py for what counts
as flaky. The short tier takes a few of each; `tests/run --long` takes whole suites and thousands of requests.
"""

import pathlib
import shutil

import pytest

import both_ways
from life import LONG
from venvs import venv_of

PROGRAMS = pathlib.Path(__file__).resolve().parent / "programs"
TIMEOUT_S = 1800 if LONG else 180

pytestmark = [pytest.mark.pythons(min=(3, 12), max=(3, 12), per_minor=True),
              pytest.mark.timeout(8 * TIMEOUT_S)]


@pytest.fixture
def apps(python):
    """The folder of programs of the venv they are all in."""
    return venv_of(python.path, python.version, "apps")


def told(measured, name, row):
    unit = "passed" if row["passed"] else "answers"
    measured("%s: %d of %d %s, %d differ, flaky without the agent: %s; captures: %s; %s s without, %s s with" % (
        name, row["passed"] or row["tests"], row["tests"], unit, len(row["differs"]),
        " ".join(row["flaky_without"]) or "none", row["captures"], row["seconds_without"], row["seconds_with"]))
    both_ways.check_row(row)


# ---- their own tests ----

SUITES = {  # name: (short, long)
    "numpy": (["numpy._core.tests.test_multithreading"],
              ["numpy", "--continue-on-collection-errors"]),  # f2py's tests want files the wheel has not
    "joblib": (["joblib.test.test_parallel", "-k", "error_capture or nested_loop or no_blas_crash"], ["joblib"]),
    "numpy under pytest-xdist": (["numpy.random.tests.test_smoke", "numpy.random.tests.test_direct", "-n", "2"],
                                 ["numpy.random", "numpy.ma", "-n", "2"]),
}


@pytest.mark.parametrize("name", sorted(SUITES))
def test_own_suite(name, apps, gilscope, measured):
    argv = [apps / "python", "-m", "pytest", "-q", "--capture=no", "-p", "no:cacheprovider", "--timeout", "600",
            "--junit-xml", "{folder}/result.xml", "--pyargs", *SUITES[name][LONG]]
    row = both_ways.compare(lambda agent: both_ways.run_once(argv, agent, TIMEOUT_S), gilscope.agent)
    told(measured, name, row)
    assert row["passed"] > 5


GEVENT_FILES = """
    test__greenlet test__real_greenlet test__hub test__core_async test__core_fork test__threading
    test__threading_native_before_monkey test__threadpool_executor_patched test__monkey_futures_thread_fork
    test__os
""".split()


def gevent_files(apps):
    if not LONG:
        return GEVENT_FILES
    found = apps.parent.glob("lib/python3*/site-packages/gevent/tests/test__*.py")
    return sorted(file.stem for file in found)


def test_gevent_file_by_file(apps, gilscope, measured):
    """Its greenlets switch C stacks; each file patches the standard library in its own way."""
    total = passed = 0
    for name in gevent_files(apps):
        argv = [apps / "python", "-m", "gevent.tests." + name, "-v"]
        row = both_ways.compare(
            lambda agent: both_ways.run_once(argv, agent, TIMEOUT_S, both_ways.unittest_lines), gilscope.agent)
        if row["flaky_without"]:
            measured("gevent %s: flaky without the agent: %s" % (name, " ".join(row["flaky_without"])))
        row["tests"] = row["tests"] or 1  # some are scripts: their exit status is their verdict
        both_ways.check_row(row)
        total, passed = total + row["tests"], passed + row["passed"]
    measured("gevent: %d of %d passed in %d files, none differs" % (passed, total, len(gevent_files(apps))))
    assert passed > 100


# ---- programs that use them ----


def run_program(argv, gilscope, measured, name):
    row = both_ways.compare(
        lambda agent: both_ways.run_once(argv, agent, TIMEOUT_S, both_ways.printed), gilscope.agent)
    told(measured, name, row)
    assert [0, 0] in row["status"], row["tail"]
    return row


@pytest.mark.parametrize("name", ["joblib_sums.py", "dask_sums.py"])
def test_pool(name, apps, gilscope, measured):
    row = run_program([apps / "python", PROGRAMS / name, 100 if LONG else 1], gilscope, measured, name)
    assert row["captures"]["files"] >= 4 and row["captures"]["contended"] > 5


@pytest.mark.parametrize("argv", [["rq_jobs.py"], ["celery_jobs.py", "prefork"], ["celery_jobs.py", "threads"],
                                  ["celery_jobs.py", "gevent"]], ids=" ".join)
def test_queue_with_redis(argv, apps, gilscope, measured):
    shutil.which("redis-server") or pytest.skip("no redis-server")
    n = 2000 if LONG else 30
    row = run_program([apps / "python", PROGRAMS / argv[0], n, *argv[1:]], gilscope, measured, " ".join(argv))
    assert row["answers"]["exit status"] == "0"
    assert row["captures"]["files"] >= (n if argv[0] == "rq_jobs.py" else 2)


@pytest.mark.pythons(min=(3, 11), max=(3, 11), per_minor=True)
def test_torch_data_loader(python, gilscope, measured):
    torch = venv_of(python.path, python.version, "torch")
    row = run_program([torch / "python", PROGRAMS / "torch_loader.py", 20 if LONG else 1], gilscope, measured, "torch")
    assert len(set(row["answers"].values())) == 1, "whoever loads the data, the model is the same"
    assert row["captures"]["files"] >= 7


# ---- servers under load ----

SERVERS = {  # name: (reloads in the short tier, command)
    "gunicorn sync": (3, ["gunicorn", "-w", "2", "-b", "127.0.0.1:{port}", "flask_app:app"]),
    "gunicorn preload": (3, ["gunicorn", "--preload", "-w", "2", "-b", "127.0.0.1:{port}", "flask_app:app"]),
    "gunicorn gthread": (3, ["gunicorn", "-w", "2", "-k", "gthread", "--threads", "3", "-b", "127.0.0.1:{port}",
                             "flask_app:app"]),
    "gunicorn gevent": (3, ["gunicorn", "-w", "2", "-k", "gevent", "-b", "127.0.0.1:{port}", "flask_app:app"]),
    "uvicorn": (0, ["uvicorn", "--port", "{port}", "--log-level", "warning", "fastapi_app:app"]),
    "uvicorn workers": (1, ["uvicorn", "--port", "{port}", "--log-level", "warning", "--workers", "2",
                            "fastapi_app:app"]),
}


@pytest.mark.parametrize("name", sorted(SERVERS))
def test_server_under_load(name, apps, gilscope, measured):
    """Each SIGHUP replaces all workers while requests go on; none fails that does not fail without the agent."""
    short, command = SERVERS[name]
    reloads, clients, each = (short * 10, 8, 2500) if LONG else (short, 4, 150)
    chdir = "--chdir" if command[0] == "gunicorn" else "--app-dir"
    argv = [apps / "python", PROGRAMS / "serve.py", reloads, clients, each, apps / command[0], chdir, PROGRAMS,
            *command[1:]]
    row = run_program(argv, gilscope, measured, name)
    assert row["answers"]["requests"] == str(clients * each)
    assert row["answers"]["reloads that replaced every worker"] == str(reloads)
    assert row["captures"]["files"] >= 2 + 2 * reloads
