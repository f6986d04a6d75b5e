"""Muon for networks of convolutions: the optimizer of Keras, with every kernel as one matrix.

Muon replaces the momentum of a matrix by the nearest matrix whose singular values are all one. Keras does so for
variables of two axes alone, and a convolution's kernel has four.

References
----------
Jordan et al., "Muon: An optimizer for hidden layers in neural networks", 2024. Liu et al., "Muon is Scalable for LLM
Training", 2025, arXiv:2502.16982, which the scale of the step is from.
"""

import math

from keras import ops

from skvq.networks import keras


@keras.saving.register_keras_serializable("skvq")
class KernelMuon(keras.optimizers.Muon):
    """Keras's Muon, which also takes kernels of three and four axes: the last axis by all others.

    Embeddings, biases, and the layer named ``output`` get the step of AdamW.
    """

    def _should_use_adamw(self, variable) -> bool:
        name = variable.path.rsplit("/", 1)[-1]
        return len(variable.shape) < 2 or "embedding" in name or any(word in name for word in self.exclude_layers)

    def _muon_update_step(self, gradient, variable, lr, m):
        self.assign_add(m, ops.add(gradient, m * (self.momentum - 1)))
        step = ops.add(gradient, self.momentum * m) if self.nesterov else m
        matrix = ops.reshape(step, (math.prod(variable.shape[:-1]), variable.shape[-1]))
        update = self.lr_adjust(lr * self.zeropower_via_newtonschulz5(matrix, self.ns_steps))
        self.assign_sub(variable, ops.reshape(update, variable.shape))
