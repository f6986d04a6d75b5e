"""Priors over codes: one estimator a file.

- :class:`~skvq.priors.base.Prior`: what every prior shares: scores, samples, completion, export
- :class:`~skvq.priors.network.NetworkPrior`: a prior whose network is trained; subclass it for a network of your own
- :class:`~skvq.priors.pixelcnn.PixelCNNPrior`: a gated PixelCNN, the most exact
- :class:`~skvq.priors.context.ContextPrior`: integer tables, fitted in seconds, that files are coded with
"""

from skvq.priors.base import Prior
from skvq.priors.context import ContextPrior
from skvq.priors.network import NetworkPrior
from skvq.priors.pixelcnn import PixelCNNPrior

__all__ = ["ContextPrior", "NetworkPrior", "PixelCNNPrior", "Prior"]
