#!/usr/bin/env python3
"""Trains the model that judges the lines of a text dump (src/extract/formats/text/weights.txt).

train_dumps.py layouts CORPUS OUT: writes the pages of each set (SET/html/ID.html.gz, labels in SET/truth.json) as
text, OUT/SET/ID~LAYOUT.txt: each page as html_text and in two more layouts of common programs, as an excerpt such as
people copy, and as a short dump that is invented from its labels.
train_dumps.py train LINES:TRUTH… [--weights FILE]: LINES is the output of `cargo bench --bench extraction -- lines
OUT/SET`; TRUTH is `{id: {"articleBody", "title", "url"}}`.
Prints body F1 of sites that were held out, for each set and layout, then trains on all of them.
"""

import argparse
import collections
import gzip
import hashlib
import json
import pathlib
import random
import re
import textwrap
import urllib.parse

import boosted_trees

FOLDS = 5
ROUNDS = 200
PARAMETERS = {
    "objective": "binary",
    "num_leaves": 24,
    "learning_rate": 0.08,
    "min_data_in_leaf": 200,
    "feature_fraction": 0.5,
    "bagging_fraction": 0.7,
    "bagging_freq": 1,
    "lambda_l2": 5,
    "max_bin": 63,
    "seed": 1,
    "deterministic": True,
    "num_threads": 1,
    "force_row_wise": True,
    "verbose": -1,
}
# Weights of the layouts: dumps in the others are of the same pages again.
WEIGHTS = {"html_text": 1.0, "short": 0.4}
OTHER_WEIGHT = 0.5
SKIPPED = {"script", "style", "noscript", "template", "svg", "head", "object", "iframe", "select", "textarea", "button"}
BLOCKS = set(
    "address article aside blockquote body center dd details div dl dt fieldset figcaption figure footer form h1 h2 h3 "
    "h4 h5 h6 header hr html li main nav ol p pre section summary table tbody td tfoot th thead tr ul".split()
)
SPACED = {"p", "h1", "h2", "h3", "h4"}


def blocks(tree, apart=()):
    """Returns the blocks of a page as (tag, text). Elements that are `apart` are blocks as well; `*` is all of them."""
    found, current, tags = [], [], [""]

    def flush():
        text = re.sub(r"\s+", " ", "".join(current)).strip()
        current.clear()
        if text:
            found.append((tags[-1], text))

    def visit(node, depth):
        if not isinstance(node.tag, str) or node.tag in SKIPPED or depth > 150:
            return
        is_block = node.tag in BLOCKS
        is_apart = node.tag in apart or "*" in apart
        if is_block or is_apart or node.tag == "br":
            flush()
        if is_block:
            tags.append(node.tag)
        current.append(node.text or "")
        for child in node:
            visit(child, depth + 1)
            current.append(child.tail or "")
        if is_block or is_apart:
            flush()
        if is_block:
            tags.pop()

    visit(tree, 0)
    flush()
    return found


def marked(tag, text):
    """Returns a block with the mark of a heading or a list item, as in Markdown."""
    if re.fullmatch("h[1-6]", tag):
        return "#" * int(tag[1]) + " " + text
    return {"li": "- ", "blockquote": "> "}.get(tag, "") + text


def wrapped(found, width):
    """Returns blocks as lines of a width, with an empty line after paragraphs and headings."""
    lines = []
    for tag, text in found:
        lines += textwrap.wrap(("* " if tag == "li" else "") + text, width) + [""] * (tag in SPACED)
    return "\n".join(lines)


LAYOUTS = {
    "inscriptis": lambda html, tree: __import__("inscriptis").get_text(html),
    "tight": lambda html, tree: "\n".join(text for _, text in blocks(tree)),
    "blank": lambda html, tree: "\n\n".join(text for _, text in blocks(tree)),
    "spaced": lambda html, tree: "\n".join(text + "\n" * (tag in SPACED) for tag, text in blocks(tree)),
    "marked": lambda html, tree: "\n\n".join(marked(*block) for block in blocks(tree)),
    "nodes": lambda html, tree: "\n".join(text for _, text in blocks(tree, ["*"])),
    "links": lambda html, tree: "\n".join(text for _, text in blocks(tree, ["a"])),
    "wrapped-72": lambda html, tree: wrapped(blocks(tree), 72),
    "wrapped-90": lambda html, tree: wrapped(blocks(tree), 90),
}


def dumps_of(html, label, chance):
    """Yields the name and the text of each dump of a page."""
    import html_text
    import lxml.html

    whole = html_text.extract_text(html, guess_layout=True)
    yield "html_text", whole
    tree = lxml.html.fromstring(re.sub(r"^\s*<\?xml[^>]*\?>", "", html))
    title = (tree.findtext(".//title") or "").strip()
    names = chance.sample(sorted(LAYOUTS), 2)
    for name in names:
        text = LAYOUTS[name](html, tree)
        yield name, f"{title}\n\n{text}" if chance.random() < 0.5 else text
    lines = LAYOUTS["spaced"](html, tree).split("\n")
    inside = labels(lines, label["articleBody"] or "")
    if any(inside):
        yield "excerpt", excerpt(lines, inside, chance)
        yield "short", short(lines, inside, label, chance)


def excerpt(lines, inside, chance):
    """Returns the article with some lines around it."""
    first, last = inside.index(True), len(inside) - 1 - inside[::-1].index(True)
    start, end = max(0, first - chance.randint(0, 12)), last + 1 + chance.randint(0, 20)
    return "\n".join(lines[start:end])


def short(lines, inside, label, chance):
    """Returns the headline, up to eight paragraphs of the article, and up to eight lines from the foot of the page."""
    last = len(inside) - 1 - inside[::-1].index(True)
    body = [line for line, is_in in zip(lines, inside) if is_in]
    foot = [line for line in lines[last + 1 :] if line.strip()]
    at = chance.randint(0, max(0, len(foot) - 8))
    head = [label.get("title") or ""]
    if label.get("authors") and chance.random() < 0.3:
        names = label["authors"]
        head.append("By " + (names if isinstance(names, str) else ", ".join(names)))
    text = "\n".join(head + body[: chance.randint(1, 8)] + foot[at : at + chance.choice([0, 0, 2, 4, 6, 8])])
    return text.replace("\n", "\n\n") if chance.random() < 0.7 else text


def write_dumps(corpus, out):
    """Writes the dumps of all pages of a corpus. A page's dumps are the same in every run."""
    for truth in sorted(pathlib.Path(corpus).glob("*/truth.json")):
        folder = pathlib.Path(out) / truth.parent.name
        folder.mkdir(parents=True, exist_ok=True)
        for identifier, label in json.loads(truth.read_text(encoding="utf-8")).items():
            html = gzip.open(truth.parent / "html" / f"{identifier}.html.gz").read().decode("utf-8", "replace")
            try:
                for name, text in dumps_of(html, label, random.Random(identifier)):
                    (folder / f"{identifier}~{name}.txt").write_text(text, encoding="utf-8")
            except (ValueError, RecursionError) as error:
                print(f"{identifier}: {error}")


def words(text):
    """Returns the words of a text as the scorer counts them."""
    return re.findall(r"\w+", text or "")


def runs(tokens):
    """Returns the runs of four words and their counts."""
    return collections.Counter(tuple(tokens[at : at + 4]) for at in range(max(1, len(tokens) - 3)) if tokens)


def labels(lines, body):
    """Returns which lines are in the labelled body. Short ones count near its long ones only, repeated ones once."""
    known = set(runs(words(body)))
    whole = {tuple(words(line)) for line in body.split("\n")}
    tokens = [words(line) for line in lines]
    found = []
    for line, said in zip(lines, tokens):
        if len(said) >= 4:
            found.append(sum(run in known for run in runs(said)) * 2 >= len(said) - 3)
        else:
            unspaced = len(line) >= 8 and any("\u0e00" <= c < "\u0e80" or c > "\u2e80" for c in line)
            found.append(bool(said) and (tuple(said) in whole or unspaced and line in body))
    long = [at for at, is_in in enumerate(found) if is_in and len(lines[at]) >= 40]
    if not long:
        return found
    middle, seen = long[len(long) // 2], {}
    for at in sorted((at for at, is_in in enumerate(found) if is_in), key=lambda at: abs(at - middle)):
        is_far = len(tokens[at]) < 4 and not long[0] - 3 <= at <= long[-1] + 3
        found[at] = not is_far and tuple(tokens[at]) not in seen
        seen[tuple(tokens[at])] = at
    return found


def read(path, truth_path):
    """Returns the names of the features, and the dumps with labels, weights and the site of each."""
    import numpy

    with open(truth_path, encoding="utf-8") as file:
        truth = json.load(file)
    dumps = []
    with open(path, encoding="utf-8") as file:
        names = json.loads(next(file))["names"]
        for line in file:
            dump = json.loads(line)
            identifier, _, dump["layout"] = dump["id"].partition("~")
            page = truth.get(identifier)
            if not page or not dump["lines"]:
                continue
            dump["set"] = truth_path.split("/")[-2]
            dump["features"] = numpy.array(dump["features"], dtype="float32")
            dump["body"] = page["articleBody"] or ""
            dump["site"] = ".".join(urllib.parse.urlparse(page.get("url") or identifier).netloc.split(".")[-2:])
            dump["site"] = dump["site"] or identifier
            dump["labels"] = labels(dump["lines"], dump["body"])
            sizes = [min(60, len(words(line)) or 1) for line in dump["lines"]]
            total = sum(size for size, is_in in zip(sizes, dump["labels"]) if is_in)
            factor = WEIGHTS.get(dump["layout"], OTHER_WEIGHT) * (1000 / (total + 150)) ** 0.5
            dump["weights"] = [(size**0.7 + 1) * factor for size in sizes]
            dumps.append(dump)
    return names, dumps


def fit(dumps):
    """Returns a model of these dumps."""
    import lightgbm
    import numpy

    rows = numpy.concatenate([dump["features"] for dump in dumps])
    wanted = [int(label) for dump in dumps for label in dump["labels"]]
    weights = [weight for dump in dumps for weight in dump["weights"]]
    return lightgbm.train(PARAMETERS, lightgbm.Dataset(rows, wanted, weight=weights), ROUNDS)


def shares(model, dump):
    """Returns precision and recall of a dump over runs of four words; None of nothing."""
    kept = [line for line, share in zip(dump["lines"], model.predict(dump["features"])) if share >= 0.5]
    want, have = runs(words(dump["body"])), runs(words("\n".join(kept)))
    common = sum((want & have).values())
    return common / sum(have.values()) if have else None, common / sum(want.values()) if want else None


def f1(pairs):
    """Returns F1 of mean precision and mean recall."""
    sides = [[share for share in side if share is not None] for side in zip(*pairs)]
    means = [sum(side) / max(1, len(side)) for side in sides]
    return 2 * means[0] * means[1] / max(1e-9, sum(means))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=["layouts", "train"])
    parser.add_argument("paths", nargs="+")
    parser.add_argument("--weights")
    arguments = parser.parse_args()
    if arguments.command == "layouts":
        write_dumps(*arguments.paths)
        return
    dumps = []
    # Sorted, since the order of the rows changes the model a little.
    for pair in sorted(arguments.paths):
        names, read_dumps = read(*pair.split(":"))
        dumps += read_dumps
    fold = lambda dump: int(hashlib.sha256(dump["site"].encode()).hexdigest(), 16) % FOLDS
    results = collections.defaultdict(list)
    for held_out in range(FOLDS):
        model = fit([dump for dump in dumps if fold(dump) != held_out])
        for dump in dumps:
            # A short dump is less than its label.
            if fold(dump) == held_out and dump["layout"] != "short":
                results[dump["set"], dump["layout"]].append(shares(model, dump))
    for (name, layout), pairs in sorted(results.items()):
        print(f"{name:<8} {layout:<12} {len(pairs):>4} dumps, F1 {f1(pairs):.3f}")
    if arguments.weights:
        comment = "Weights of the line model of text dumps, written by benches/extraction/train_dumps.py."
        boosted_trees.write(fit(dumps), names, arguments.weights, [comment])


if __name__ == "__main__":
    main()
