"""Keras networks. They use only ``keras.ops``, so they can be trained and run on every backend.

- encoders and decoders: :mod:`~skvq.networks.architectures`
- quantisers: :mod:`~skvq.networks.quantizers`
- reconstruction losses, and how the weights of the loss interact: :mod:`~skvq.networks.losses`
- the VQ-VAE, made of these parts: :mod:`~skvq.networks.autoencoder`
- networks of priors: :mod:`~skvq.networks.priors`
- exact sampling from these networks: :mod:`~skvq.networks.sampling`
- a check of samples by one forward pass: :mod:`~skvq.networks.certificate`
- compiled functions of a network, run in batches: :mod:`~skvq.networks.inference`

To write your own
-----------------
Each of the following is a parameter of :class:`~skvq.VQVAE`. Nothing has to be registered. Code that uses only
``keras`` and ``ops`` of this module runs on every backend.

- ``reconstruction_loss``: a function of images and reconstructions, both ``(n, *image_shape)`` in [0, 1], that returns
  a scalar tensor. It may combine the built-in losses.
- ``architecture``: a function ``(input_shape, *, embedding_dim, downsampling, hidden_channels, n_residual_blocks)``
  that returns two Keras models: an encoder of images ``(n, *input_shape)`` to latents
  ``(n, *code_shape, embedding_dim)``, and a decoder of latents to images. Height and width of ``input_shape`` are
  multiples of ``downsampling``.
- ``quantizer``: a subclass of :class:`~skvq.networks.quantizers.Quantizer`, made with ``n_embeddings``,
  ``embedding_dim`` and ``decay``. The base class lists the methods that it may override. Its loss terms are not
  weighted.

An estimator with such a parameter can be pickled. ``estimator.save`` refuses it, because its files contain no code.
``examples/own_quantizer.py`` is an example of a quantiser and an architecture, and ``examples/own_prior.py`` of the
network of a prior.
"""

from typing import TYPE_CHECKING

from skvq.networks._backend import load_keras

if TYPE_CHECKING:
    import keras as keras
else:
    keras = load_keras()
ops = keras.ops
