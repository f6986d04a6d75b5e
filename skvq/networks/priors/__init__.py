"""Networks of priors, one file each. They give each code a distribution given the codes before it.

:data:`PRIOR_NETWORKS` lists them. To write your own, subclass :class:`PriorNetwork`. :mod:`~skvq.networks.priors.base`
says which methods the sampler calls, and ``examples/own_prior.py`` is an example.
"""

from skvq.networks.priors.base import PriorNetwork
from skvq.networks.priors.context import ContextNetwork
from skvq.networks.priors.pixelcnn import PixelCNN
from skvq.networks.priors.residual_pixelcnn import ResidualPixelCNN

PRIOR_NETWORKS = {"pixelcnn": PixelCNN, "residual_pixelcnn": ResidualPixelCNN, "context": ContextNetwork}

__all__ = ["PRIOR_NETWORKS", "ContextNetwork", "PixelCNN", "PriorNetwork", "ResidualPixelCNN"]
