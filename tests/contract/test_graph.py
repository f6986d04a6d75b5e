"""Functions and tensors say what they are in words of a fixed list, so that nobody has to judge by their names."""

import dataclasses

import pytest

from skvq._contract.graph import GraphFunction, TensorSpec


def test_a_role_that_there_is_not():
    with pytest.raises(ValueError, match=r"role must be one of 'images', 'codes', .*; got 'picture'"):
        TensorSpec("images", "picture", (None, 3), "float32", "")


def test_a_kind_that_there_is_not():
    with pytest.raises(ValueError, match=r"kind must be one of 'encoder', 'decoder', .*; got 'coder'"):
        GraphFunction("encoder", "coder", lambda x: (x,), (), (), lambda n, generator: ())


def test_parts_are_found_by_kind_and_tensors_by_role(vqvae, prior):
    """Under other names the same parts are composed, and the same outputs judged."""
    from skvq.export._parts import functions_of

    class Renamed:
        def __init__(self, estimator):
            self.estimator = estimator

        def __getattr__(self, name):
            return getattr(self.estimator, name)

        def graph_functions(self):
            functions = self.estimator.graph_functions()
            return {f"my_{name}": dataclasses.replace(f, name=f"my_{name}") for name, f in functions.items()}

    kinds = {name: function.kind for name, function in functions_of(Renamed(vqvae), Renamed(prior)).items()}
    assert kinds["my_generator"] == kinds["my_controlled_generator"] == "generator"
    assert kinds["my_reconstruct"] == "autoencoder"
    assert kinds["my_encoder_uint8"] == "encoder"
