"""Scores over the Open Inference Protocol, version 2, for KServe, Triton clients and other platforms.

Reference: https://github.com/kserve/open-inference-protocol/blob/main/specification/protocol/inference_rest.md, and for
binary tensors the extension of Triton and KServe:
https://github.com/triton-inference-server/server/blob/main/docs/protocol/extension_binary_data.md
"""
