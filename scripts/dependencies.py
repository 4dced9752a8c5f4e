#!/usr/bin/env python3
"""Holds the locked dependencies against deny.toml: licences, bans and sources. For where cargo-deny is not installed:
the same file, the same three questions, none of its other checks."""
import json
import re
import subprocess
import sys
import tomllib

with open("deny.toml", "rb") as file:
    rules = tomllib.load(file)
allowed = set(rules["licenses"]["allow"])
banned = {}
for ban in rules["bans"]["deny"]:
    name, _, version = ban["crate"].partition("@")
    banned[name] = (version, ban["reason"])


def cargo(*arguments):
    return subprocess.run(["cargo", *arguments], check=True, capture_output=True, text=True).stdout


# What is built, not what the lock file holds for features that nobody asks for.
used = set()
for target in rules["graph"]["targets"]:
    tree = cargo("tree", "--locked", "--workspace", "--target", target, "--prefix", "none", "--format", "{p}")
    used |= {tuple(line.split()[:2]) for line in tree.splitlines() if line}
metadata = json.loads(cargo("metadata", "--format-version", "1", "--locked"))


def fits(licence):
    """SPDX: one of the parts of OR, all of the parts of AND; AND binds closer. Brackets hold no other brackets here."""
    text = licence.replace("/", " OR ")
    while "(" in text:
        text = re.sub(r"\(([^()]*)\)", lambda inner: "0BSD" if fits(inner[1]) else "none", text)
    return any(all(part.strip() in allowed for part in way.split(" AND ")) for way in text.split(" OR "))


problems = []
for package in metadata["packages"]:
    if (package["name"], "v" + package["version"]) not in used or package["source"] is None:
        continue
    name = f"{package['name']} {package['version']}"
    if not fits(package["license"] or "none"):
        problems.append(f"{name}: licence {package['license']} is not allowed")
    version, reason = banned.get(package["name"], ("-", ""))
    if version == "" or package["version"].split(".")[0] == version:
        problems.append(f"{name}: banned: {reason}")
    if not package["source"].startswith("registry+"):
        problems.append(f"{name}: comes from {package['source']}")
print("\n".join(problems) or f"{len(used)} packages: licences, bans and sources are as deny.toml says")
sys.exit(bool(problems))
