"""What is handed to the runtime is what the model was fitted to, or the user is told, as estimators tell."""

import numpy as np
import pytest

from skvq import SkvqError
from skvq.export import export_onnx
from skvq.runtime import load
from skvq.runtime._sessions import Part


class TestUnits:
    @pytest.mark.parametrize("method", ["transform", "reconstruct", "score_samples"])
    def test_images_in_other_units_are_warned_of(self, toy_runtime, pictures, method):
        more = [5] if method == "score_samples" else []
        for X in (pictures / 255, pictures / 127.5 - 1):
            with pytest.warns(UserWarning, match=r"which fill .*% of data_range = \(0, 255\).*X \* 255 or X / 255"):
                getattr(toy_runtime, method)(X, *more)
        with pytest.warns(UserWarning, match=r"which leave data_range = \(0, 255\)"):
            getattr(toy_runtime, method)(pictures.astype(float) * 255, *more)

    def test_so_does_a_file_that_only_reconstructs(self, vqvae, images, tmp_path):
        runtime = load(export_onnx(vqvae, tmp_path / "bars", parts=["reconstruct"]))
        with pytest.warns(UserWarning, match="of data_range = "):
            runtime.reconstruct(images / 255)

    def test_images_of_the_same_units_are_not(self, toy_runtime, pictures, recwarn):
        for X in (pictures, pictures[:1], pictures // 2, np.zeros((3, 8, 8)), pictures[:0]):
            toy_runtime.transform(X)
        assert not [w for w in recwarn if "data_range" in str(w.message)]


class TestMasks:
    def test_of_images(self, toy_runtime, pictures):
        with pytest.raises(SkvqError, match=r"without a mask; got a masked array with \d+ masked.*X\.filled\(0\)"):
            toy_runtime.transform(np.ma.masked_array(pictures, pictures > 99))

    def test_of_codes_and_labels(self, toy_runtime):
        codes = np.ma.masked_array(np.zeros((2, 16), int), mask=False)
        with pytest.raises(SkvqError, match="without a mask"):
            toy_runtime.inverse_transform(codes)
        with pytest.raises(SkvqError, match="without a mask"):
            toy_runtime.sample(2, np.ma.masked_array([3, 5], [True, False]))


class TestFewRows:
    @pytest.mark.parametrize("method", ["transform", "inverse_transform", "reconstruct"])
    def test_one_row_runs_at_most_a_fifth_of_128(self, toy_runtime, pictures, method, monkeypatch):
        run = []
        answer = Part._answer
        monkeypatch.setattr(
            Part, "_answer", lambda self, feed: run.append(len(next(iter(feed.values())))) or answer(self, feed)
        )
        X = np.resize(pictures, (128, 8, 8))
        if method == "inverse_transform":
            X = toy_runtime.transform(X)
        run.clear()
        getattr(toy_runtime, method)(X)
        many = sum(run)
        run.clear()
        getattr(toy_runtime, method)(X[:1])
        assert 5 * sum(run) <= many
