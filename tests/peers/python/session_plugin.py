"""Stands in for Amazon's Session Manager plugin, as the AWS command line calls it: listens where it is told to.

What it would send through the session, it sends to 127.0.0.1:$PLUGIN_LEADS_TO. What it was called with is written to
$PLUGIN_RECORD as one JSON line: its arguments, and the answer to StartSession.
"""

import json
import os
import socket
import sys
import threading


def copy(source, sink):
    while piece := source.recv(65536):
        sink.sendall(piece)
    sink.shutdown(socket.SHUT_WR)


def main():
    if sys.argv[1:] == ["--version"]:
        return print("1.2.764.0")
    # The answer itself, or the name of the variable that it is in: one must not be seen by `ps`.
    answer = os.environ.get(sys.argv[1], sys.argv[1])
    asked = json.loads(sys.argv[5])
    with open(os.environ["PLUGIN_RECORD"], "a", encoding="utf-8") as record:
        record.write(json.dumps({"answer": json.loads(answer), "region": sys.argv[2], "asked": asked}) + "\n")
    listener = socket.create_server(("127.0.0.1", int(asked["Parameters"]["localPortNumber"][0])))
    while True:
        visitor, _ = listener.accept()
        database = socket.create_connection(("127.0.0.1", int(os.environ["PLUGIN_LEADS_TO"])))
        for ends in ((visitor, database), (database, visitor)):
            threading.Thread(target=copy, args=ends, daemon=True).start()


main()
