"""Trains the model that tells articles from other pages, and writes its weights.

    train.py FEATURES.jsonl >src/extract/page_kind/weights.txt

Each line of the input is a page: {"id": …, "site": …, "article": true, "features": {NAME: VALUE}}, with the features of
`src/extract/page_kind/features.rs`. The report goes to standard error: false flags and pages that are recognised, by
five folds that are split by site. Logistic regression with L2 regularization; a feature that can only speak for one
side never gets a weight for the other, so that a quirk of the pages at hand is not learned. No packages are needed.
"""

import json
import math
import sys
import zlib

AGAINST = """share of links in the page|linked headings|share of teasers in the running text|list items|form fields
passwords|buttons|prices|posts|code|share of links in the body|share of headings in the body|share of list items in the body
og:type of another kind|type of another page|images|links|og:type website|home page|address of a list|address of a forum
address of a product|address of a service|nothing says it is an article|several posts|several prices
several linked headings|code without a date""".replace("\n", "|").split("|")
FOR = """publication tag|author tag|date|authors|body length|share of running text in the page
share of the body in the running text|type of an article|og:type article|words of the address|depth of the address
mean paragraph|times|even flow|address of an article""".replace("\n", "|").split("|")
REGULARIZATION, STEPS, RATE, MOMENTUM = 1.0, 200, 0.5, 0.9
MIN_PROBABILITY = 0.10


def sigmoid(score):
    return 1 / (1 + math.exp(-max(-30.0, min(30.0, score))))


def fit(pages, names):
    """Returns the intercept and the weights."""
    rows = [[page["features"][name] for name in names] for page in pages]
    means = [sum(column) / len(rows) for column in zip(*rows)]
    spreads = [max(1e-6, math.sqrt(sum((value - mean) ** 2 for value in column) / len(rows)))
               for column, mean in zip(zip(*rows), means)]
    rows = [[(value - mean) / spread for value, mean, spread in zip(row, means, spreads)] for row in rows]
    labels = [float(page["article"]) for page in pages]
    share = sum(labels) / len(labels)
    importance = [0.5 / share if label else 0.5 / (1 - share) for label in labels]
    weights, moves = [0.0] * len(names), [0.0] * len(names)
    intercept = move = 0.0
    for _ in range(STEPS):
        slopes, slope = [REGULARIZATION * weight for weight in weights], 0.0
        for row, label, factor in zip(rows, labels, importance):
            error = factor * (sigmoid(intercept + sum(map(lambda w, v: w * v, weights, row))) - label)
            slope += error
            slopes = [known + error * value for known, value in zip(slopes, row)]
        move = MOMENTUM * move - RATE * slope / len(rows)
        intercept += move
        for at, name in enumerate(names):
            moves[at] = MOMENTUM * moves[at] - RATE * slopes[at] / len(rows)
            weights[at] += moves[at]
            if (name in AGAINST and weights[at] > 0) or (name in FOR and weights[at] < 0):
                weights[at] = moves[at] = 0.0
    weights = [weight / spread for weight, spread in zip(weights, spreads)]
    return intercept - sum(weight * mean for weight, mean in zip(weights, means)), weights


def probability(model, names, page):
    intercept, weights = model
    return sigmoid(intercept + sum(weight * page["features"][name] for weight, name in zip(weights, names)))


def main():
    pages = [json.loads(line) for line in open(sys.argv[1], encoding="utf-8")]
    names = list(pages[0]["features"])
    folds = [zlib.crc32(page["site"].encode()) % 5 for page in pages]
    flagged = {True: 0, False: 0}
    for fold in range(5):
        model = fit([page for page, other in zip(pages, folds) if other != fold], names)
        for page, other in zip(pages, folds):
            if other == fold:
                flagged[page["article"]] += probability(model, names, page) < MIN_PROBABILITY
    count = sum(page["article"] for page in pages)
    print(f"articles flagged: {flagged[True]} of {count}; others recognised: {flagged[False]} of {len(pages) - count}",
          file=sys.stderr)
    intercept, weights = fit(pages, names)
    print("# Weights of the features, written by benches/page_kind/train.py. Do not edit.")
    print(f"(intercept)\t{intercept:.4f}")
    for name, weight in zip(names, weights):
        print(f"{name}\t{weight:.4f}")


if __name__ == "__main__":
    main()
