"""Rules that all parts of skvq share: images, grids of codes, labels, sampling options, randomness and errors.

The modules here need NumPy alone and import nothing else of skvq. So estimators, networks, exporter, runtime, metrics
and plots can all use them. Each check is written here once, with one message.
"""
