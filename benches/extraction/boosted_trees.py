"""Writes a LightGBM model in the text format that src/extract/trees.rs reads."""


def write(booster, names, path, comments=()):
    """Writes the trees of `booster`, whose columns are called `names`, to the file `path`."""
    model = booster.dump_model()
    used = sorted({feature for tree in model["tree_info"] for feature in features(tree["tree_structure"])})
    index = {feature: at for at, feature in enumerate(used)}
    lines = [f"# {comment}" for comment in comments]
    lines.append("features " + " ".join(names[feature] for feature in used))
    lines += [" ".join(tokens(tree["tree_structure"], index)) for tree in model["tree_info"]]
    with open(path, "w", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")


def features(node):
    """Yields the features that a tree tests."""
    if "split_feature" in node:
        yield node["split_feature"]
        yield from features(node["left_child"])
        yield from features(node["right_child"])


def tokens(node, index):
    """Yields the nodes of a tree in preorder."""
    if "split_feature" not in node:
        yield number(node["leaf_value"], 3)
        return
    if node["decision_type"] != "<=":
        raise ValueError("categorical features are not supported")
    # The mean only explains a score, so fewer digits do.
    yield f"{index[node['split_feature']]},{number(node['threshold'], 5)},{number(node['internal_value'], 2)}"
    yield from tokens(node["left_child"], index)
    yield from tokens(node["right_child"], index)


def number(value, digits):
    """Returns a number in its shortest form with this many significant digits."""
    if abs(value) < 1e-30:
        return "0"
    text = f"{value:.{digits}g}"
    return text.replace("0.", ".", 1) if text.startswith(("0.", "-0.")) else text
