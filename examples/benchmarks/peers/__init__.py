"""The methods that the benchmarks set beside skvq, each with the settings that its own authors published.

A peer that compresses images is a class ``Peer(images, n_embeddings, seed)``, images float32 in [0, 1], with

- ``train(stopwatch, evaluate)``: train until the stopwatch says stop
- ``reconstruct(images)``: images -> images
- ``transform(images)``: images -> codes (n, positions), or None where it has none
- ``images_per_step``, ``bits_per_image``
- ``living_seed(images, n_embeddings, seed)``, only where starts may fail: the seed to begin from
"""
