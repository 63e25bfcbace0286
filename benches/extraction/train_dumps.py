"""Trains the model that judges the lines of a text dump (src/extract/formats/text/weights.txt).

train_dumps.py layouts HTML_FOLDER OUT: writes each page (ID.html.gz) as text in the layouts of common programs, one
folder OUT/LAYOUT each with ID.txt.
train_dumps.py train LINES:TRUTH… [--weights FILE]: LINES is a file with one JSON object for each dump, `{"id", "lines":
[text], "features": [[number]]}`, after a first line `{"names": [name]}`; TRUTH is `{id: {"articleBody", "url"}}`.
Prints body F1 of sites that were held out, then trains on all of them.
"""

import argparse
import collections
import gzip
import hashlib
import json
import os
import re
import textwrap
import urllib.parse

import boosted_trees

FOLDS = 5
ROUNDS = 120
PARAMETERS = {
    "objective": "binary",
    "num_leaves": 15,
    "learning_rate": 0.1,
    "min_data_in_leaf": 200,
    "feature_fraction": 0.5,
    "bagging_fraction": 0.7,
    "bagging_freq": 1,
    "lambda_l2": 5,
    "max_bin": 63,
    "seed": 1,
    "deterministic": True,
    "verbose": -1,
}
SKIPPED = {"script", "style", "noscript", "template", "svg", "head", "object", "iframe", "select", "textarea", "button"}
BLOCKS = set(
    "address article aside blockquote body center dd details div dl dt fieldset figcaption figure footer form h1 h2 h3 "
    "h4 h5 h6 header hr html li main nav ol p pre section summary table tbody td tfoot th thead tr ul".split()
)
SPACED = {"p", "h1", "h2", "h3", "h4"}


def blocks(tree, every_node=False):
    """Returns the blocks of a page as (tag, text). With `every_node`, each node of text is one."""
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
        if is_block or node.tag == "br" or every_node:
            flush()
        if is_block:
            tags.append(node.tag)
        current.append(node.text or "")
        for child in node:
            visit(child, depth + 1)
            if every_node:
                flush()
            current.append(child.tail or "")
        if is_block:
            flush()
            tags.pop()

    visit(tree, 0)
    flush()
    return found


def layouts(html):
    """Yields the name and the text of each layout of a page."""
    import html_text
    import inscriptis
    import lxml.html

    tree = lxml.html.fromstring(re.sub(r"^\s*<\?xml[^>]*\?>", "", html))
    title = (tree.findtext(".//title") or "").strip()
    found = blocks(tree)
    spaced = [("* " if tag == "li" else "") + text + ("\n" if tag in SPACED else "") for tag, text in found]
    yield "html_text", html_text.extract_text(html, guess_layout=True)
    yield "inscriptis", inscriptis.get_text(html)
    yield "tight", "\n".join(text for _, text in found)
    yield "blank", "\n\n".join([title] + [text for _, text in found])
    yield "bullets", "\n".join(spaced)
    yield "nodes", "\n".join(text for _, text in blocks(tree, True))
    wrapped = [line for text in spaced for line in textwrap.wrap(text, 78) + [""] * text.endswith("\n")]
    yield "wrapped", "\n".join(wrapped)


def write_layouts(folder, out):
    """Writes the dumps of all pages of a folder."""
    for name in sorted(os.listdir(folder)):
        with gzip.open(os.path.join(folder, name)) as file:
            html = file.read().decode("utf-8", "replace")
        for layout, text in layouts(html):
            os.makedirs(os.path.join(out, layout), exist_ok=True)
            with open(os.path.join(out, layout, name.split(".html")[0] + ".txt"), "w", encoding="utf-8") as file:
                file.write(text)


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
    with open(truth_path, encoding="utf-8") as file:
        truth = json.load(file)
    with open(path, encoding="utf-8") as file:
        names, *dumps = map(json.loads, file)
    dumps = [dump for dump in dumps if dump["id"] in truth and dump["lines"]]
    for dump in dumps:
        page = truth[dump["id"]]
        dump["body"] = page["articleBody"]
        dump["site"] = ".".join(urllib.parse.urlparse(page.get("url") or dump["id"]).netloc.split(".")[-2:])
        dump["labels"] = labels(dump["lines"], page["articleBody"])
        sizes = [min(60, len(words(line)) or 1) for line in dump["lines"]]
        total = sum(size for size, is_in in zip(sizes, dump["labels"]) if is_in)
        dump["weights"] = [(size**0.7 + 1) * (1000 / (total + 150)) ** 0.5 for size in sizes]
    return names["names"], dumps


def fit(dumps):
    """Returns a model of these dumps."""
    import lightgbm
    import numpy

    rows = numpy.concatenate([numpy.array(dump["features"], dtype="float32") for dump in dumps])
    wanted = [int(label) for dump in dumps for label in dump["labels"]]
    weights = [weight for dump in dumps for weight in dump["weights"]]
    return lightgbm.train(PARAMETERS, lightgbm.Dataset(rows, wanted, weight=weights), ROUNDS)


def score(model, dumps):
    """Returns F1 of mean precision and mean recall over runs of four words."""
    precision, recall = [], []
    for dump in dumps:
        kept = [line for line, share in zip(dump["lines"], model.predict(dump["features"])) if share >= 0.5]
        want, have = runs(words(dump["body"])), runs(words("\n".join(kept)))
        common = sum((want & have).values())
        precision += [common / sum(have.values())] if have else []
        recall += [common / sum(want.values())] if want else []
    means = [sum(values) / max(1, len(values)) for values in (precision, recall)]
    return 2 * means[0] * means[1] / max(1e-9, sum(means))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=["layouts", "train"])
    parser.add_argument("paths", nargs="+")
    parser.add_argument("--weights")
    arguments = parser.parse_args()
    if arguments.command == "layouts":
        write_layouts(*arguments.paths)
        return
    dumps = []
    for pair in arguments.paths:
        names, read_dumps = read(*pair.split(":"))
        dumps += read_dumps
    fold = lambda dump: int(hashlib.md5(dump["site"].encode()).hexdigest(), 16) % FOLDS
    for held_out in range(FOLDS):
        test = [dump for dump in dumps if fold(dump) == held_out]
        model = fit([dump for dump in dumps if fold(dump) != held_out])
        print(f"fold {held_out}: {len(test)} dumps, F1 {score(model, test):.3f}")
    if arguments.weights:
        comment = "Weights of the line model of text dumps, written by benches/extraction/train_dumps.py."
        boosted_trees.write(fit(dumps), names, arguments.weights, [comment])


if __name__ == "__main__":
    main()
