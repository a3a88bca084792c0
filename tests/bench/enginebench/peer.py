# SPDX-License-Identifier: MIT
"""peer.py FOLDER QUERY THREADS REPEAT, run by an interpreter that has the databases: times one query on
FOLDER/rows.parquet and prints times and answer as JSON. QUERY "parquet" makes the Parquet files from
the arrays of gs_rows_of."""

import json
import os
import pathlib
import sys
import time

FOLDER, QUERY, THREADS, REPEAT = pathlib.Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
os.environ["POLARS_MAX_THREADS"] = str(THREADS)
PARQUET = str(FOLDER / "rows.parquet")

GROUP = "SELECT hold_stack, sum(hold_ns)::BIGINT, sum(wait_ns)::BIGINT, count(*) FROM rows GROUP BY 1"
# 16 buckets an octave, exact below 16: analyzer/hist.h.
HIST = """SELECT CASE WHEN v < 16 THEN v ELSE (e - 3) * 16 + ((v >> (e - 4)) & 15) END, count(*)
FROM (SELECT {0} AS v, floor(log2(greatest({0}, 1)))::BIGINT AS e FROM rows WHERE flags & {1} != 0) GROUP BY 1"""
# A turn's period lasts to the next acquire; a is made monotone in order of seq. See analyzer/engine.h.
PERIODS = """turns AS (SELECT *, max(t_acq_ns) OVER (ORDER BY seq) AS a FROM rows),
periods AS (SELECT seq, hold_stack, a, coalesce(lead(a) OVER (ORDER BY seq), 9000000000000000000) AS e FROM turns),
waits AS (SELECT seq, wait_ds, a AS until, least(t_acq_ns - wait_ns, a) AS since FROM turns WHERE flags & 2 != 0)"""
BLAME_JOIN = """WITH %s
SELECT hold_stack, sum(least(e, until) - greatest(a, since))::BIGINT
FROM waits JOIN periods ON a < until AND e > since GROUP BY 1""" % PERIODS
# How many waited through each period by a running sum; of the first, partial one what lies before.
BLAME_SUMS = """WITH %s, begun AS (%%s),
events AS (SELECT p AS seq, 0 AS d, 1 AS c, since - p_a AS m FROM begun
    UNION ALL SELECT p + 1, 1, 0, 0 FROM begun UNION ALL SELECT seq, -1, 0, 0 FROM begun),
sums AS (SELECT seq, sum(d) AS d, sum(c) AS c, sum(m) AS m FROM events GROUP BY 1),
through AS (SELECT hold_stack, e - a AS len, coalesce(c, 0) AS c, coalesce(m, 0) AS m,
    sum(coalesce(d, 0)) OVER (ORDER BY seq) AS n FROM periods LEFT JOIN sums USING (seq))
SELECT hold_stack, sum(CASE WHEN n + c > 0 THEN (n + c) * len - m ELSE 0 END)::BIGINT FROM through
GROUP BY 1""" % PERIODS
ASOF = """SELECT waits.seq, since, periods.seq AS p, periods.a AS p_a
FROM waits ASOF JOIN periods ON waits.since >= periods.a WHERE since < until"""
BY_NUMBER = """SELECT waits.seq, since, periods.seq AS p, periods.a AS p_a
FROM waits JOIN periods ON periods.seq = waits.seq - wait_ds WHERE since < until"""
ORDER = "SELECT * FROM rows ORDER BY t_acq_ns"


def clocks():
    return time.perf_counter_ns(), time.process_time_ns()


def measure(run):
    """Times of REPEAT runs after one that nobody looks at, and what the last one returned."""
    run()
    wall, cpu, answer = [], [], None
    for _ in range(REPEAT):
        before = clocks()
        answer = run()
        after = clocks()
        wall.append(after[0] - before[0])
        cpu.append(after[1] - before[1])
    return {"wall_ns": wall, "cpu_ns": cpu}, answer


def check_order(batches):
    """(rows, hash) of record batches that must be in order of seq."""
    import numpy as np
    last, n, total = -1, 0, 0
    for batch in batches:
        seq, t = (batch.column(k).to_numpy() for k in ("seq", "t_acq_ns"))
        if len(seq) == 0:
            continue
        if seq[0] <= last or (np.diff(seq) <= 0).any():
            sys.exit("%s: rows are out of order" % QUERY)
        last, n = seq[-1], n + len(seq)
        products = t.astype(np.uint64) * (2 * seq.astype(np.uint64) + np.uint64(1))
        total += int(products.sum(dtype=np.uint64))
    return {"rows": n, "hash": total % (1 << 64)}


def make_parquet():
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq
    arrays = {f.name.split(".")[0]: np.memmap(f, dtype={"i64": "<i8", "i32": "<i4"}[f.suffix[1:]], mode="r")
              for f in sorted(FOLDER.glob("*.i[36][24]"))}
    table = pa.table(arrays)
    # Groups of DuckDB's own size, so that all its threads have work.
    pq.write_table(table, PARQUET, compression="snappy", row_group_size=122880)
    pq.write_table(table, FOLDER / "rows.zstd.parquet", compression="zstd", row_group_size=122880)
    return {"snappy_bytes": os.path.getsize(PARQUET),
            "zstd_bytes": os.path.getsize(FOLDER / "rows.zstd.parquet")}


def duckdb_query(name):
    import duckdb
    db = duckdb.connect(config={"threads": THREADS})
    db.execute("CREATE VIEW rows AS SELECT * FROM read_parquet('%s')" % PARQUET)

    def fetch(*texts):
        return [db.execute(text).fetchall() for text in texts]

    def drain():
        return sum(batch.num_rows for batch in db.sql(ORDER).to_arrow_reader(1 << 17))

    simple = {"group": [GROUP], "blame-join": [BLAME_JOIN], "blame-asof": [BLAME_SUMS % ASOF],
              "blame-number": [BLAME_SUMS % BY_NUMBER],
              "hists": [GROUP, HIST.format("hold_ns", 1), HIST.format("wait_ns", 2)]}
    if name == "order":
        times, _ = measure(drain)
        answer = check_order(db.sql(ORDER).to_arrow_reader(1 << 17))
    else:
        times, answer = measure(lambda: fetch(*simple[name]))
    return {**times, "answer": answer, "version": "DuckDB " + duckdb.__version__}


def polars_bucket(pl, column):
    v = pl.col(column)
    e = 63 - v.bitwise_leading_zeros().cast(pl.Int64)
    shift = pl.lit(2, dtype=pl.Int64).pow((e - 4).clip(0))
    return pl.when(v < 16).then(v).otherwise((e - 3) * 16 + v // shift - 16).alias("bucket")


def polars_query(name):
    import polars as pl
    rows = pl.scan_parquet(PARQUET)
    group = rows.group_by("hold_stack").agg(pl.col("hold_ns").sum(), pl.col("wait_ns").sum(), pl.len())

    def hist(column, flag):
        return (rows.filter(pl.col("flags") & flag != 0).select(polars_bucket(pl, column))
                .group_by("bucket").agg(pl.len()))

    def ordered():
        return rows.sort("t_acq_ns").collect()

    plans = {"group": [group], "hists": [group, hist("hold_ns", 1), hist("wait_ns", 2)]}
    if name == "order":
        times, table = measure(ordered)
        answer = check_order(table.to_arrow().to_batches())
    else:
        times, answer = measure(lambda: [plan.collect().rows() for plan in plans[name]])
    return {**times, "answer": answer, "version": "Polars " + pl.__version__}


def main():
    if QUERY == "parquet":
        return make_parquet()
    library, name = QUERY.split(":")
    return {"duckdb": duckdb_query, "polars": polars_query}[library](name)


if __name__ == "__main__":
    print(json.dumps(main()))
