"""Compares what a suite did directly with what it did through weir: report.py REASONS RESULTS SUITE...

RESULTS holds `SUITE.direct.xml` and `SUITE.quic.xml` (JUnit), or `.txt` of `go test -v`. REASONS holds lines `SUITE TEST REASON`
with shell patterns. The exit code is 1 when a test that passes directly fails through weir and REASONS does not say why.
"""

import collections
import fnmatch
import pathlib
import re
import sys
import xml.etree.ElementTree as ElementTree

reasons_file, results, *suites = sys.argv[1:]
reasons = [line.split(None, 2) for line in pathlib.Path(reasons_file).read_text().splitlines() if line.strip() and line[0] != "#"]


def outcomes(suite, path):
    """Name of each test -> ("passed", "failed" or "skipped", the failure's last words)."""
    found = {}
    junit, text = (pathlib.Path(results, f"{suite}.{path}.{kind}") for kind in ("xml", "txt"))
    if junit.exists():
        for case in ElementTree.parse(junit).iter("testcase"):
            problem = next((child for child in case if child.tag in ("failure", "error")), None)
            outcome = "failed" if problem is not None else "skipped" if case.find("skipped") is not None else "passed"
            name = f"{case.get('classname')}.{case.get('name')}"
            # An error while a test is torn down comes as a second entry.
            if found.get(name, ("", ""))[0] != "failed":
                found[name] = (outcome, (problem.get("message") or "").replace("\n", " ") if problem is not None else "")
    elif text.exists():
        said = []
        for line in text.read_text(errors="replace").splitlines():
            match = re.match(r"--- (PASS|FAIL|SKIP): (\S+)", line)
            if match:
                outcome = {"PASS": "passed", "FAIL": "failed", "SKIP": "skipped"}[match[1]]
                found[match[2]] = [outcome, ""]
                said = found[match[2]]
            elif said and line.startswith("    ") and not said[1]:
                said[1] = line.strip()
    return found


failed = 0
print("| suite | direct: passed | failed | skipped | through weir: passed | failed | skipped | pass only directly |")
print("|---|---|---|---|---|---|---|---|")
notes = []
for suite in suites:
    direct, weir = outcomes(suite, "direct"), outcomes(suite, "quic")
    lost = {name: weir.get(name, ("missing", "")) for name, (outcome, _) in direct.items() if outcome == "passed"}
    lost = {name: why for name, (outcome, why) in lost.items() if outcome != "passed"}
    count = lambda found: [sum(outcome == kind for outcome, _ in found.values()) for kind in ("passed", "failed", "skipped")]
    print("| " + " | ".join(map(str, [suite, *count(direct), *count(weir), len(lost)])) + " |")
    groups = collections.defaultdict(list)
    for name, why in lost.items():
        reason = next((reason for s, t, reason in reasons if fnmatch.fnmatch(suite, s) and fnmatch.fnmatchcase(name, t)), None)
        if reason:
            groups[reason].append(name)
        else:
            failed += 1
            notes.append(f"- {suite}: {name} UNEXPLAINED: {why:.300}")
    for reason, names in groups.items():
        notes.append(f"- {suite}, {len(names)}: {reason}")
    failed += not any(outcome == "passed" for outcome, _ in direct.values())
print("\n" + "\n".join(notes))
sys.exit(failed > 0)
