# SPDX-License-Identifier: MIT
"""The invariants of the stats document, to the nanosecond, for any complete, lossless capture."""


def total(rows, key):
    return sum(row[key] for row in rows)


def check_gil(gil):
    """Histograms count every contended wait and every closed turn."""
    assert sum(count for _, count in gil["wait_hist"]) == gil["contended"]
    for name in ("wait_hist", "hold_hist"):
        lowers = [lower for lower, _ in gil[name]]
        assert lowers == sorted(set(lowers)), name
        assert all(count > 0 for _, count in gil[name]), name


def check_process(process, rows_lost=False, unknown_holder=False):
    """rows_lost: rows were dropped (and counted); the waits of those have no known holder.
    unknown_holder: a turn that began before the recording may be to blame for waits."""
    gil, gils, threads, blame = (process[k] for k in ("gil", "gils", "threads", "blame"))
    for key in ("hold_ns", "wait_ns", "acquisitions", "contended"):
        assert total(threads, key) == gil[key], "threads, " + key
        assert total(gils, key) == gil[key], "gils, " + key
        for i, one in enumerate(gils):
            mine = [t for t in threads if t["gil"] == i]
            assert total(mine, key) == one[key], "threads of gil %d, %s" % (i, key)
    for key in ("open_hold_ns", "open_wait_ns", "forced_drops"):
        assert total(gils, key) == gil[key], "gils, " + key
    for one in [] if rows_lost else [gil, *gils]:
        check_gil(one)

    unknown_ns = gil["unknown_holder_ns"]
    assert total(blame, "ns") == total(threads, "blamed_ns") == gil["wait_ns"] - unknown_ns
    assert rows_lost or unknown_holder or unknown_ns == 0
    if all(row["waiter"] >= 0 for row in blame) and not unknown_ns:
        for mine in {t["thread"] for t in threads}:  # a thread of two GILs has two rows
            rows = [t for t in threads if t["thread"] == mine]
            assert total([r for r in blame if r["waiter"] == mine], "ns") == total(rows, "wait_ns")
            assert total([r for r in blame if r["holder"] == mine], "ns") == total(
                rows, "blamed_ns")

    opens = [t["acquisitions"] - t["releases"] for t in threads]
    assert all(n in (0, 1) for n in opens), "turns that never ended: %s" % opens
    assert sum(opens) <= len(gils), "only one turn can be open in a GIL"
    if not sum(opens):
        assert gil["open_hold_ns"] == 0
    for thread in threads:
        assert thread["contended"] <= thread["acquisitions"]
        assert thread["wait_p50_ns"] <= thread["wait_p99_ns"] <= thread["wait_max_ns"]
        assert thread["wait_max_ns"] <= thread["wait_ns"]
    keys = [(t["thread"], t["gil"]) for t in threads]
    assert len(set(keys)) == len(keys)


def check_process_memory(memory):
    last = memory["samples"][-1] if memory["samples"] else None
    assert len(memory["samples"]) <= 1000
    for before, after in zip(memory["samples"], memory["samples"][1:]):
        assert before["t_ns"] <= after["t_ns"]
    for sample in memory["samples"]:
        assert sample["pool_free_bytes"] <= sample["pinned_free_bytes"]
        assert sample["arena_bytes"] <= memory["peak_arena_bytes"]
    assert total(memory["explained"], "bytes") + memory["unexplained_bytes"] == memory["rss_bytes"]
    if last:
        classes = memory["size_classes"]
        assert sum(c["blocks_used"] * c["size_bytes"] for c in classes) == last["pool_used_bytes"]
        assert sum((c["blocks_total"] - c["blocks_used"]) * c["size_bytes"]
                   for c in classes) == last["pool_free_bytes"]
    alloc = memory["alloc"]
    if alloc:
        assert total(alloc["stacks"], "pinned_bytes") <= alloc["pinned_bytes"]
        if len(alloc["stacks"]) < 20:
            assert total(alloc["stacks"], "pinned_bytes") == alloc["pinned_bytes"]
            assert total(alloc["stacks"], "live_bytes") == alloc["live_bytes"]


def check_memory(doc):
    """What memory is said to be of adds up, in each process and in the job."""
    each = [p["memory"] for p in doc["processes"] if p["memory"]]
    lasts = [m["samples"][-1] for m in each if m["samples"]]
    for memory in each:
        check_process_memory(memory)
    job = doc["memory"]
    assert job["processes"] == len(each)
    for key in ("arena_bytes", "pool_used_bytes", "pinned_free_bytes"):
        assert job[key] == total(lasts, key)
    for key in ("pss_bytes", "uss_bytes"):
        assert job[key] == total(each, key)


def check_document(doc, processes=1, complete=True, unknown_holder=False):
    """All of the above, and that nothing is missing."""
    capture = doc["capture"]
    assert capture["lost_events"] == 0
    assert capture["complete"] is complete
    assert len(doc["processes"]) == processes
    for process in doc["processes"]:
        check_process(process, unknown_holder=unknown_holder)
    check_memory(doc)
    wait_ns = sum(p["gil"]["wait_ns"] for p in doc["processes"])
    hold_ns = sum(p["gil"]["hold_ns"] for p in doc["processes"])
    assert total(doc["top_holders"], "blamed_ns") <= wait_ns
    assert total(doc["top_holders"], "hold_ns") <= hold_ns
    assert total(doc["top_waiters"], "wait_ns") <= wait_ns
