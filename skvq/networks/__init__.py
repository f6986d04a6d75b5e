"""Keras networks, written with ``keras.ops`` alone so that every backend runs and trains them.

- encoders and decoders: :mod:`~skvq.networks.architectures`
- quantisers: :mod:`~skvq.networks.quantizers`
- reconstruction losses, and what the weights of the loss do to one another: :mod:`~skvq.networks.losses`
- the VQ-VAE that these make: :mod:`~skvq.networks.autoencoder`
- networks of priors: :mod:`~skvq.networks.priors`; exact sampling from any of them: :mod:`~skvq.networks.sampling`;
  and the proof of a sample: :mod:`~skvq.networks.certificate`
- functions of a network, compiled and run in batches: :mod:`~skvq.networks.inference`

To write your own
-----------------
Each is a parameter of :class:`~skvq.VQVAE`, and nothing has to be registered. ``keras`` and ``ops`` of this module are
those of the backend in use; what is written with them alone runs on every backend.

- ``reconstruction_loss``: a function of images and reconstructions, both ``(n, *image_shape)`` in [0, 1], that returns
  a scalar tensor. It may mix those of the table.
- ``architecture``: a function ``(input_shape, *, embedding_dim, downsampling, hidden_channels, n_residual_blocks)``
  that returns two Keras models: an encoder of images ``(n, *input_shape)`` to latents
  ``(n, *code_shape, embedding_dim)``, and a decoder of these to images. Heights and widths arrive as multiples
  of ``downsampling``.
- ``quantizer``: a subclass of :class:`~skvq.networks.quantizers.Quantizer`, made with ``n_embeddings``,
  ``embedding_dim`` and ``decay``. It overrides what differs, and returns its loss terms unweighted; the class lists
  what may differ.

An estimator with one of these is kept by pickle; ``estimator.save`` refuses it, as its files hold no code.
``examples/own_quantizer.py`` has a quantiser and an architecture in one file, ``examples/own_prior.py`` the network of
a prior.
"""

from skvq.networks._backend import load_keras

keras = load_keras()
ops = keras.ops
