"""Networks of priors, one file each: what gives each code a distribution given those before it.

:data:`PRIOR_NETWORKS` lists them. To write your own, subclass :class:`PriorNetwork`; :mod:`~skvq.networks.priors.base`
says which methods the sampler calls and when.
"""

from skvq.networks.priors.base import PriorNetwork
from skvq.networks.priors.pixelcnn import PixelCNN

PRIOR_NETWORKS = {"pixelcnn": PixelCNN}

__all__ = ["PRIOR_NETWORKS", "PixelCNN", "PriorNetwork"]
