"""What the Python programs of the matrix share: runs the checks and prints one line about each."""

import asyncio
import hashlib
import os
import traceback

HOST, PORT = os.environ["PGHOST"], int(os.environ["PGPORT"])
USER, PASSWORD, DATABASE = os.environ["PGUSER"], os.environ.get("PGPASSWORD"), os.environ["PGDATABASE"]
# None when the connection is to be without TLS, else the file of the CA.
CA = os.environ["PGSSLROOTCERT"] if os.environ["PGSSLMODE"] == "verify-full" else None
# What the first customer's address is to look like: as it is, or masked.
EMAIL = os.environ["MATRIX_EMAIL"]

# What COPY carries: everything that its text format escapes.
COPIED = [(n, None if n % 3 == 0 else f"tab\there, line\nbreak, backslash \\, grüße {n}") for n in range(1, 1001)]
ROWS = 200_000
LARGE_CELL = "weir " * 400_000
LARGE_CELL_SQL = "SELECT repeat('weir ', 400000)"

loop = asyncio.new_event_loop()


class NotAvailable(Exception):
    """The driver has no such feature."""


def check(function):
    """Runs a check as soon as it is defined; its name is the function's."""
    name = function.__name__
    try:
        result = function()
        if asyncio.iscoroutine(result):
            loop.run_until_complete(asyncio.wait_for(result, 60))
        print(name, "ok", flush=True)
    except NotAvailable as why:
        print(name, f"n/a: {why}", flush=True)
    except BaseException as error:
        at = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if "/tests/matrix/" in frame.filename][-1]
        print(name, f"fail: line {at}: {type(error).__name__} {error}".replace("\n", " ")[:400], flush=True)


def same(expected, actual):
    if expected != actual:
        raise AssertionError(f"expected {expected!r:.200}, got {actual!r:.200}")


def digest(words):
    """One hash of many words, so that what streams past need not be held."""
    hash = hashlib.md5()
    for word in words:
        hash.update(word.encode() + b"\n")
    return hash.hexdigest()


ROWS_DIGEST = digest(f"row {n}" for n in range(1, ROWS + 1))
ROWS_SQL = f"SELECT 'row ' || n FROM generate_series(1, {ROWS}) n"
