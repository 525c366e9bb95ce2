"""Predicts with LightGBM's trees through the public functions of its C library.

LightGBM's Python package calls the same functions, but its import also imports SciPy, and scikit-learn and pandas if
they are installed, which is most of a cold start. Its single-row prediction costs ten times the time of the trees.
Reference: https://lightgbm.readthedocs.io/en/latest/C-API.html
"""

import ctypes
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from review_scorer.scoring.errors import BundleError
from review_scorer.scoring.vectors import Rows

# Values of the C_API_* constants of LightGBM/c_api.h.
_FLOAT64, _INT32 = 1, 2
# For the objective "regression" a normal prediction is the plain sum of leaves. These three values mean "normal, all
# trees" in any order: the single-row functions of LightGBM 4.7.0 confuse the three arguments.
_PREDICT_NORMAL, _FIRST_TREE, _TO_THE_LAST = 0, 0, -1

# SHAP values (Lundberg et al. 2018, "Consistent individualized feature attribution for tree ensembles").
_PREDICT_CONTRIBUTIONS = 3

# With more than one OpenMP thread a booster hangs in a forked process, and a row is too little work for two threads.
_ONE_THREAD = b"num_threads=1"


class Booster:
    """A LightGBM model, loaded from its text format.

    ``model`` must be trusted text: LightGBM does not validate it. ``width`` is the number of columns of an input row.
    Raises ``BundleError`` if LightGBM cannot load the model. Not thread-safe.
    """

    def __init__(self, model: str) -> None:
        self._library = library()
        self._handle = ctypes.c_void_p()
        trees = ctypes.c_int()
        self._call("LGBM_BoosterLoadModelFromString", model.encode(), ctypes.byref(trees), ctypes.byref(self._handle))
        features = ctypes.c_int()
        self._call("LGBM_BoosterGetNumFeature", self._handle, ctypes.byref(features))
        self.width = features.value
        self._single_row = ctypes.c_void_p()
        self._call(
            "LGBM_BoosterPredictForCSRSingleRowFastInit",
            self._handle,
            _PREDICT_NORMAL,
            _FIRST_TREE,
            _TO_THE_LAST,
            _FLOAT64,
            ctypes.c_int64(self.width),
            _ONE_THREAD,
            ctypes.byref(self._single_row),
        )
        # predict_one reuses one input row, because taking the address of an array costs a microsecond.
        self._row = Rows(np.zeros(2, np.int32), np.zeros(self.width, np.int32), np.zeros(self.width))
        self._length = ctypes.c_int64()
        self._result = ctypes.c_double()
        self._row_pointers = tuple(array.ctypes.data for array in self._row)
        self._result_pointers = ctypes.addressof(self._length), ctypes.addressof(self._result)

    def predict(self, rows: Rows) -> NDArray[np.float64]:
        """Return the sum of the leaves for each row, shape ``(n,)``."""
        return self._predict_rows(rows, _PREDICT_NORMAL, 1)[:, 0]

    def contributions(self, rows: Rows) -> NDArray[np.float64]:
        """Return LightGBM's SHAP values, shape ``(n, width + 1)``: the contribution of each column to the prediction.

        The last column is the expected value of the model over its training data. The sum of a row is the value that
        ``predict`` returns.
        """
        return self._predict_rows(rows, _PREDICT_CONTRIBUTIONS, self.width + 1)

    def predict_one(self, columns: NDArray[np.int64], values: NDArray[np.float64], *, last: float) -> float:
        """Return the prediction for one row with ``values`` in ``columns`` and ``last`` in the last column.

        ``columns`` ascend and do not include the last column. The result is bit-identical to that of ``predict``.
        """
        count = len(columns)
        indptr, indices, row_values = self._row
        indices[:count], indices[count] = columns, self.width - 1
        row_values[:count], row_values[count] = values, last
        indptr[1] = count + 1
        starts, indices_at, values_at = self._row_pointers
        status = self._library.LGBM_BoosterPredictForCSRSingleRowFast(
            self._single_row, starts, _INT32, indices_at, values_at, 2, count + 1, *self._result_pointers
        )
        if status:
            raise RuntimeError(self._last_error())
        return self._result.value

    def _predict_rows(self, rows: Rows, kind: int, width: int) -> NDArray[np.float64]:
        count = len(rows.indptr) - 1
        result = np.zeros((count, width))
        if not count:
            return result
        length = ctypes.c_int64()
        self._call(
            "LGBM_BoosterPredictForCSR",
            self._handle,
            _pointer(rows.indptr, np.int32),
            _INT32,
            _pointer(rows.indices, np.int32),
            _pointer(rows.values, np.float64),
            _FLOAT64,
            ctypes.c_int64(len(rows.indptr)),
            ctypes.c_int64(len(rows.indices)),
            ctypes.c_int64(self.width),
            kind,
            _FIRST_TREE,
            _TO_THE_LAST,
            _ONE_THREAD,
            ctypes.byref(length),
            _pointer(result, np.float64),
        )
        return result

    def __del__(self) -> None:
        if getattr(self, "_single_row", None):
            self._library.LGBM_FastConfigFree(self._single_row)
        if getattr(self, "_handle", None):
            self._library.LGBM_BoosterFree(self._handle)

    def _call(self, function: str, *arguments: Any) -> None:
        if getattr(self._library, function)(*arguments):
            raise BundleError(f"LightGBM: {self._last_error()}")

    def _last_error(self) -> str:
        self._library.LGBM_GetLastError.restype = ctypes.c_char_p
        message: bytes = self._library.LGBM_GetLastError()
        return message.decode(errors="replace").strip()


def _pointer(array: NDArray[Any], dtype: type) -> ctypes.c_void_p:
    if array.dtype != dtype or not array.flags.c_contiguous:
        raise TypeError(f"expected a C-contiguous array of {dtype.__name__}, got {array.dtype}")
    return ctypes.c_void_p(array.ctypes.data)


@cache
def library() -> ctypes.CDLL:
    """Load the C library of the ``lightgbm`` package without importing the package.

    Raises ``BundleError`` if the package is not installed or its library cannot be loaded.
    """
    spec = find_spec("lightgbm")
    if spec is None or not spec.submodule_search_locations:
        raise BundleError("the package lightgbm is not installed; install requirements/serving.txt")
    root = Path(spec.submodule_search_locations[0])
    found = [path for path in (root / "lib").glob("lib_lightgbm.*") if path.suffix in {".so", ".dylib", ".dll"}]
    if not found:
        raise BundleError(f"no LightGBM library in {root / 'lib'}; reinstall the package lightgbm")
    try:
        library = ctypes.CDLL(str(found[0]))
    except OSError as error:
        raise BundleError(
            f"cannot load the LightGBM library ({error}); on Debian, `apt-get install libgomp1` installs its dependency"
        ) from None
    pointer, number = ctypes.c_void_p, ctypes.c_int64
    # Declared only for the function that is called for each review: ctypes then creates no argument objects.
    library.LGBM_BoosterPredictForCSRSingleRowFast.argtypes = [
        *(pointer, pointer, ctypes.c_int, pointer, pointer, number, number, pointer, pointer)
    ]
    return library
