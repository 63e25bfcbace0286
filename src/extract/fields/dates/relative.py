#!/usr/bin/env python3
"""Writes relative.txt: `yesterday` and `3 hours ago` in the languages of names.py, from CLDR.

    npm pack cldr-dates-full, unpack it, then
    python3 relative.py cldr-dates-full/main > relative.txt
"""
import json
import pathlib
import sys

from names import LANGUAGES

HEADER = """\
# Times before the present by language. Do not edit: written by relative.py from CLDR 48.2 (npm cldr-dates-full).
# Copyright 2004-2026 Unicode, Inc. Unicode License V3, https://www.unicode.org/license.txt
# Lines: a number of days and the words for that day; a unit and its forms, with 0 for the number. `|` separates forms.
"""
DAYS = {"0": "relative-type-0", "1": "relative-type--1", "2": "relative-type--2"}
UNITS = ("minute", "hour", "day", "week")


def main(folder):
    print(HEADER, end="")
    for language in LANGUAGES:
        fields = json.loads((folder / language / "dateFields.json").read_text())["main"][language]["dates"]["fields"]
        print(f"\n[{language}]")
        for days, key in DAYS.items():
            words = dict.fromkeys(fields[name][key].lower() for name in ("day", "day-short") if key in fields[name])
            if words:
                print(days, "|".join(words))
        for unit in UNITS:
            forms = dict.fromkeys(
                form.lower().replace("{0}", "0")
                for name in (unit, f"{unit}-short")
                for form in fields[name]["relativeTime-type-past"].values()
                if "{0}" in form
            )
            print(unit, "|".join(forms))


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
