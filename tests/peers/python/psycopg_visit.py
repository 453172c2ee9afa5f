"""A visit by psycopg: server-side parameters, binary results, a transaction rolled back, COPY both ways, a notice."""

import sys

import psycopg

port, user, password, database = sys.argv[1:5]
where = dict(host="127.0.0.1", port=port, user=user, password=password, dbname=database, connect_timeout=30)

with psycopg.connect(**where) as visit:
    with visit.cursor(binary=True) as cursor:
        cursor.execute("SELECT %s::int + %s::int, %s::text", (40, 2, "näme — 名前"))
        assert cursor.fetchone() == (42, "näme — 名前")

        cursor.execute("CREATE TEMP TABLE seen (n int PRIMARY KEY, words text)")
        with cursor.copy("COPY seen FROM STDIN") as copy:
            for n in range(10_000):
                copy.write_row((n, f"row {n}"))
        cursor.execute("SELECT count(*), sum(n) FROM seen")
        assert cursor.fetchone() == (10_000, 49_995_000)

        rows = 0
        with cursor.copy("COPY seen TO STDOUT") as copy:
            for row in copy.rows():
                rows += 1
        assert rows == 10_000, rows
    visit.commit()

    try:
        with visit.transaction():
            visit.execute("INSERT INTO seen VALUES (-1, 'never')")
            visit.execute("SELECT 1 / 0")
    except psycopg.errors.DivisionByZero:
        pass
    assert visit.execute("SELECT count(*) FROM seen WHERE n < 0").fetchone() == (0,)

with psycopg.connect(**where) as visit:
    with visit.pipeline():
        answers = [visit.execute("SELECT %s::int", (n,)) for n in range(100)]
    assert [answer.fetchone()[0] for answer in answers] == list(range(100))

print("psycopg", psycopg.__version__, "is content")
