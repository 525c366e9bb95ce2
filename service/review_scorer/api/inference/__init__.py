"""The same scores under the Open Inference Protocol, version 2, for platforms and clients that speak it.

Reference: https://github.com/kserve/open-inference-protocol/blob/main/specification/protocol/inference_rest.md, and for
tensors in binary the extension that Triton and KServe share:
https://github.com/triton-inference-server/server/blob/main/docs/protocol/extension_binary_data.md
"""
