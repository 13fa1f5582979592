# SPDX-License-Identifier: BSD-3-Clause
"""A heap like that of a Python program: modules, syntax trees, JSON, words.

usage: heap.py MIB FILE-LIST
Prints READY when its memory reaches MIB, then waits until stdin closes.
"""
import ast
import collections
import sys
import warnings

# A program of some size has a good part of the library loaded.  A minimal
# Python has little of it.
MODULES = """argparse asyncio csv ctypes decimal difflib email.message
html.parser http.client http.server inspect json logging.config multiprocessing
pydoc sqlite3 ssl tarfile tokenize typing unittest urllib.request
xml.dom.minidom xml.etree.ElementTree zipfile"""
for name in MODULES.split():
    try:
        __import__(name)
    except ImportError:
        pass
json = sys.modules.get("json")


def resident_bytes():
    with open("/proc/self/statm") as f:
        return int(f.read().split()[1]) * 4096


class Document:
    def __init__(self, path, text):
        self.path, self.lines = path, text.splitlines()
        self.words = collections.Counter(text.split())


def load(path, store):
    with open(path, encoding="utf-8", errors="replace") as f:
        text = f.read()
    if path.endswith(".py"):
        store["trees"][path] = ast.parse(text)
    elif path.endswith(".json") and json:
        store["json"][path] = json.loads(text)
    else:
        store["documents"].append(Document(path, text))


def fill(limit_bytes, paths):
    store = {"trees": {}, "json": {}, "documents": []}
    for path in paths:
        if resident_bytes() >= limit_bytes:
            break
        try:
            load(path, store)
        except (OSError, SyntaxError, ValueError, RecursionError):
            pass        # another version of the language, broken test data
    return store


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    with open(sys.argv[2]) as listing:
        held = fill(int(sys.argv[1]) << 20, listing.read().split("\n")[:-1])
    print("READY", flush=True)
    sys.stdin.read()
