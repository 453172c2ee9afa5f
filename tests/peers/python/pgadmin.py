"""pgAdmin for one person on this machine.

`pgadmin.py setup SERVERS` makes its store of a file of servers, `pgadmin.py dump FILE` writes what it made of them, and
`pgadmin.py serve PORT` serves it.
"""

import builtins
import importlib.util
import pathlib
import runpy
import sys

builtins.SERVER_MODE = False
home = pathlib.Path(importlib.util.find_spec("pgadmin4").submodule_search_locations[0])
sys.path.insert(0, str(home))
import config  # noqa: E402

config.MASTER_PASSWORD_REQUIRED = False
config.UPGRADE_CHECK_ENABLED = False


def run(program, *words):
    sys.argv = [str(home / program), *words]
    try:
        runpy.run_path(sys.argv[0], run_name="__main__")
    except SystemExit as end:
        if end.code:
            raise


match sys.argv[1:]:
    case ["setup", servers]:
        run("setup.py", "setup-db")
        run("setup.py", "load-servers", servers, "--user", config.DESKTOP_USER)
    case ["dump", servers]:
        run("setup.py", "dump-servers", servers, "--user", config.DESKTOP_USER)
    case ["serve", port]:
        config.DEFAULT_SERVER = "127.0.0.1"
        config.DEFAULT_SERVER_PORT = int(port)
        run("pgAdmin4.py")
