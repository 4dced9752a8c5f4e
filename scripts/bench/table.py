"""table.py RESULTS PATH...: medians of what scripts/bench.sh wrote, as a Markdown table; in brackets the ratio to direct."""

import collections
import statistics
import sys

values = collections.defaultdict(lambda: collections.defaultdict(list))
with open(sys.argv[1], encoding="utf-8") as lines:
    for line in lines:
        name, path, value = line.rstrip("\n").split("\t")
        values[name][path].append(float(value))
paths = sys.argv[2:]
print("| median | " + " | ".join(paths) + " |")
print("|---|" + "---|" * len(paths))
for name, by_path in values.items():
    direct = statistics.median(by_path["direct"]) if by_path.get("direct") else None
    cells = []
    for path in paths:
        if not by_path.get(path):
            cells.append("")
            continue
        median = statistics.median(by_path[path])
        text = f"{median:,.0f}" if median >= 100 else f"{median:.2f}" if median < 10 else f"{median:.1f}"
        cells.append(f"{text} ({median / direct:.2f})" if direct and path != "direct" else text)
    print(f"| {name} | " + " | ".join(cells) + " |")
