"""Programs for developers: benchmarks, chaos and fuzz tests, tests of the image and of a cluster."""
