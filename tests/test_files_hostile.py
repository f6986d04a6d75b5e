"""Files that are damaged, of another version, or made to do harm: one documented error, and nothing is built."""

import json
import os
import pickle
import zipfile

import numpy as np
import pytest
from estimator_bytes import taken_apart, with_digest

import skvq
from skvq import ContextPrior, VQGenerator
from skvq._contract.codes import CodeGrid
from skvq._contract.errors import ModelFileError


@pytest.fixture(scope="module")
def files(vqvae, prior, codes, labels, tmp_path_factory):
    """The bytes of a file of each class."""
    context = ContextPrior(grid=vqvae.grid_, conditional=True).fit(codes, np.array(["upright", "level"])[labels])
    estimators = {"vqvae": vqvae, "prior": prior, "context": context}
    estimators["generator"] = VQGenerator.from_fitted(vqvae, prior)
    folder = tmp_path_factory.mktemp("files")
    for name, estimator in estimators.items():
        estimator.save(folder / name)
    return {name: (folder / name).read_bytes() for name in estimators}


@pytest.fixture
def parts(files):
    return taken_apart(files["vqvae"])


@pytest.fixture
def no_network(monkeypatch):
    """Fail if weights are made: what is wrong has to be found before."""
    from skvq._estimator import NetworkEstimator

    monkeypatch.setattr(NetworkEstimator, "_network", lambda self: pytest.fail("a network was made"))


def refused(data, message):
    with pytest.raises(ModelFileError, match=message) as caught:
        skvq.load(data)
    assert "Nothing was loaded. " in str(caught.value)
    assert str(caught.value).isprintable()


class TestVersions:
    def test_a_file_of_the_former_format(self, tmp_path):
        manifest = {"format": "skvq estimator", "format_version": 1, "skvq_version": "0.1.0", "class": "VQVAE"}
        with zipfile.ZipFile(tmp_path / "old.skvq", "w") as archive:
            archive.writestr(zipfile.ZipInfo("estimator.json"), json.dumps(manifest))
        refused(tmp_path / "old.skvq", r"old\.skvq, a file of format version 1, which skvq 0\.1 wrote.*Use it with")

    def test_a_later_format(self, parts):
        parts.metadata.update(format_version="3", skvq_version="9.1\x1b[2J", extra="x")
        refused(parts.joined(), r"format version 3, which skvq 9\.1\\x1b\[2J wrote; .*Upgrade skvq")

    def test_an_entry_of_a_later_skvq(self, parts):
        parts.metadata["skvq_version"] = "12.0.0"
        parts.params["new_parameter"] = 1
        refused(parts.joined(), r"\['new_parameter'\].*skvq 12\.0\.0 wrote it, .*pip install --upgrade skvq")

    @pytest.mark.parametrize("version", [2, "two", "-1", "²", "9" * 5000, None])
    def test_what_is_no_version(self, parts, version):
        parts.metadata["format_version"] = version
        refused(parts.joined(), "the format version must be 2")


class TestBytes:
    @pytest.mark.parametrize("keep", [0.0, 0.001, 0.1, 0.5, 0.99])
    def test_a_file_that_is_cut_off(self, files, keep):
        refused(files["vqvae"][: int(keep * len(files["vqvae"]))], "is not an skvq estimator|partly copied")

    def test_any_changed_byte(self, files):
        whole = files["context"]
        for at in np.random.default_rng(0).integers(0, len(whole), 100):
            changed = bytearray(whole)
            changed[at] ^= 1
            refused(bytes(changed), "path must be an estimator's file")

    def test_a_byte_too_many(self, files):
        refused(with_digest(files["vqvae"] + b"\0"), "not as many bytes")

    @pytest.mark.parametrize("content", [b"", b"PK\3\4", b"\0" * 100, b"\xff" * 100, pickle.dumps({"a": 1})])
    def test_files_of_other_kinds(self, content, tmp_path):
        (tmp_path / "\x1b[2Jx").write_bytes(content)
        refused(tmp_path / "\x1b[2Jx", r"x1b\[2Jx, ")

    def test_a_zip_whose_entries_overlap_is_no_zip_to_us(self, files):
        refused(b"PK\3\4" + files["vqvae"], "is not an skvq estimator")

    @pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes are POSIX's")
    def test_a_pipe_does_not_wait(self, tmp_path):
        os.mkfifo(tmp_path / "pipe")
        with pytest.raises(ModelFileError, match="must be a regular file; it is a pipe"):
            skvq.load(tmp_path / "pipe")
        with pytest.raises(ModelFileError, match="must be a regular file; it is a folder"):
            skvq.load(tmp_path)

    def test_a_file_larger_than_allowed(self, files):
        with pytest.raises(ModelFileError, match=r"the given bytes has more than 1000 bytes.*larger max_bytes"):
            skvq.load(files["vqvae"], max_bytes=1000)


class TestHeader:
    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("{", "JSONDecode|Expecting|Unterminated"),
            ("[]", "header must be an object"),
            ('{"a": 1, "a": 2}', "a name comes twice"),
            ('{"__metadata__": {"format": NaN}}', "NaN"),
            ("[" * 100_000 + "]" * 100_000, "recursion"),
            ("9" * 5000, "digits"),
            ('{"__metadata__": 3}', "is not an skvq estimator"),
        ],
    )
    def test_texts(self, parts, text, message):
        refused(parts.joined(text), message)

    @pytest.mark.parametrize(
        "entry",
        [
            {"dtype": "O"},
            {"dtype": ["F32"]},
            {"shape": [12, 4.0]},
            {"shape": [12, -4]},
            {"shape": [True, 48]},
            {"shape": 48},
            {"shape": [2**40, 2**40]},
            {"shape": [0, 2**62]},
            {"shape": [1] * 100},
            {"data_offsets": [0, 10**30]},
            {"data_offsets": [0, 1]},
            {"data_offsets": None},
            {"more": 1},
        ],
    )
    def test_entries_of_arrays(self, parts, entry):
        header = parts.header()
        header["codebook_"].update(entry)
        refused(parts.joined(header), "codebook_")

    def test_arrays_that_overlap(self, parts):
        header = parts.header()
        names = [name for name in header if name.startswith("_weights")]
        header[names[1]] = header[names[0]]
        refused(parts.joined(header), "right behind the array before")

    def test_bytes_that_no_bool_has(self, parts):
        header = parts.header()
        first = next(iter(parts.arrays))
        header[first].update(dtype="BOOL", shape=[parts.arrays[first].nbytes])
        parts.arrays[first] = np.full_like(parts.arrays[first], 77)
        refused(parts.joined(header), "bytes of 0 and 1")


@pytest.mark.usefixtures("no_network")
class TestEntries:
    @pytest.mark.parametrize("name", ["Pipeline", "Prior", "os.system", "\x1b[2J", [], None, {"VQVAE": 1}])
    def test_classes(self, parts, name):
        parts.estimator["class"] = name
        refused(parts.joined(), "class must be one of VQVAE, PixelCNNPrior, ContextPrior, VQGenerator")

    @pytest.mark.parametrize(
        ("name", "value", "message"),
        [
            ("beta", -1, "'beta' parameter"),
            ("beta", "0.25", "'beta' parameter"),
            ("n_embeddings", True, "n_embeddings must not be a bool"),
            ("hidden_channels", 2**40, "hidden_channels must be at most"),
            ("random_state", 10**30, "random_state must be an integer"),
            ("optimizer", {"class": "os.system"}, "optimizer must be a plain value"),
            ("optimizer", "os.system", "'optimizer' parameter"),
            ("quantizer", None, "'quantizer' parameter"),
            ("image_shape", {"tuple": [8]}, "image_shape must be"),
            ("image_shape", {"tuple": [8, "8"]}, "must be an integer"),
            ("callback", 1, "no other entries"),
        ],
    )
    def test_parameters(self, parts, name, value, message):
        parts.params[name] = value
        refused(parts.joined(), message)

    def test_a_parameter_that_is_missing(self, parts):
        del parts.params["beta"]
        refused(parts.joined(), "params lacks beta")

    @pytest.mark.parametrize("name", ["grid_", "_weights", "_layout", "history_", "_fit_seed", "_training_state"])
    def test_state_that_is_missing_or_odd(self, parts, name):
        value = parts.state.pop(name)
        refused(parts.joined(), f"lacks {name}")
        parts.state[name] = [value, "\x1b[2J"]
        refused(parts.joined(), name)

    @pytest.mark.parametrize("name", ["__class__", "fit", "_network", "code_counts_", "weights_\n"])
    def test_attributes_that_are_no_state(self, parts, name):
        parts.state[name] = 1
        refused(parts.joined(), "must have no other entries")

    def test_an_array_that_is_missing_or_too_many(self, parts):
        codebook = parts.arrays.pop("codebook_")
        refused(parts.joined(), "codebook_ has no array")
        parts.arrays.update(codebook_=codebook, more=codebook)
        refused(parts.joined(), "no entry asks for its array more")

    @pytest.mark.parametrize(
        ("name", "array"),
        [
            ("codebook_", np.zeros((12, 5), np.float32)),
            ("codebook_", np.zeros((12, 4), np.float64)),
            ("codebook_", np.full((12, 4), np.nan, np.float32)),
            ("_weights/0", np.full((4, 4, 1, 8), np.inf, np.float32)),
            ("_region_counts", np.full((4, 12), 2**60, np.uint64)),
            ("_region_counts", np.zeros((4, 12), np.int64)),
            ("history_/loss", np.zeros(5)),
            ("history_/loss", np.zeros((30, 1))),
            ("_training_state/seeds", np.zeros(2, np.uint32)),
        ],
    )
    def test_arrays(self, parts, name, array):
        parts.arrays[name] = array
        refused(parts.joined(), name.split("/")[0])

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("n_embeddings", 2**26),
            ("n_embeddings", 13),
            ("downsampling", 10**400),
            ("downsampling", 3),
            ("scale", 0),
            ("scale", float("inf")),
            ("mean", 1e30),
            ("reconstruction_scale", -1.0),
            ("architecture", "auto"),
            ("bounded", False),
            ("ema_decay", 1),
            ("hidden_channels", 2**16),
            ("n_residual_blocks", 100),
            ("downsampling", 2),
        ],
    )
    def test_networks_that_the_arrays_are_not_of(self, parts, name, value):
        parts.state["_network_config"][name] = value
        refused(parts.joined(), "_network_config|shapes of the network|grid_")

    def test_grids_and_layouts(self, parts):
        grid = parts.state["grid_"]
        for wrong in (
            {"shape": [2, 3]},
            {"shape": [2**20, 2**20]},
            {"shape": []},
            {"shape": [0, 2]},
            {"n_embeddings": 11},
            {"depth": 2},
            {"depth": None},
        ):
            parts.state["grid_"] = {**grid, **wrong}
            refused(parts.joined(), "grid_")
        parts.state["grid_"] = grid
        layout = parts.state["_layout"]
        for wrong in (
            {"image_shape": [2**14, 2**13, 1], "row_shape": [2**27]},
            {"image_shape": [8, 8, 2]},
            {"dtype": "object"},
            {"row_shape": [8, 8, 1, 1]},
        ):
            parts.state["_layout"] = {**layout, **wrong}
            refused(parts.joined(), "_layout")

    def test_ranges(self, parts):
        for wrong in ([1, 0], [0, float("inf")], [0], [0, "1"], None):
            parts.state["data_range_"] = wrong
            refused(parts.joined(), "data_range_")


class TestPriors:
    def test_class_names_do_not_multiply(self, files):
        parts = taken_apart(files["context"])
        parts.state["classes_"] = {"kind": "U", "values": ["a" * 2**20] + [f"b{i}" for i in range(2000)]}
        refused(parts.joined(), "characters, each string as long as the longest")

    @pytest.mark.parametrize(
        "node",
        [
            {"kind": "U", "values": ["b", "a"]},
            {"kind": "U", "values": ["a", "a"]},
            {"kind": "U", "values": []},
            {"kind": "U", "values": ["a", 1]},
            {"kind": "S", "values": ["é", "漢"]},
            {"kind": "M8[Y]", "values": ["a", "b"]},
            {"kind": "numbers"},
            None,
        ],
    )
    def test_classes(self, files, node):
        parts = taken_apart(files["context"])
        parts.state["classes_"] = node
        refused(parts.joined(), "classes_" if node else "_weights must have the shapes")

    @pytest.mark.parametrize("classes", [np.array([1, 0]), np.array([0.0, np.nan]), np.zeros((1, 2)), np.arange(3)])
    def test_numbers_as_classes(self, files, classes):
        parts = taken_apart(files["prior"])
        parts.arrays["classes_"] = classes
        refused(parts.joined(), "classes_|shapes of the network")

    def test_tables(self, files):
        for name, change in {
            "_weights/0": lambda a: a.fill(2**30),
            "_weights/1": lambda a: a.fill(0.5),
            "_weights/1 ": lambda a: a.fill(2**15 - 1),  # sums of which float32 would round
            "_weights/2": lambda a: a.fill(2**25),
        }.items():
            parts = taken_apart(files["context"])
            parts.arrays[name.strip()] = parts.arrays[name.strip()].copy()
            change(parts.arrays[name.strip()])
            refused(parts.joined(), "_weights must be integer tables as fit makes them")

    @pytest.mark.parametrize("value", [0, 63, 65, 2**13, 64.0, [64], "64"])
    def test_lengths_of_rows(self, files, value):
        parts = taken_apart(files["context"])
        parts.state["_network_config"]["n_features"] = value
        refused(parts.joined(), "_network_config|_weights")

    def test_a_grid_of_more_codes_than_the_tables_have(self, files):
        parts = taken_apart(files["context"])
        parts.state["grid_"]["shape"] = [2048, 2048]
        refused(parts.joined(), "_weights must have the shapes")

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("n_layers", 256),
            ("hidden_channels", 65536),
            ("kernel_size", 2),
            ("kernel_size", 7),
            ("dropout", 0.1),
            ("dropout", "most"),
            ("dropout_rate", 2),
            ("conditional", False),
        ],
    )
    def test_networks(self, files, name, value):
        parts = taken_apart(files["prior"])
        parts.state["_network_config"][name] = value
        refused(parts.joined(), "_network_config|shapes of the network|classes_")


class TestGenerators:
    def test_stages_of_different_grids(self, files, codes, labels):
        grid = CodeGrid((1, codes.shape[1]), 12)
        ContextPrior(grid=grid).fit(codes)
        parts, other = taken_apart(files["generator"]), taken_apart(files["context"])
        parts.state["prior_"] = other.estimator
        parts.arrays = {name: a for name, a in parts.arrays.items() if not name.startswith("prior_/")}
        parts.arrays |= {f"prior_/{name}": array for name, array in other.arrays.items()}
        assert isinstance(skvq.load(parts.joined()).prior_, ContextPrior)
        other.state["grid_"]["n_embeddings"] = 13
        refused(parts.joined(), "prior_")

    def test_stages_that_are_swapped(self, files):
        parts = taken_apart(files["generator"])
        parts.state["vqvae_"], parts.state["prior_"] = parts.state["prior_"], parts.state["vqvae_"]
        refused(parts.joined(), "vqvae_/class must be one of VQVAE")

    @pytest.mark.parametrize("value", [0, -1, "1", float("inf"), []])
    def test_noise(self, files, value):
        parts = taken_apart(files["generator"])
        parts.state["noise_variance_"] = value
        refused(parts.joined(), "noise_variance_")

    @pytest.mark.parametrize("stage", [None, "prior", {"class": "PixelCNNPrior", "params": {}}, {"class": "VQVAE"}])
    def test_parameters(self, files, stage):
        parts = taken_apart(files["generator"])
        parts.params["vqvae"] = stage
        refused(parts.joined(), "vqvae")


class TestAgainstTheNetwork:
    """What only the network can tell, once its size is known to be the file's."""

    def test_a_codebook_of_another_network(self, parts):
        parts.arrays["codebook_"] = parts.arrays["codebook_"][::-1] + 1
        refused(parts.joined(), "codebook_ must be the codebook of the weights")

    def test_counts_of_another_grid(self, parts):
        parts.arrays["_region_counts"] = parts.arrays["_region_counts"][:1]
        refused(parts.joined(), "_region_counts must have shape")

    @pytest.mark.parametrize("name", ["_training_state/optimizer/3", "_training_state/optimizer/0"])
    def test_an_optimizer_of_another_network(self, parts, name):
        parts.arrays[name] = np.zeros(3, np.float32)
        refused(parts.joined(), "_training_state/optimizer must have the shapes")

    def test_another_optimizer(self, parts):
        parts.state["_training_state"]["signature"]["optimizer"] = "rmsprop"
        refused(parts.joined(), "_training_state/optimizer must have the shapes")
