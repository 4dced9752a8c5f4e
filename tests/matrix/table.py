"""Prints the matrix: table.py DIFFERENCES RESULTS DRIVER...

RESULTS holds a file `DRIVER.PATH` for each path, with the lines that the driver's program printed; `user` is the ordinary user's path.
The exit code is 1 when a check that holds directly fails through weir and DIFFERENCES does not know it, or when one does not hold
directly.
"""

import fnmatch
import pathlib
import sys

PATHS = ("direct", "quic", "ws", "user")
CHECKS = ("connect", "query", "prepared", "batch", "copy", "large", "transaction", "error", "cancel", "notify", "masked")

known_file, results, *drivers = sys.argv[1:]
known = [line.split(None, 2) for line in pathlib.Path(known_file).read_text().splitlines() if line.strip() and line[0] != "#"]
rows, notes, failed = [], [], 0

for driver in drivers:
    title, outcomes = driver, {}
    for path in PATHS:
        for line in pathlib.Path(results, f"{driver.replace('/', '-')}.{path}").read_text().splitlines():
            name, _, rest = line.partition(" ")
            if name == "driver":
                title = f"{driver} {rest.split()[-1]}"
            elif name in (*CHECKS, "program") and rest.split(":")[0] in ("ok", "n/a", "fail"):
                outcome, _, why = rest.partition(": ")
                outcomes[name, path] = ("FAIL" if outcome == "fail" else outcome, why)
    cells, held = [title], {path: [0, 0] for path in PATHS}
    # A program that broke down is a fact of its own only when no check says so.
    broke = [path for path in PATHS if ("program", path) in outcomes]
    for check in CHECKS:
        missing = ("FAIL", "the program ended before it")
        by_path = [outcomes.get((check, path), missing) for path in PATHS]
        shown = [outcome for outcome, _ in by_path]
        for at, path in enumerate(PATHS[1:], 1):
            # A line may be about one path alone: `driver@path`.
            names = (driver, f"{driver}@{path}")
            matches = lambda pattern: any(fnmatch.fnmatchcase(name, pattern) for name in names)
            reason = next((why for d, c, why in known if matches(d) and fnmatch.fnmatch(check, c)), None)
            if shown[0] == "ok" and shown[at] == "FAIL" and reason:
                notes.append(f"{driver} {check}, {path}: known: {reason}")
                shown[at] = "known"
        failed += "FAIL" in shown
        for path, outcome, (_, why) in zip(PATHS, shown, by_path):
            held[path][0] += outcome == "ok"
            held[path][1] += outcome != "n/a"
            if outcome == "FAIL":
                notes.append(f"{driver} {check}, {path}: {why}")
        if shown[0] == "n/a" and by_path[0][1]:
            notes.append(f"{driver} {check}: n/a: {by_path[0][1]}")
        cells.append(shown[0] if len(set(shown)) == 1 else "/".join(shown))
    for path in broke:
        notes.append(f"{driver}, {path}: {outcomes['program', path][1]}")
    failed += bool(broke)
    rows.append(cells + [f"{held[path][0]}/{held[path][1]}" for path in PATHS])

header = ["driver", *CHECKS, *PATHS]
widths = [max(len(row[n]) for row in (header, *rows)) for n in range(len(header))]
line = lambda row: "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths)) + " |"
print(line(header))
print("|" + "|".join("-" * (width + 2) for width in widths) + "|")
for row in rows:
    print(line(row))
print(f"\nA cell shows {', over '.join(PATHS)} where they differ; the last columns count what holds over each.")
for note in notes:
    print(f"- {note}")
sys.exit(failed > 0)
