#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 The Orthoplex authors
# SPDX-License-Identifier: Apache-2.0
"""Records the golden values of tests/golden/data with PyTorch: a small seeded graph, initial weights, the losses of 20
epochs and all gradients of the first step, of every model. tests/golden/README.md describes the files.

The models are written out here with dense matrices, sharing no code with Orthoplex. Run it in an environment of its own:

    python3 -m venv torch-env
    torch-env/bin/pip install torch numpy
    torch-env/bin/python scripts/record_golden.py            # rewrites tests/golden/data

The recorded values only change with this script; other torch versions agree to about 1e-6.
"""
import argparse
import json
import math
import pathlib

import numpy as np
import torch

VERTICES, EDGES, SEED = 61, 150, 20261121
FEATURES, HIDDEN, LAYERS, CLASSES = 10, 12, 3, 4
ISOLATED = 2  # the last ids have no edge
EPOCHS, EPSILON = 20, 1e-5
OPTIMIZERS = {
    "adam": dict(kind="adam", learning_rate=0.01, weight_decay=0.0),
    "adam_l2": dict(kind="adam", learning_rate=0.01, weight_decay=0.005),
    "adamw": dict(kind="adamw", learning_rate=0.01, weight_decay=0.05),
    "sgd": dict(kind="sgd", learning_rate=0.1, weight_decay=0.001, momentum=0.9),
}


# ---- the graph -------------------------------------------------------------------------------------------------------
def draw_edges(rng):
    """EDGES distinct directed pairs (src, dst) without self loops; low ids are drawn more often (hubs)."""
    pairs = set()
    while len(pairs) < EDGES:
        src, dst = (int((VERTICES - ISOLATED) * u * u) for u in rng.random(2))
        if src != dst:
            pairs.add((src, dst))
    return sorted(pairs)


def draw_graph():
    rng = np.random.default_rng(SEED)
    directed = draw_edges(rng)
    symmetric = sorted({(a, b) for a, b in directed} | {(b, a) for a, b in directed})
    features = np.round(rng.standard_normal((VERTICES, FEATURES)), 3).astype(np.float32)
    labels = rng.integers(0, CLASSES, VERTICES)
    targets = rng.integers(0, 2, (VERTICES, CLASSES)).astype(np.float64)
    targets[rng.random((VERTICES, CLASSES)) < 0.15] = np.nan
    split = rng.choice(["train", "valid", "test"], VERTICES, p=[0.6, 0.2, 0.2])
    return dict(edges=dict(directed=directed, symmetric=symmetric), features=features, labels=labels, targets=targets,
                split=split)


def write_graph(graph, folder):
    for name, edges in graph["edges"].items():
        (folder / f"{name}-edges.txt").write_text("".join(f"{a} {b}\n" for a, b in edges))
    lines = {
        "features.csv": (",".join(f"{x:g}" for x in row) for row in graph["features"]),
        "labels.csv": (str(x) for x in graph["labels"]),
        "targets.csv": (",".join("" if math.isnan(x) else f"{x:g}" for x in row) for row in graph["targets"]),
        "split.csv": graph["split"],
    }
    for name, rows in lines.items():
        (folder / name).write_text("".join(f"{row}\n" for row in rows))


def adjacency(graph, case):
    """A[dst, src], normalised as the case says."""
    a = torch.zeros(VERTICES, VERTICES, dtype=torch.float64)
    for src, dst in graph["edges"][case["graph"]]:
        a[dst, src] = 1
    if case["self_loops"]:
        a += torch.eye(VERTICES, dtype=torch.float64)
    power = dict(symmetric=-0.5, row=-1.0, none=0.0)[case["normalisation"]]
    into, out = a.sum(1).clamp(min=1) ** power, a.sum(0).clamp(min=1) ** power
    return into[:, None] * a * out[None, :] if case["normalisation"] == "symmetric" else into[:, None] * a


# ---- the models ------------------------------------------------------------------------------------------------------
def widths():
    return [FEATURES] + [HIDDEN] * (LAYERS - 1) + [CLASSES]


def parameter_shapes(model):
    shapes = {}
    for layer, (i, o) in enumerate(zip(widths(), widths()[1:])):
        p = f"layers.{layer}."
        if model == "gcn":
            shapes |= {p + "weight": (i, o), p + "bias": (o,)}
        elif model == "sage":
            shapes |= {p + "weight_self": (i, o), p + "weight_neigh": (i, o), p + "bias": (o,)}
        else:
            shapes |= {p + "eps": (1,), p + "mlp.0.weight": (i, o), p + "mlp.0.bias": (o,), p + "mlp.1.weight": (o, o),
                       p + "mlp.1.bias": (o,)}
        if layer < LAYERS - 1:
            shapes |= {p + "norm.gamma": (o,), p + "norm.beta": (o,)}
    return shapes


def initial_weights(model):
    """fp32 values; biases, gamma, beta and eps are not at their usual start, so that each has a part in the result."""
    rng = np.random.default_rng([SEED, ["gcn", "sage", "gin"].index(model)])
    weights = {}
    for name, shape in parameter_shapes(model).items():
        w = rng.uniform(-1, 1, shape)
        if len(shape) == 2:
            w *= math.sqrt(6 / sum(shape))
        elif name.endswith("gamma"):
            w = 1 + 0.3 * w
        else:
            w *= 0.1
        weights[name] = w.astype(np.float32)
    return weights


def used(name, norm):
    """Whether a model with this norm has the parameter."""
    return not (("norm." in name and norm == "none") or (name.endswith("norm.beta") and norm == "rms"))


def normalise(q, norm, gamma, beta):
    if norm == "layer":
        return torch.nn.functional.layer_norm(q, (q.shape[1],), gamma, beta, EPSILON)
    if norm == "batch":
        return torch.nn.functional.batch_norm(q, None, None, gamma, beta, True, 0.0, EPSILON)
    if norm == "rms":
        return q * torch.rsqrt((q * q).mean(1, keepdim=True) + EPSILON) * gamma
    return q


def transform(model, x, a, p):
    """Q of one layer; p gives its parameters by their last names."""
    if model == "gcn":
        return a @ x @ p("weight") + p("bias")
    if model == "sage":
        return x @ p("weight_self") + (a @ x) @ p("weight_neigh") + p("bias")
    h = (1 + p("eps")) * x + a @ x
    return torch.relu(h @ p("mlp.0.weight") + p("mlp.0.bias")) @ p("mlp.1.weight") + p("mlp.1.bias")


def forward(case, x, a, weights):
    for layer in range(LAYERS):
        def p(name, layer=layer):
            return weights.get(f"layers.{layer}.{name}")
        q = transform(case["model"], x, a, p)
        if layer == LAYERS - 1:
            return q
        y = torch.relu(normalise(q, case["norm"], p("norm.gamma"), p("norm.beta")))
        x = y + x if case["residual"] and y.shape == x.shape else y


def mean_loss(case, logits, graph):
    train = torch.from_numpy(graph["split"] == "train")
    if case["loss"] == "cross_entropy":
        return torch.nn.functional.cross_entropy(logits[train], torch.from_numpy(graph["labels"])[train])
    targets = torch.from_numpy(graph["targets"]).to(logits.dtype)[train]
    labelled = ~torch.isnan(targets)
    return torch.nn.functional.binary_cross_entropy_with_logits(logits[train][labelled], targets[labelled])


def make_optimizer(options, parameters):
    common = dict(lr=options["learning_rate"], weight_decay=options["weight_decay"])
    if options["kind"] == "sgd":
        return torch.optim.SGD(parameters, momentum=options["momentum"], **common)
    kind = torch.optim.Adam if options["kind"] == "adam" else torch.optim.AdamW
    return kind(parameters, betas=(0.9, 0.999), eps=1e-8, **common)


def train(case, graph, dtype):
    """(losses before each step, gradients of the first step)."""
    a, x = adjacency(graph, case).to(dtype), torch.from_numpy(graph["features"]).to(dtype)
    weights = {n: torch.from_numpy(w).to(dtype).requires_grad_() for n, w in initial_weights(case["model"]).items()
               if used(n, case["norm"])}
    optimizer = make_optimizer(case["optimizer"], list(weights.values()))
    losses, gradients = [], {}
    for _ in range(EPOCHS):
        optimizer.zero_grad()
        loss = mean_loss(case, forward(case, x, a, weights), graph)
        loss.backward()
        gradients = gradients or {n: w.grad.detach().clone().numpy().ravel() for n, w in weights.items()}
        optimizer.step()
        losses.append(loss.item())
    return losses, gradients


# ---- the cases -------------------------------------------------------------------------------------------------------
def case_of(model, graph="symmetric", norm="none", residual=False, loss="cross_entropy", optimizer="adam",
            normalisation=None):
    normalisation = normalisation or dict(gcn="symmetric", sage="row", gin="none")[model]
    name = f"{model}-{graph}-{norm}{'-residual' if residual else ''}-{loss}-{optimizer}"
    if model == "gcn" and normalisation != "symmetric":
        name += f"-{normalisation}"
    return dict(name=name, model=model, graph=graph, norm=norm, residual=residual, loss=loss,
                normalisation=normalisation, self_loops=model == "gcn", optimizer=OPTIMIZERS[optimizer])


def all_cases():
    models = ["gcn", "sage", "gin"]
    cases = [case_of(m, norm=n, residual=r) for m in models for n in ["none", "layer", "batch"] for r in [False, True]]
    cases += [case_of(m, norm="rms", graph="directed") for m in models]
    cases += [case_of(m, graph="directed", norm="layer", residual=True, optimizer="adamw") for m in models]
    cases += [case_of(m, graph="directed", loss="bce", optimizer="adam_l2") for m in models]
    cases += [case_of(m, norm="batch", loss="bce", optimizer="sgd") for m in models]
    cases += [case_of("gcn", graph="directed", normalisation=n) for n in ["row", "none"]]
    return cases


def record(case, graph):
    losses, gradients = train(case, graph, torch.float64)
    losses32, gradients32 = train(case, graph, torch.float32)
    deviation = max(abs(a - b) / b for a, b in zip(losses32, losses))
    scale = max(np.abs(g).max() for g in gradients.values())
    gradient_deviation = max(np.abs(gradients32[n] - g).max() for n, g in gradients.items()) / scale
    print(f"{case['name']:52s} loss {losses[0]:.4f} -> {losses[-1]:.4f}   fp32 off by {deviation:.1e} (losses), "
          f"{gradient_deviation:.1e} (gradients)")
    rounded = {n: [float(f"{x:.8g}") for x in g] for n, g in gradients.items()}
    return case | dict(losses=[float(f"{x:.12g}") for x in losses], losses_fp32=[float(f"{x:.9g}") for x in losses32],
                       gradients=rounded)


def dump(path, value):
    path.write_text(json.dumps(value, separators=(",", ":")).replace('{"name"', '\n{"name"') + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    root = pathlib.Path(__file__).resolve().parent.parent
    parser.add_argument("--out", type=pathlib.Path, default=root / "tests" / "golden" / "data")
    folder = parser.parse_args().out
    folder.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    graph = draw_graph()
    write_graph(graph, folder)
    dump(folder / "weights.json", {
        m: {n: dict(shape=list(w.shape), values=[float(str(x)) for x in w.ravel()]) for n, w in initial_weights(m).items()}
        for m in ["gcn", "sage", "gin"]})
    dump(folder / "cases.json", [record(case, graph) for case in all_cases()])


if __name__ == "__main__":
    main()
