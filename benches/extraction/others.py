#!/usr/bin/env python3
"""others.py CORPUS: body F1 of Python's extractors on the same pages, where they are installed."""

import gzip
import importlib.util
import json
import pathlib
import sys
import time

from train_common import shingles, words


def trafilatura(page):
    import trafilatura as tool

    return tool.extract(page, include_comments=False) or ""


def newspaper4k(page):
    import newspaper as tool

    article = tool.Article("https://herald.example/")
    article.download(input_html=page)
    article.parse()
    return article.text


EXTRACTORS = {"trafilatura": trafilatura, "newspaper": newspaper4k}


def main(corpus):
    for name, extractor in EXTRACTORS.items():
        if importlib.util.find_spec(name) is None:
            print(f"{name} is not installed")
            continue
        for truth in sorted(pathlib.Path(corpus).glob("*/truth.json")):
            labels = json.loads(truth.read_text(encoding="utf-8"))
            precision, recall, used = [], [], 0.0
            for identifier, label in labels.items():
                page = gzip.open(truth.parent / "html" / f"{identifier}.html.gz", "rt", errors="replace").read()
                start = time.process_time()
                try:
                    text = extractor(page)
                except Exception:  # An extractor that fails has found nothing.
                    text = ""
                used += time.process_time() - start
                want, got = shingles(words(label["articleBody"])), shingles(words(text))
                common = sum((want & got).values())
                if got:
                    precision.append(common / sum(got.values()))
                if want:
                    recall.append(common / sum(want.values()))
            p, r = sum(precision) / max(1, len(precision)), sum(recall) / max(1, len(recall))
            f1 = 2 * p * r / max(1e-9, p + r)
            rate = len(labels) / used
            print(f"{name:<12} {truth.parent.name:<8} F1 {f1:.3f} precision {p:.3f} recall {r:.3f} {rate:.0f} pages/s")


if __name__ == "__main__":
    main(sys.argv[1])
