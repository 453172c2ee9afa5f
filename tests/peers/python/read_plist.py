"""Reads a property list as macOS does and prints it as JSON."""

import json
import plistlib
import sys

with open(sys.argv[1], "rb") as file:
    print(json.dumps(plistlib.load(file)))
