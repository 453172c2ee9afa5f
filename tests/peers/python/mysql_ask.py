"""Asks a MySQL, again for each line that comes, and lets the client's library show what goes wrong."""

import os
import sys

library, mode, ca, sql = sys.argv[1:5]
where = dict(
    host="localhost",
    port=int(os.environ["PORT"]),
    user=os.environ["ACCOUNT"],
    password=os.environ["PASSWORD"],
    database=os.environ["DATABASE"],
)
verified = dict(ssl_ca=ca, ssl_verify_cert=True, ssl_verify_identity=True)
tls = {"disable": dict(ssl_disabled=True), "prefer": {}, "verify-full": verified}[mode]
if library == "pymysql":
    import pymysql as client

    where["connect_timeout"] = 60
else:
    import mysql.connector as client

    where.update(connection_timeout=60, use_pure=library == "connector-pure")

visit = client.connect(**where, **tls)
with visit.cursor() as cursor:
    cursor.execute(sql)
    print(*cursor.fetchone(), sep="|", flush=True)
    for _ in sys.stdin:
        cursor.execute(sql)
        print(*cursor.fetchone(), sep="|", flush=True)
