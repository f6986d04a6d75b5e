"""The recipe of the guide: codes of a Dask array by blocks are those of one process."""

import functools

import numpy as np
import pytest

import skvq.runtime

da = pytest.importorskip("dask.array")


@functools.cache
def model(path):
    return skvq.runtime.load(path, threads=1)


def encode(images, path):
    return model(path).transform(images).astype(np.uint8)


def mapped(images, path):
    return images.map_blocks(
        encode,
        str(path),
        dtype=np.uint8,
        drop_axis=(1, 2),
        new_axis=1,
        chunks=(images.chunks[0], (16,)),
        meta=np.empty((0, 0), np.uint8),
    )


def test_blocks_give_the_codes_of_one_process(toy_folder, toy_runtime, pictures):
    codes = mapped(da.from_array(pictures, chunks=(10, 8, 8)), toy_folder)
    assert codes.shape == (37, 16)
    np.testing.assert_array_equal(codes.compute(), toy_runtime.transform(pictures))


def test_a_dask_array_is_read_in_parts(toy_runtime, pictures):
    np.testing.assert_array_equal(
        toy_runtime.transform(da.from_array(pictures, chunks=(10, 8, 8))), toy_runtime.transform(pictures)
    )


@pytest.mark.slow
def test_workers_give_the_codes_of_one_process(toy_folder, toy_runtime, pictures):
    distributed = pytest.importorskip("distributed")
    settings = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None}
    with distributed.LocalCluster(**settings) as cluster, distributed.Client(cluster) as client:
        codes = client.gather(client.map(toy_runtime.transform, [pictures[:20], pictures[20:]]))
    np.testing.assert_array_equal(np.concatenate(codes), toy_runtime.transform(pictures))
