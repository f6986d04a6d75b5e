"""Arrays that are read slice by slice: what they are taken for, and that reading by blocks gives their rows."""

import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skvq._contract import slicing
from skvq._contract.errors import InvalidInputError
from skvq._contract.slicing import LazyRows, block_bounds, check_lazy, is_lazy


class Chunked:
    """An array in chunks that counts what is read of it."""

    def __init__(self, array, chunks):
        self.array, self.chunks = array, chunks
        self.shape, self.dtype = array.shape, array.dtype
        self.reads = []

    def __len__(self):
        return len(self.array)

    def __getitem__(self, rows):
        assert isinstance(rows, slice)
        self.reads.append((rows.start, rows.stop))
        return self.array[rows]


def rows_in_chunks(n=1000, chunks=(100, 2)):
    return Chunked(np.arange(2 * n).reshape(n, 2), chunks)


class TestRecognition:
    def test_arrays_in_memory_are_not_lazy(self):
        sparse = pytest.importorskip("scipy.sparse")
        for X in (np.zeros((3, 4)), [[1.0]], sparse.csr_array((3, 4)), sparse.csr_matrix((3, 4))):
            assert not is_lazy(X)
        pandas = pytest.importorskip("pandas")
        assert not is_lazy(pandas.DataFrame({"a": [1.0]}))
        assert not is_lazy(pandas.Series([1.0]))

    @pytest.mark.parametrize("ndim", [1, 2, 3, 4, 5])
    def test_two_to_four_axes(self, ndim):
        assert is_lazy(Chunked(np.zeros((2,) * ndim), None)) == (2 <= ndim <= 4)

    def test_what_is_no_number_is_refused(self):
        with pytest.raises(InvalidInputError, match=r"X must be numeric; got dtype \|S3\. Convert it"):
            check_lazy(Chunked(np.array([[b"abc"]]), None))

    def test_an_unknown_number_of_rows_is_refused(self):
        da = pytest.importorskip("dask.array")
        X = da.ones((10, 4), chunks=5)
        with pytest.raises(InvalidInputError, match=r"known shape; got shape \(nan, 4\)\. .*compute_chunk_sizes"):
            check_lazy(X[X[:, 0] > 0])


class TestBounds:
    @pytest.mark.parametrize(
        ("chunks", "expected"),
        [
            (None, None),
            ((400, 2), [0, 400, 800, 1000]),
            (((300, 700), (2,)), [0, 300, 1000]),
            ((5000, 2), [0, 1000]),
            ((), None),
        ],
    )
    def test_are_those_of_the_chunks(self, chunks, expected):
        found = block_bounds(rows_in_chunks(chunks=chunks))
        assert expected is None if found is None else found.tolist() == expected

    @given(st.integers(1, 400), st.integers(1, 70))
    @settings(deadline=None, max_examples=50)
    def test_small_chunks_are_joined(self, n, size):
        bounds = block_bounds(rows_in_chunks(n, (size, 2)))
        assert bounds[0] == 0
        assert bounds[-1] == n
        assert all(bound % size == 0 for bound in bounds[:-1])
        assert all(32 <= rows < 32 + size or rows == size for rows in np.diff(bounds)[:-1])
        chunks = tuple([size] * (n // size) + [n % size] * (n % size > 0))
        np.testing.assert_array_equal(block_bounds(rows_in_chunks(n, (chunks, (2,)))), bounds)

    def test_dask(self):
        da = pytest.importorskip("dask.array")
        assert block_bounds(da.ones((100, 4), chunks=(40, 2))).tolist() == [0, 40, 80, 100]

    def test_hdf5(self, tmp_path):
        h5py = pytest.importorskip("h5py")
        with h5py.File(tmp_path / "x.h5", "w") as file:
            chunked = file.create_dataset("a", data=np.zeros((100, 4)), chunks=(40, 4))
            assert block_bounds(chunked).tolist() == [0, 40, 80, 100]
            whole = file.create_dataset("b", data=np.zeros((100_000, 4)))
            assert np.diff(block_bounds(whole))[0] == 2**18 // 32

    def test_zarr(self, tmp_path):
        zarr = pytest.importorskip("zarr")
        X = zarr.create_array(str(tmp_path / "x.zarr"), shape=(100, 4), chunks=(40, 2), dtype="uint8")
        assert block_bounds(X).tolist() == [0, 40, 80, 100]


class TestRows:
    @given(st.lists(st.integers(0, 999), max_size=60), st.integers(1, 300))
    @settings(deadline=None, max_examples=60)
    def test_any_rows(self, rows, size):
        X = rows_in_chunks(chunks=(size, 2))
        np.testing.assert_array_equal(LazyRows(X)[np.array(rows, int)], X.array[np.array(rows, int)])

    @given(st.integers(0, 1100), st.integers(0, 1100))
    @settings(deadline=None, max_examples=40)
    def test_any_slice(self, start, stop):
        X = rows_in_chunks()
        np.testing.assert_array_equal(LazyRows(X)[start:stop], X.array[start:stop])

    def test_a_block_is_read_once_and_the_latest_are_kept(self, monkeypatch):
        X = rows_in_chunks()
        rows = LazyRows(X)
        for start in range(0, 1000, 10):
            rows[start : start + 10]
        assert X.reads == [(start, start + 100) for start in range(0, 1000, 100)]
        monkeypatch.setattr(slicing, "MOST_KEPT_BYTES", 1)
        monkeypatch.setattr(slicing, "FEWEST_KEPT", 2)
        rows, X.reads = LazyRows(X), []
        for row in (0, 100, 0, 200, 0, 100):  # the third takes the place of the one not wanted for longest
            rows[np.array([row])]
        assert [start for start, _ in X.reads] == [0, 100, 200, 100]

    def test_threads_read_one_at_a_time(self):
        inside = threading.Lock()

        class OneReader(Chunked):
            def __getitem__(self, rows):
                assert inside.acquire(blocking=False), "two threads at once"
                try:
                    return np.sort(super().__getitem__(rows), axis=0)
                finally:
                    inside.release()

        rows, errors = LazyRows(OneReader(np.arange(20_000).reshape(-1, 2), (32, 2))), []

        def read(seed):
            try:
                some = np.random.default_rng(seed).integers(0, 10_000, 200)
                np.testing.assert_array_equal(rows[np.sort(some)][:, 0], 2 * np.sort(some))
            except Exception as error:
                errors.append(error)

        threads = [threading.Thread(target=read, args=[seed]) for seed in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not errors

    @pytest.mark.parametrize("chunks", [None, (100, 2)])
    def test_an_error_of_the_reader_stays_itself_and_says_where(self, chunks):
        class Broken(Chunked):
            def __getitem__(self, rows):
                raise ConnectionError("reset by peer")

        X = Broken(np.zeros((1000, 2)), chunks)
        with pytest.raises(ConnectionError, match="reset by peer") as caught:
            LazyRows(X)[np.array([107, 150])]
        where = "100 to 199" if chunks else "107 to 150"
        assert caught.value.__notes__ == [f"skvq was reading rows {where} of X, a Broken of shape (1000, 2)."]
