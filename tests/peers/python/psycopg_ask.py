"""Asks a PostgreSQL that libpq's variables name, again for each line that comes, and lets psycopg show what goes wrong."""

import sys

import psycopg

with psycopg.connect() as visit:
    print(*visit.execute(sys.argv[1]).fetchone(), sep="|", flush=True)
    for _ in sys.stdin:
        print(*visit.execute(sys.argv[1]).fetchone(), sep="|", flush=True)
