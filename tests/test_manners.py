"""How the estimators look and behave among scikit-learn's own: tags, the notebook's table, metadata routing."""

import pickle
import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import sklearn
from sklearn.pipeline import make_pipeline
from sklearn.utils import get_tags
from small_models import small_vqvae

import skvq
import skvq.runtime
from skvq import VQVAE, NotFittedError, PixelCNNPrior, SkvqError
from skvq._contract.errors import InvalidInputError, ModelFileError


def test_tags_say_what_each_takes(vqvae, prior):
    tags = get_tags(vqvae)
    assert tags.input_tags.two_d_array
    assert tags.input_tags.three_d_array
    assert tags.estimator_type is None
    assert tags.transformer_tags.preserves_dtype == []
    assert not tags.target_tags.required
    tags = get_tags(prior)
    assert tags.estimator_type == "density_estimator"
    assert tags.input_tags.categorical
    assert tags.input_tags.positive_only
    assert tags.target_tags.required
    assert not get_tags(PixelCNNPrior()).target_tags.required


def test_the_notebook_shows_a_table_of_parameters(vqvae):
    html = vqvae._repr_html_()
    for name in ("beta", "vq_weight", "n_embeddings", "output"):
        assert name in html
    assert "VQVAE" in make_pipeline(vqvae)._repr_html_()
    assert repr(VQVAE(beta=1.5)) == "VQVAE(beta=1.5)"


def test_metadata_routing_takes_the_classes_of_a_conditional_prior(images, labels):
    vqvae = VQVAE(8, 2, hidden_channels=4, optimizer="sgd", max_iter=1, random_state=0)
    prior = PixelCNNPrior(
        8, conditional=True, hidden_channels=4, n_layers=1, optimizer="sgd", max_iter=1, random_state=0
    )
    with sklearn.config_context(enable_metadata_routing=True):
        prior.set_partial_fit_request(classes=True)
        assert prior.get_metadata_routing().partial_fit.requests == {"classes": True}
        pipe = make_pipeline(vqvae, prior).fit(images, labels)
        codes = pipe.transform(images)
    assert list(pipe[-1].classes_) == [0, 1]
    assert pipe[-1].score(codes, labels) < 0


def test_equal_seeds_give_equal_fits_whatever_other_threads_draw(images):
    def fit():
        return VQVAE(8, 2, hidden_channels=4, optimizer="sgd", max_iter=1, random_state=0).fit(images)

    alone = fit()
    done = threading.Event()

    def draw():
        while not done.wait(1e-4):
            random.random()

    thread = threading.Thread(target=draw)
    thread.start()
    try:
        beside = fit()
    finally:
        done.set()
        thread.join()
    for a, b in zip(alone._weights, beside._weights, strict=True):
        np.testing.assert_array_equal(a, b)


def test_warm_start_goes_on_under_new_weights_of_the_loss_and_refit_forgets(images):
    settings = {"hidden_channels": 4, "max_iter": 1, "batch_size": 16, "random_state": 0}
    vqvae = VQVAE(8, 2, **settings).fit(images)
    first = vqvae.history_["loss"][0]
    vqvae.set_params(warm_start=True, beta=4.0).fit(images)
    assert vqvae.n_iter_ == 2
    last = {name: values[-1] for name, values in vqvae.history_.items()}
    terms = last["reconstruction_loss"] + last["codebook_loss"] + 4.0 * last["commitment_loss"]
    assert last["loss"] == pytest.approx(terms, rel=1e-5)
    vqvae.set_params(warm_start=False, beta=0.25).fit(images)
    assert vqvae.history_["loss"] == [first]


def test_threads_that_share_an_estimator_build_one_network(vqvae, images, codes, monkeypatch):
    twin = pickle.loads(pickle.dumps(vqvae))
    built, build = [], VQVAE._build_network
    gate = threading.Barrier(6)

    def counted(self):
        built.append(threading.get_ident())
        time.sleep(0.2)  # for the others to come
        return build(self)

    def encode(_):
        gate.wait()
        return twin.transform(images)

    monkeypatch.setattr(VQVAE, "_build_network", counted)
    with ThreadPoolExecutor(6) as threads:
        answers = list(threads.map(encode, range(6)))
    assert len(built) == 1
    for answer in answers:
        np.testing.assert_array_equal(answer, codes)


def test_one_except_clause_catches_every_error_of_skvq(images, tmp_path):
    (tmp_path / "model.onnx").write_bytes(b"no model")
    for error, call in [
        (NotFittedError, lambda: VQVAE().transform(images)),
        (InvalidInputError, lambda: small_vqvae().fit(images[0, 0])),
        (ModelFileError, lambda: skvq.runtime.load(tmp_path / "model.onnx")),
    ]:
        assert issubclass(error, SkvqError)
        with pytest.raises(error):
            call()
    assert issubclass(skvq.export.ExportError, SkvqError)
    assert issubclass(NotFittedError, sklearn.exceptions.NotFittedError)
