"""Boosts LightGBM's trees over rows that arrive a block at a time, through the public functions of its C library.

The Python package needs the whole matrix in memory, or dense rows. Here LightGBM gets a sample of the columns, from
which it places its bins, and then each row once; it keeps a byte or two of each value.
Reference: https://lightgbm.readthedocs.io/en/latest/C-API.html
"""

import ctypes
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from review_scorer.scoring.booster import library
from review_scorer.scoring.vectors import Rows
from review_training.corpus.tokenized_corpus import Stars

BoosterParameters = Mapping[str, str | int | float | bool]

_FLOAT64, _INT32, _FLOAT32 = 1, 2, 0
_SPLIT_IMPORTANCE = 0
_BIN_SAMPLE = 100_000
"""The most rows that the bins are placed by, at equal distances among all. They are held in memory; LightGBM's own
default is twice as many."""


def boost(
    blocks: Callable[[], Iterator[Rows]],
    *,
    width: int,
    stars: Stars,
    base: Stars,
    parameters: BoosterParameters,
    rounds: int,
    threads: int = 1,
) -> str:
    """Return LightGBM's text model of the residuals ``stars - base``.

    ``blocks`` yields all rows, of ``width`` columns, each time it is called. The number of ``threads`` does not change
    the model as long as ``parameters`` ask LightGBM to be deterministic.
    """
    # As the Python package writes them, so that the model lists the same parameters.
    text_parameters = " ".join(f"{name}={value}" for name, value in parameters.items())
    with _Handles(text_parameters) as lightgbm:
        data = lightgbm.dataset(blocks, width, stars, base)
        booster = lightgbm.booster(data, threads)
        for _ in range(rounds):
            if lightgbm.update(booster):
                break
        # The bundle must not depend on the number of threads.
        text = lightgbm.text(booster).replace(f"\n[num_threads: {threads}]\n", "\n[num_threads: 1]\n")
        return text + "\npandas_categorical:null\n"


class _Handles:
    """Datasets and boosters that LightGBM has allocated, freed on exit."""

    def __init__(self, parameters: str) -> None:
        self._library = library()
        self._parameters = parameters
        self._datasets: list[ctypes.c_void_p] = []
        self._boosters: list[ctypes.c_void_p] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for booster in self._boosters:
            self._library.LGBM_BoosterFree(booster)
        for dataset in self._datasets:
            self._library.LGBM_DatasetFree(dataset)

    def dataset(self, blocks: Callable[[], Iterator[Rows]], width: int, stars: Stars, base: Stars) -> ctypes.c_void_p:
        """Return a dataset of all rows, binned."""
        data = self._with_bins(blocks(), width, len(stars))
        self._datasets.append(data)
        first = 0
        for rows in blocks():
            count = len(rows.indptr) - 1
            self._call(
                "LGBM_DatasetPushRowsByCSR",
                data,
                _pointer(rows.indptr, np.int32),
                _INT32,
                _pointer(rows.indices, np.int32),
                _pointer(rows.values, np.float64),
                _FLOAT64,
                ctypes.c_int64(len(rows.indptr)),
                ctypes.c_int64(len(rows.indices)),
                ctypes.c_int64(width),
                ctypes.c_int64(first),
            )
            first += count
        self._field(data, b"label", stars.astype(np.float32), _FLOAT32)
        self._field(data, b"init_score", np.ascontiguousarray(base, np.float64), _FLOAT64)
        return data

    def _with_bins(self, blocks: Iterator[Rows], width: int, count: int) -> ctypes.c_void_p:
        values, row_numbers, lengths, sampled = _sample_columns(blocks, width, count)
        bounds = np.concatenate(([0], np.cumsum(lengths)))[:-1]
        data = ctypes.c_void_p()
        self._call(
            "LGBM_DatasetCreateFromSampledColumn",
            _addresses(values, bounds),
            _addresses(row_numbers, bounds),
            ctypes.c_int32(width),
            _pointer(lengths, np.int32),
            ctypes.c_int32(sampled),
            ctypes.c_int32(count),
            ctypes.c_int64(count),
            self._parameters.encode(),
            ctypes.byref(data),
        )
        return data

    def _field(self, data: ctypes.c_void_p, name: bytes, values: NDArray[Any], kind: int) -> None:
        self._call("LGBM_DatasetSetField", data, name, ctypes.c_void_p(values.ctypes.data), len(values), kind)

    def booster(self, data: ctypes.c_void_p, threads: int) -> ctypes.c_void_p:
        """Return a booster without trees."""
        booster = ctypes.c_void_p()
        parameters = f"{self._parameters} num_threads={threads}"
        self._call("LGBM_BoosterCreate", data, parameters.encode(), ctypes.byref(booster))
        self._boosters.append(booster)
        return booster

    def update(self, booster: ctypes.c_void_p) -> bool:
        """Add a tree; return whether no leaf could be split any more."""
        finished = ctypes.c_int()
        self._call("LGBM_BoosterUpdateOneIter", booster, ctypes.byref(finished))
        return bool(finished.value)

    def text(self, booster: ctypes.c_void_p) -> str:
        """Return the model in LightGBM's text format."""
        length, buffer = ctypes.c_int64(), ctypes.create_string_buffer(1)
        for _ in range(2):  # first the length, then the text
            buffer = ctypes.create_string_buffer(max(length.value, 1))
            self._call(
                "LGBM_BoosterSaveModelToString",
                booster,
                0,
                -1,
                _SPLIT_IMPORTANCE,
                ctypes.c_int64(len(buffer)),
                ctypes.byref(length),
                buffer,
            )
        return buffer.value.decode()

    def _call(self, function: str, *arguments: Any) -> None:
        if getattr(self._library, function)(*arguments):
            self._library.LGBM_GetLastError.restype = ctypes.c_char_p
            raise RuntimeError(f"LightGBM: {self._library.LGBM_GetLastError().decode(errors='replace').strip()}")


def _sample_columns(
    blocks: Iterator[Rows], width: int, count: int
) -> tuple[NDArray[np.float64], NDArray[np.int32], NDArray[np.int32], int]:
    """Return the sample by column: values, their rows' numbers in the sample, lengths of the columns; and its size."""
    every = -(-count // _BIN_SAMPLE)  # every nth row: deterministic, and from all parts of the corpus
    values, columns, owners, first, sampled = [], [], [], 0, 0
    for rows in blocks:
        row = np.repeat(np.arange(len(rows.indptr) - 1), np.diff(rows.indptr)) + first
        chosen = row % every == 0
        values.append(rows.values[chosen])
        columns.append(rows.indices[chosen])
        owners.append((row[chosen] // every).astype(np.int32))
        first += len(rows.indptr) - 1
    sampled = -(-first // every)
    column = np.concatenate(columns)
    order = column.argsort(kind="stable")
    lengths = np.bincount(column, minlength=width).astype(np.int32)
    return np.concatenate(values)[order], np.concatenate(owners)[order], lengths, sampled


def _addresses(array: NDArray[Any], bounds: NDArray[np.int64]) -> Any:
    """Return a C array of pointers to the start of each column."""
    addresses = (array.ctypes.data + bounds * array.itemsize).astype(np.uintp)
    # The pointer keeps the array alive.
    return addresses.ctypes.data_as(ctypes.c_void_p)


def _pointer(array: NDArray[Any], dtype: type) -> ctypes.c_void_p:
    if array.dtype != dtype or not array.flags.c_contiguous:
        raise TypeError(f"not a contiguous array of {dtype.__name__}: {array.dtype}")
    return ctypes.c_void_p(array.ctypes.data)
