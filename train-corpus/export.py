"""Exports a bundle's model as an ONNX graph: ``python train-corpus/export.py --help``."""

import sys

from review_training.export.onnx_export import main

if __name__ == "__main__":
    sys.exit(main())
