"""Builds the ONNX graph of a bundle's model: the linear base, the trees over it, and the clipping, all in double.

Thresholds and leaves are double in LightGBM: in single precision, a value close to a threshold could take the other
branch. The operator ``TreeEnsemble`` takes doubles since version 5 of ``ai.onnx.ml``.
Reference: https://onnx.ai/onnx/operators/onnx_aionnxml_TreeEnsemble.html
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, checker, helper, numpy_helper

from review_scorer import __version__
from review_scorer.scoring.scorer import HIGHEST, LOWEST, Model
from review_training.command import CommandError

INPUT, OUTPUT = "vector", "score"

# The oldest versions with the operator; runtimes from before 2024 do not have it.
_OPSETS = (helper.make_opsetid("", 21), helper.make_opsetid("ai.onnx.ml", 5))
_IR_VERSION = 10

# The bit of a node's decision_type in LightGBM's text that makes a zero a missing value.
_ZERO_IS_MISSING = 4


class ExportError(CommandError):
    """A bundle that cannot be exported; the message gives the reason."""


class _Tree(NamedTuple):
    """One tree of LightGBM's text; a negative child is the leaf ``~child``."""

    features: list[int]
    thresholds: list[float]
    left: list[int]
    right: list[int]
    leaves: list[float]


def build(model: Model, booster: str) -> ModelProto:
    """Return the graph of ``model``, whose trees are ``booster`` in LightGBM's text format.

    Its input ``vector`` is double ``[n, columns]``, its output ``score`` double ``[n]``. Raises ``ExportError`` for
    kinds of trees that the operator cannot evaluate.
    """
    constants = {
        "coefficients": model.coefficients[:, None],
        "intercept": np.array([model.intercept]),
        "first": np.array([0]),
        "seen_columns": np.array([model.booster.width - 1]),
        "columns": np.array([1]),
        "lowest": np.array(LOWEST),
        "highest": np.array(HIGHEST),
    }
    nodes = [
        helper.make_node("MatMul", [INPUT, "coefficients"], ["linear"]),
        helper.make_node("Add", ["linear", "intercept"], ["base"]),
        helper.make_node("Slice", [INPUT, "first", "seen_columns", "columns"], ["seen"]),
        helper.make_node("Concat", ["seen", "base"], ["boosted"], axis=1),
        _ensemble(_trees(booster)),
        helper.make_node("Add", ["base", "trees"], ["stars"]),
        helper.make_node("Clip", ["stars", "lowest", "highest"], ["clipped"]),
        helper.make_node("Squeeze", ["clipped", "columns"], [OUTPUT]),
    ]
    graph = helper.make_graph(
        nodes,
        "review-scorer",
        [helper.make_tensor_value_info(INPUT, TensorProto.DOUBLE, ["n", len(model.coefficients)])],
        [helper.make_tensor_value_info(OUTPUT, TensorProto.DOUBLE, ["n"])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    made = helper.make_model(
        graph,
        opset_imports=_OPSETS,
        ir_version=_IR_VERSION,
        producer_name="review-scorer",
        producer_version=__version__,
    )
    checker.check_model(made, full_check=True)
    return made


def _ensemble(trees: Sequence[_Tree]) -> NodeProto:
    """Return the operator that sums the trees; it has all inner nodes in one list, and all leaves in another."""
    nodes = np.cumsum([0, *(len(tree.features) for tree in trees)]).tolist()
    leaves = np.cumsum([0, *(len(tree.leaves) for tree in trees)]).tolist()
    lefts = [_Child(child, *at) for tree, *at in zip(trees, nodes, leaves, strict=False) for child in tree.left]
    rights = [_Child(child, *at) for tree, *at in zip(trees, nodes, leaves, strict=False) for child in tree.right]
    return helper.make_node(
        "TreeEnsemble",
        ["boosted"],
        ["trees"],
        domain="ai.onnx.ml",
        n_targets=1,
        tree_roots=nodes[:-1],
        nodes_featureids=[feature for tree in trees for feature in tree.features],
        nodes_splits=_doubles(threshold for tree in trees for threshold in tree.thresholds),
        nodes_modes=numpy_helper.from_array(np.zeros(nodes[-1], np.uint8)),  # "at most the threshold", for all
        nodes_truenodeids=[child.position for child in lefts],
        nodes_trueleafs=[child.is_leaf for child in lefts],
        nodes_falsenodeids=[child.position for child in rights],
        nodes_falseleafs=[child.is_leaf for child in rights],
        leaf_targetids=[0] * leaves[-1],
        leaf_weights=_doubles(leaf for tree in trees for leaf in tree.leaves),
    )


class _Child(NamedTuple):
    """A child of a node, as an index into the lists of all trees, in which its tree starts at the given indices."""

    number: int
    first_node: int
    first_leaf: int

    @property
    def is_leaf(self) -> int:
        return int(self.number < 0)

    @property
    def position(self) -> int:
        return self.first_leaf + ~self.number if self.is_leaf else self.first_node + self.number


def _trees(booster: str) -> list[_Tree]:
    head, *blocks = booster.partition("\nend of trees")[0].split("\nTree=")
    if "\nobjective=regression\n" not in head:
        raise ExportError("the objective of the trees is not regression; other objectives cannot be exported")
    return [_tree(dict(re.findall(r"(?m)^(\w+)=(.*)$", block))) for block in blocks]


def _tree(fields: Mapping[str, str]) -> _Tree:
    if int(fields["num_cat"]) or int(fields.get("is_linear", 0)):
        raise ExportError("a tree splits by categories or has linear leaves, which cannot be exported")
    if any(int(kind) & _ZERO_IS_MISSING for kind in fields.get("decision_type", "").split()):
        raise ExportError("a tree treats zeros as missing values; train without zero_as_missing")
    leaves = [float(leaf) for leaf in fields["leaf_value"].split()]
    if len(leaves) == 1:  # both branches lead to it
        return _Tree([0], [0.0], [-1], [-1], leaves)
    features, left, right = (
        [int(number) for number in fields[name].split()] for name in ("split_feature", "left_child", "right_child")
    )
    return _Tree(features, [float(number) for number in fields["threshold"].split()], left, right, leaves)


def _doubles(values: Iterable[float]) -> TensorProto:
    return numpy_helper.from_array(np.array([*values], np.float64))
