# SPDX-License-Identifier: MIT
"""`--on-full ring`: the newest is kept, the totals are those of the whole run, whatever happens.

The truth comes from the segments themselves: each is linked to another name as it appears, so that it
outlives its removal, and all rows that were ever written can be added up."""
import json
import os
import random
import re
import signal
import subprocess
import threading
import time

import pytest

from conftest import clean_env, default_signals
from life import LONG

LIMIT = 1 << 20
OPTIONS = ("--max-size", LIMIT, "--on-full", "ring", "--level", 2, "--budget", 100)
SEGMENT = re.compile(r"(.*)\.seg\d{6}\.gsc$")


# Root may write everywhere, unless it has given that up.
AS_ANYBODY = () if os.geteuid() else (
    "setpriv", "--inh-caps=-dac_override", "--bounding-set=-dac_override,-dac_read_search")


def start(gilscope, python, out, *args, prefix=()):
    argv = [*prefix, gilscope, "run", "-o", out, *OPTIONS, "--", python, *args]
    return subprocess.Popen(list(map(str, argv)), env=clean_env(), preexec_fn=default_signals,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                            start_new_session=True)


class Keeper:
    """Links every file that appears in `folder` into `kept`, and watches their size together."""

    def __init__(self, folder, kept):
        self.folder, self.kept, self.most, self.end = folder, kept, {}, threading.Event()
        kept.mkdir()
        self.thread = threading.Thread(target=self.watch)
        self.thread.start()

    def look(self):
        sizes = {}
        for path in sorted(self.folder.glob("*.gsc")):
            try:
                stem = SEGMENT.sub(r"\1", path.name)
                sizes[stem] = sizes.get(stem, 0) + path.stat().st_size
                os.link(path, self.kept / path.name)
            except (FileExistsError, FileNotFoundError):
                pass  # seen before; or gone since
        for stem, size in sizes.items():
            self.most[stem] = max(size, self.most.get(stem, 0))

    def watch(self):
        while not self.end.wait(0.01):
            self.look()

    def stop(self):
        self.end.set()
        self.thread.join()
        self.look()


def truth(gilscope, files):
    """Of all that was ever written: ticks and numbers of turns and waits, by adding up every row; and
    the last totals of every thread, of those that have ended too."""
    rows = {"turns": 0, "waits": 0, "hold": 0, "wait": 0}
    totals, numbers = {}, set()
    for file in files:
        for line in gilscope("dump", "--raw-json", file, expect_rc=None).stdout.splitlines():
            item = json.loads(line)
            if "chunk" in item:
                numbers.add(item["chunk"])
            for row in item.get("rows", ()) if item.get("stream") == "slice" else ():
                rows["turns"] += row["flags"] & 1
                rows["waits"] += row["flags"] >> 1 & 1
                rows["hold"] += row["hold"]
                rows["wait"] += row["wait"]
            for record in item.get("records", ()):
                if record["tag"] == "TOTALS":
                    totals[record["fields"][0]] = record["fields"]
    assert numbers == set(range(max(numbers) + 1)), "a segment slipped through"
    add = lambda field: sum(fields[field] for fields in totals.values())
    return {"acquisitions": add(3), "contended": add(5), "folded": add(7),
            "hold": rows["hold"] + add(8) + add(10), "wait": rows["wait"] + add(12),
            "turns": rows["turns"] + add(7) + add(9), "threads": len(totals)}


def tick_ns(gilscope, head):
    """Nanoseconds of a tick, from the nominal rate: good to some parts in ten thousand."""
    text = gilscope("dump", head).stdout
    if "clock_kind=1" in text:
        return 1.0
    return 1e9 / int(re.search(r"tick_hz=(\d+)", text).group(1))


def check_against_truth(gilscope, folder, kept, stem, ended_in_order=True):
    """What the reader says of what is left is what all of it says."""
    doc = json.loads(gilscope("stats", "--json", folder / (stem + ".gsc")).stdout)
    process, = doc["processes"]
    all_of_it = truth(gilscope, sorted(kept.glob(stem + ".*gsc")))
    ns = tick_ns(gilscope, folder / (stem + ".gsc"))
    gil = process["gil"]
    assert process["lost_events"] == process["lost_chunks"] == 0
    assert process["complete"] is ended_in_order
    assert gil["hold_ns"] == pytest.approx(all_of_it["hold"] * ns, rel=1e-3)
    assert gil["wait_ns"] == pytest.approx(all_of_it["wait"] * ns, rel=1e-3)
    if ended_in_order:
        open_turns = gil["acquisitions"] - all_of_it["turns"]
        assert gil["acquisitions"] == all_of_it["acquisitions"] and open_turns in (0, 1)
        assert gil["contended"] == all_of_it["contended"]
    for key in ("hold_ns", "wait_ns", "acquisitions", "contended"):
        assert sum(t[key] for t in process["threads"]) == gil[key], key
    return process


@pytest.mark.pythons(per_minor=True, min=(3, 9), max=(3, 15))
def test_totals_of_the_whole_run_and_the_newest_in_detail(python, gilscope, targets, tmp_path,
                                                          measured):
    folder = tmp_path / "out"
    folder.mkdir()
    keeper = Keeper(folder, tmp_path / "kept")
    process = start(gilscope, python, folder / "job.gsc", targets / "turns_and_threads.py", 5)
    out, err = process.communicate(timeout=120)
    keeper.stop()
    assert (process.returncode, out, err) == (0, "", "")
    names = sorted(p.name for p in folder.iterdir())
    assert names[0] == "job.gsc" and "job.seg000001.gsc" not in names
    assert keeper.most["job"] <= LIMIT, keeper.most
    facts = check_against_truth(gilscope, folder, tmp_path / "kept", "job")
    assert "idle" in [t["name"] for t in facts["threads"]], "it has said nothing since the start"
    assert 0 < facts["detail_from_ns"] < facts["duration_ns"]
    assert "totals cover all of it" in gilscope("stats", folder / "job.gsc").stdout
    measured("%s: ring of 1 MiB, %d segments written, detail of the last %.1f of %.1f s"
             % (python.name, len(list((tmp_path / "kept").iterdir())) - 1,
                (facts["duration_ns"] - facts["detail_from_ns"]) / 1e9, facts["duration_ns"] / 1e9))


@pytest.mark.pythons(per_minor=True, min=(3, 12), max=(3, 12))
def test_any_of_its_files_names_the_capture(python, gilscope, targets, tmp_path):
    folder = tmp_path / "out"
    folder.mkdir()
    start(gilscope, python, folder / "job", targets / "turns_and_threads.py", 3).communicate(
        timeout=120)
    texts = {gilscope("stats", "--json", path).stdout for path in (*folder.iterdir(),)}
    gilscope("recover", folder / "job", "-o", tmp_path / "whole.gsc")
    texts.add(gilscope("stats", "--json", tmp_path / "whole.gsc").stdout)
    assert len(list(folder.iterdir())) > 3 and len(texts) == 1
    (tmp_path / "alone.gsc").write_bytes((folder / "job").read_bytes())
    alone = gilscope("stats", tmp_path / "alone.gsc").stdout
    assert "NOT complete" in alone and "its segments are not here" in alone


@pytest.mark.pythons(per_minor=True, min=(3, 12), max=(3, 12))
def test_it_can_be_read_while_it_is_written(python, gilscope, targets, tmp_path):
    """Segments go while they are listed; what was read once can only have become more."""
    folder = tmp_path / "out"
    folder.mkdir()
    process = start(gilscope, python, folder / "job.gsc", targets / "turns_and_threads.py", 6)
    seen, reads = 0, 0
    while process.poll() is None:
        if (folder / "job.seg000001.gsc").exists() or seen:
            result = gilscope("stats", "--json", folder / "job.gsc", expect_rc=None)
            if result.returncode == 0 and json.loads(result.stdout)["processes"]:
                gil = json.loads(result.stdout)["processes"][0]["gil"]
                assert gil["acquisitions"] >= seen
                seen, reads = gil["acquisitions"], reads + 1
            else:
                assert not seen, result.stderr
    process.communicate()
    assert reads > 3


@pytest.mark.pythons(per_minor=True, min=(3, 11), max=(3, 13))
def test_a_child_has_a_ring_of_its_own(python, gilscope, targets, tmp_path):
    folder = tmp_path / "out"
    folder.mkdir()
    keeper = Keeper(folder, tmp_path / "kept")
    process = start(gilscope, python, folder / "%p.gsc", targets / "turns_and_threads.py", 6, "fork")
    err = process.communicate(timeout=120)[1]
    keeper.stop()
    assert process.returncode == 0 and "gilscope" not in err, err
    heads = [p.stem for p in folder.glob("*.gsc") if not SEGMENT.match(p.name)]
    assert len(heads) == 2
    for stem in heads:
        assert keeper.most[stem + ".gsc"] <= LIMIT or keeper.most[stem] <= LIMIT
        check_against_truth(gilscope, folder, tmp_path / "kept", stem)
    assert len(json.loads(gilscope("stats", "--json", folder).stdout)["processes"]) == 2


@pytest.mark.pythons(per_minor=True, min=(3, 12), max=(3, 12))
def test_killed_at_any_moment_it_can_be_read(python, gilscope, targets, tmp_path):
    """Also while one segment ends and the next begins."""
    dice = random.Random(4)
    for i in range(200 if LONG else 8):
        folder = tmp_path / str(i)
        folder.mkdir()
        keeper = Keeper(folder, tmp_path / ("kept-%d" % i))
        process = start(gilscope, python, folder / "job.gsc", targets / "turns_and_threads.py", 60)
        time.sleep(1.5 + 2 * dice.random())
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        keeper.stop()
        check_against_truth(gilscope, folder, tmp_path / ("kept-%d" % i), "job", False)


@pytest.mark.pythons(per_minor=True, min=(3, 12), max=(3, 12))
def test_what_is_not_its_own_is_left_alone(python, gilscope, targets, tmp_path):
    folder, other = tmp_path / "out", tmp_path / "other"
    folder.mkdir()
    other.write_text("precious")
    (folder / "job.seg000002.gsc").write_text("somebody's")
    (folder / "job.seg000003.gsc").symlink_to(other)
    process = start(gilscope, python, folder / "job.gsc", targets / "turns_and_threads.py", 4)
    swap = threading.Timer(1.0, lambda: replace_oldest(folder))
    swap.start()
    err = process.communicate(timeout=120)[1]
    swap.join()
    assert (process.returncode, err) == (0, "")
    assert other.read_text() == "precious"
    assert (folder / "job.seg000002.gsc").read_text() == "somebody's"
    assert any(p.read_text(errors="replace") == "mine now" for p in folder.glob("*.seg*")), (
        "a file that took a segment's name was removed")
    assert all(p.stat().st_mode & 0o777 == 0o600 for p in folder.iterdir()
               if not p.is_symlink() and p.read_bytes().startswith(b"GILSCOPE"))


def replace_oldest(folder):
    """Another file under the name of a segment that is complete."""
    oldest = [p for p in sorted(folder.glob("job.seg*.gsc"))
              if p.read_bytes().startswith(b"GILSCOPE")][0]
    (folder / "new").write_text("mine now")
    os.replace(folder / "new", oldest)


@pytest.mark.pythons(per_minor=True, min=(3, 12), max=(3, 12))
def test_a_folder_that_becomes_read_only_ends_the_recording_at_the_limit(python, gilscope, targets,
                                                                         tmp_path):
    folder = tmp_path / "out"
    folder.mkdir()
    process = start(gilscope, python, folder / "job.gsc", targets / "turns_and_threads.py", 6,
                    prefix=AS_ANYBODY)
    time.sleep(0.7)
    folder.chmod(0o500)
    process.communicate(timeout=120)
    folder.chmod(0o700)
    assert process.returncode == 0
    size = sum(p.stat().st_size for p in folder.iterdir())
    assert LIMIT / 2 < size <= LIMIT + (128 << 10)
    assert "size limit reached" in gilscope("stats", folder / "job.gsc").stdout


def test_a_ring_without_a_size_is_refused(gilscope):
    for size in ((), ("--max-size", "1000K")):
        result = gilscope("run", "--on-full", "ring", *size, "--", "true", expect_rc=2)
        assert "--max-size 256M" in result.stderr and result.stderr.count("\n") == 1
