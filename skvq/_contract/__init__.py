"""What the parts of skvq agree on: axes and units of images, grids of codes, labels, sampling, randomness, errors.

Everything here is NumPy alone and imports nothing else of skvq, so that estimators, networks, exporter, runtime,
metrics and plots can all share it. Each check stands here once, with one message.
"""
