#!/usr/bin/env python3
"""Writes names.txt: month and weekday names of the languages below, from CLDR.

    npm pack cldr-dates-full cldr-cal-persian-full, unpack both, then
    python3 names.py cldr-dates-full/main cldr-cal-persian-full/main > names.txt
"""
import json
import pathlib
import re
import sys
import unicodedata

LANGUAGES = """af am ar az be bg bn bs ca cs cy da de el en es et eu fa fi fil fr ga gl gu he hi hr hu hy id is it ja ka
kk km kn ko ky lo lt lv mk ml mn mr ms my nb ne nl nn pa pl ps pt ro ru si sk sl sq sr sv sw ta te th tr uk ur uz vi
zh""".split()
HEADER = """\
# Names of months and weekdays by language, in lower case. Do not edit: written by names.py from CLDR 48.2
# (npm cldr-dates-full) and the Persian calendar of CLDR 46.1 (npm cldr-cal-persian-full).
# Copyright 2004-2026 Unicode, Inc. Unicode License V3, https://www.unicode.org/license.txt
# Lines: month number and its names; `day` and the names of weekdays; `am` and `pm` with the names of the halves of a
# day; `persian` before a month of the Persian calendar.
"""


def values(node):
    """Returns all texts below a node of CLDR, without the narrow ones."""
    for key, value in node.items():
        if isinstance(value, dict):
            if key != "narrow":
                yield from values(value)
        else:
            yield key, value


def words(text):
    """Returns the words of a name that identify it, without the preposition that some languages put before a month."""
    text = unicodedata.normalize("NFC", text.lower()).replace("\u200f", "").replace("i\u0307", "i")
    return [re.sub(r"\.+$", "", word) for word in re.split(r"[\s\u2019'/-]+", text)]


def add(names, key, name):
    if name and not any(c.isdigit() for c in name) and len(name) > 1 and name not in names.setdefault(key, []):
        names[key].append(name)


def main(gregorian, persian):
    print(HEADER, end="")
    for language in LANGUAGES:
        names = {}
        folders = gregorian.glob(f"{language}*")
        locales = sorted(p for p in folders if re.fullmatch(language + "(-(Arab|Cyrl|Guru|Hant|Latn|[A-Z]{2}|[0-9]{3}))*", p.name))
        for locale in locales:
            calendar = json.loads((locale / "ca-gregorian.json").read_text())
            calendar = calendar["main"][locale.name]["dates"]["calendars"]["gregorian"]
            for month, name in values(calendar["months"]):
                parts = words(name)
                if len(parts) == 1 or parts[0] in ("de", "d"):
                    add(names, month, parts[-1])
            for _, name in values(calendar["days"]):
                for word in words(name):
                    add(names, "day", word)
            for key, name in values(calendar["dayPeriods"]):
                parts = words(name)
                if key in ("am", "pm") and len(parts) == 1:
                    add(names, key, parts[0])
        if language == "fa":
            calendar = json.loads((persian / "fa/ca-persian.json").read_text())
            for month, name in values(calendar["main"]["fa"]["dates"]["calendars"]["persian"]["months"]):
                add(names, "persian " + month, words(name)[0])
        print(f"\n[{language}]")
        for key, found in names.items():
            print(key, *found)


if __name__ == "__main__":
    main(*map(pathlib.Path, sys.argv[1:]))
