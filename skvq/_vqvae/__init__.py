"""What stands behind the public methods of :class:`skvq.VQVAE`: its parameters' ranges, network and training."""
