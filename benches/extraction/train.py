"""Trains the model that judges the blocks of a page (src/extract/body/weights.txt), cross-validated by site.

train.py BLOCKS_AND_TRUTH… [--weights FILE]: each argument is `BLOCKS:TRUTH`. BLOCKS is the output of
`cargo bench --bench extraction -- blocks FOLDER`; TRUTH is a JSON file `{id: {"articleBody": …, "url": …}}`.
Prints body F1 of each set and fold size, for a logistic regression and for trees.
"""

import argparse
import collections
import hashlib
import json
import urllib.parse

import boosted_trees
import lightgbm
import numpy

from train_common import shingles, words

FOLDS = 5
ROUNDS = 300
PARAMETERS = {
    "objective": "binary",
    "learning_rate": 0.06,
    "num_leaves": 16,
    "min_data_in_leaf": 40,
    "min_sum_hessian_in_leaf": 0.05,
    "feature_fraction": 0.5,
    "bagging_fraction": 0.8,
    "bagging_freq": 1,
    "lambda_l2": 5.0,
    "max_bin": 127,
    "seed": 7,
    "deterministic": True,
    "force_row_wise": True,
    "num_threads": 1,
    "verbose": -1,
}


def labels(blocks, body):
    """Returns the share of each block that is in the labelled body. Short blocks count only between others that do."""
    want = words(body)
    runs = {length: shingles(want, length) for length in (1, 2, 3, 4)}
    lines = {" ".join(words(line)) for line in body.split("\n")}
    places = {}
    for at in range(len(want) - 3):
        places.setdefault(tuple(want[at : at + 4]), at)
    left = collections.Counter(runs[4])
    shares, sure = [], []
    for text in blocks:
        tokens = words(text)
        length = min(4, len(tokens))
        if not tokens:
            shares.append(0.0)
            continue
        own = shingles(tokens, length)
        if length == 4:
            share = sum(max(0, min(n, left[run])) for run, n in own.items()) / sum(own.values())
            if share >= 0.5:
                left.subtract({run: n for run, n in own.items() if run in left})
                sure.append(len(shares))
        else:
            share = sum(n for run, n in own.items() if runs[length][run]) / sum(own.values())
            share = 1.0 if " ".join(tokens) in lines else 0.6 if share == 1 else 0.0
        shares.append(share)
    # A short block says little by itself: it must stand between long ones of the body.
    first, last = (sure[0], sure[-1]) if sure else (0, -1)
    for at, text in enumerate(blocks):
        if len(words(text)) < 4 and shares[at] > 0:
            near = [s for s in sure if abs(s - at) <= (4 if shares[at] == 1.0 else 1)]
            if not near or not first - 2 <= at <= last + 2:
                shares[at] = 0.0
    return shares


class Corpus:
    """The pages of the corpus as one table of rows."""

    def __init__(self, pairs):
        self.pages, rows, share, weight = [], [], [], []
        for pair in pairs:
            blocks, truth = pair.split(":")
            name = truth.split("/")[-2]
            truth = json.load(open(truth, encoding="utf-8"))
            lines = open(blocks, encoding="utf-8")
            self.names = json.loads(next(lines))["features"]
            for line in lines:
                page = json.loads(line)
                if page["id"] not in truth or not page["blocks"]:
                    continue
                label = truth[page["id"]]
                texts = [text for text, _ in page["blocks"]]
                body = label["articleBody"] or ""
                counts = [len(words(text)) for text in texts]
                size = max(len(words(body)), 60)
                start = len(rows)
                rows += [row for _, row in page["blocks"]]
                share += labels(texts, body)
                weight += [min(0.3, (count + 3) / size) for count in counts]
                host = urllib.parse.urlsplit(page["url"] or label.get("url") or "").hostname or page["id"]
                self.pages.append((name, page["id"], site(host), range(start, len(rows)), texts, body))
        self.rows = numpy.array(rows, dtype=numpy.float32)
        self.share = numpy.array(share)
        self.weight = numpy.array(weight)
        self.folds = numpy.zeros(len(rows), dtype=int)
        for _, _, host, span, _, _ in self.pages:
            self.folds[span.start : span.stop] = fold(host)

    def score(self, kept, wanted=lambda page: True):
        """Returns precision, recall and F1 of each set, for a decision on each row."""
        sums = collections.defaultdict(lambda: ([], []))
        for name, page, host, span, texts, body in self.pages:
            if not wanted(host):
                continue
            text = "\n".join(text for text, keep in zip(texts, kept[span.start : span.stop]) if keep)
            want, got = shingles(words(body)), shingles(words(text))
            both = sum((want & got).values())
            if got:
                sums[name][0].append(both / sum(got.values()))
            if want:
                sums[name][1].append(both / sum(want.values()))
        out = {}
        for name, (precision, recall) in sums.items():
            p, r = sum(precision) / max(1, len(precision)), sum(recall) / max(1, len(recall))
            out[name] = (round(p, 4), round(r, 4), round(2 * p * r / max(1e-9, p + r), 4))
        return out


def site(host):
    """Returns the site of a host without `www.` and the like."""
    parts = host.split(".")
    return ".".join(parts[-3:] if len(parts) > 2 and len(parts[-2]) <= 3 else parts[-2:])


def fold(host):
    """Returns the fold of a site: the same in every run."""
    return int(hashlib.sha256(host.encode()).hexdigest(), 16) % FOLDS


def trees(rows, share, weight, parameters=PARAMETERS, rounds=ROUNDS):
    """Trains trees."""
    data = lightgbm.Dataset(rows, (share >= 0.5).astype(int), weight=weight)
    return lightgbm.train(parameters, data, rounds)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("pairs", nargs="+")
    parser.add_argument("--weights")
    parser.add_argument("--linear", action="store_true")
    arguments = parser.parse_args()
    data = Corpus(arguments.pairs)
    print(f"{len(data.pages)} pages, {len(data.rows)} blocks, {len({page[2] for page in data.pages})} sites")
    print("oracle", data.score(data.share >= 0.5))
    held, seen = numpy.zeros(len(data.rows)), []
    linear = numpy.zeros(len(data.rows))
    for number in range(FOLDS):
        train, test = data.folds != number, data.folds == number
        model = trees(data.rows[train], data.share[train], data.weight[train])
        held[test] = model.predict(data.rows[test], raw_score=True)
        if number == 0:
            fitted = model.predict(data.rows, raw_score=True) > 0
            seen = data.score(fitted, lambda host: fold(host) != 0)
        if arguments.linear:
            linear[test] = logistic(data, train, test)
    print("trained folds", seen)
    for threshold in (-0.8, -0.4, 0.0, 0.4):
        print(f"held-out folds, threshold {threshold}", data.score(held > threshold))
    if arguments.linear:
        print("logistic regression, held-out folds", data.score(linear > 0))
    if arguments.weights:
        model = trees(data.rows, data.share, data.weight)
        boosted_trees.write(model, data.names, arguments.weights, ["Written by benches/extraction/train.py."])
        gain = model.feature_importance("gain")
        order = numpy.argsort(-gain)
        print("features by gain:", ", ".join(f"{data.names[at]} {gain[at] / gain.sum():.3f}" for at in order[:40]))
    return data, held


def logistic(data, train, test):
    """Returns the scores of a logistic regression for the rows of a held-out fold."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    def expand(rows):
        rows = numpy.sign(rows) * numpy.log1p(numpy.abs(rows))
        return numpy.hstack([rows, rows > 0])

    scaler = StandardScaler().fit(expand(data.rows[train]))
    model = LogisticRegression(C=0.1, max_iter=300)
    model.fit(scaler.transform(expand(data.rows[train])), data.share[train] >= 0.5, data.weight[train])
    return model.decision_function(scaler.transform(expand(data.rows[test])))


if __name__ == "__main__":
    main()
