"""Keras networks, written with ``keras.ops`` alone so that every backend runs and trains them."""

from skvq.networks._backend import load_keras

keras = load_keras()
ops = keras.ops
