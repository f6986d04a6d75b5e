"""The program ``skvq``: what it writes equals what the runtime answers, and failures are one line."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import skvq
from skvq._command_line import COMMANDS, main, parser
from skvq._contract.errors import ModelFileError

ROOT = Path(skvq.__file__).parents[1]
DIGITS = str(ROOT / "exports" / "digits")
BLOCKED = ("keras", "sklearn", "scipy", "tensorflow", "onnx", "matplotlib", "PIL")


@pytest.fixture(scope="module")
def runtime():
    return skvq.runtime.load(DIGITS)


@pytest.fixture
def images(runtime, tmp_path):
    drawn = runtime.sample(6, y=[0, 1, 2, 3, 4, 5], random_state=0)
    np.save(tmp_path / "images.npy", drawn)
    return drawn


def light(*arguments, cwd):
    """Run the program in a process that cannot import more than NumPy and onnxruntime."""
    script = (
        f"import sys\nfor name in {BLOCKED!r}: sys.modules[name] = None\n"
        "from skvq._command_line import main\nsys.exit(main(sys.argv[1:]))"
    )
    command = [sys.executable, "-c", script, *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, env={"PYTHONPATH": str(ROOT)})


class TestRuntimeAlone:
    def test_digits_are_described_and_drawn(self, runtime, tmp_path):
        done = light("describe", "digits", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert "4 × 4 codes of 64" in done.stdout
        done = light("sample", "digits", "-n", 3, "--label", 3, "--seed", 0, "-o", "threes.npy", cwd=tmp_path)
        assert (done.returncode, done.stderr) == (0, "")
        np.testing.assert_array_equal(np.load(tmp_path / "threes.npy"), runtime.sample(3, y=3, random_state=0))

    def test_an_estimator_says_what_to_install(self, tmp_path):
        script = f"import sys\nfor name in {BLOCKED!r}: sys.modules[name] = None\nimport skvq\nskvq.VQVAE"
        command = [sys.executable, "-c", script]
        done = subprocess.run(command, capture_output=True, text=True, env={"PYTHONPATH": str(ROOT)}, cwd=tmp_path)
        last = done.stderr.strip().splitlines()[-1]
        assert last.startswith("ImportError: skvq.VQVAE needs the package ")
        assert 'pip install "skvq[tensorflow]"' in last

    def test_a_saved_estimator_says_what_to_install(self, tmp_path):
        (tmp_path / "model.skvq").write_bytes(b"any")
        done = light("describe", "model.skvq", cwd=tmp_path)
        assert done.returncode == 1
        assert 'pip install "skvq[tensorflow]"' in done.stderr
        assert done.stderr.count("\n") == 1


class TestConversions:
    def test_codes_and_back(self, runtime, images, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        assert main(["encode", DIGITS, "images.npy", "-o", "codes.npy"]) == 0
        codes = np.load("codes.npy")
        assert codes.dtype == np.uint8  # 64 codes
        np.testing.assert_array_equal(codes, runtime.transform(images))
        assert main(["decode", DIGITS, "codes.npy", "-o", "decoded.npy"]) == 0
        np.testing.assert_array_equal(np.load("decoded.npy"), runtime.inverse_transform(codes))
        assert main(["decode", DIGITS, "codes.npy", "-o", "sheet.PNG", "--quiet"]) == 0
        assert Path("sheet.PNG").read_bytes().startswith(b"\x89PNG")

    def test_completion(self, runtime, images, tmp_path):
        completed = tmp_path / "completed.npy"
        command = ["complete", DIGITS, str(tmp_path / "images.npy"), "--keep", "0.5", "--label", "3", "--seed", "0"]
        assert main([*command, "-o", str(completed)]) == 0
        expected = runtime.complete(images, np.arange(16) < 8, 3, random_state=0)
        np.testing.assert_array_equal(np.load(completed), expected)

    def test_no_rows(self, tmp_path):
        np.save(tmp_path / "none.npy", np.zeros((0, 8, 8), np.float32))
        assert main(["encode", DIGITS, str(tmp_path / "none.npy"), "-o", str(tmp_path / "codes.npy")]) == 0
        assert np.load(tmp_path / "codes.npy").shape == (0, 16)

    def test_pictures(self, runtime, tmp_path):
        image = pytest.importorskip("PIL.Image")
        pixels = np.random.default_rng(0).integers(0, 17, (2, 8, 8), dtype=np.uint8)
        (tmp_path / "[pictures]").mkdir()
        for name, picture in zip("ab", pixels, strict=True):
            image.fromarray(picture).save(tmp_path / "[pictures]" / f"{name}.png")
        for source, expected in (("[pictures]", pixels), ("[pictures]/b.png", pixels[1:])):
            assert main(["encode", DIGITS, str(tmp_path / source), "-o", str(tmp_path / "codes.npy")]) == 0
            np.testing.assert_array_equal(np.load(tmp_path / "codes.npy"), runtime.transform(expected))

    def test_an_archive_of_arrays(self, runtime, images, tmp_path):
        np.savez(tmp_path / "data.npz", X=images, y=np.arange(6))
        assert main(["encode", DIGITS, str(tmp_path / "data.npz"), "-o", str(tmp_path / "codes.npy")]) == 0
        np.testing.assert_array_equal(np.load(tmp_path / "codes.npy"), runtime.transform(images))


class TestFailures:
    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (["describe", "nowhere"], "There is no export at"),
            (["sample", DIGITS, "-o", "x.jpg"], "output must end in .png or .npy; got x.jpg"),
            (["sample", DIGITS, "-o", "x.png"], "--label must name a class, of 0, 1, 2, "),
            (["sample", DIGITS, "--label", "ten", "-o", "x.png"], "y must hold classes"),
            (["sample", DIGITS, "--label", "3", "-o", "nowhere/x.png"], "there is no folder"),
            (["encode", DIGITS, "nowhere.npy", "-o", "x.npy"], "nowhere.npy"),
            (["encode", DIGITS, "objects.npy", "-o", "x.npy"], "must be an .npy or .npz file of numbers"),
            (["complete", DIGITS, "images.npy", "-o", "x.npy", "--keep", "2"], "--keep must be in [0, 1]; got 2.0"),
            (
                ["complete", f"{DIGITS}/encoder.onnx", "images.npy", "--label", "3", "-o", "x.npy"],
                "needs the part 'controlled_sampler'",
            ),
            (["fit", "images.npy", "-o", "x.skvq", "--set", "beta=2"], "--set must name parameters of VQGenerator"),
        ],
    )
    def test_one_line_and_status_1(self, arguments, message, images, tmp_path, monkeypatch, capsys):
        monkeypatch.chdir(tmp_path)
        np.save("objects.npy", np.array([{}]))
        assert main(arguments) == 1
        error = capsys.readouterr().err
        assert error.startswith(f"skvq {arguments[0]}: error: ")
        assert message in error
        assert error.count("\n") == 1

    @pytest.mark.parametrize("arguments", [[], ["none"], ["sample", DIGITS], ["fit", "x", "-o", "y", "--set", "z"]])
    def test_wrong_usage_is_status_2(self, arguments, capsys):
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        assert ended.value.code == 2
        assert "usage: skvq" in capsys.readouterr().err

    def test_nothing_is_written(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        main(["sample", DIGITS, "-o", "x.png"])
        assert list(tmp_path.iterdir()) == []

    def test_a_message_of_many_lines_becomes_one(self, monkeypatch, capsys):
        def fail(options):
            raise ModelFileError("first\nsecond")

        monkeypatch.setattr(COMMANDS[0], "run", fail)
        assert main(["describe", "x"]) == 1
        assert capsys.readouterr().err == "skvq describe: error: first second\n"

    def test_ctrl_c(self, monkeypatch, capsys):
        def interrupt(options):
            raise KeyboardInterrupt

        monkeypatch.setattr(COMMANDS[0], "run", interrupt)
        assert main(["describe", "x"]) == 130
        assert capsys.readouterr().err == "skvq describe: interrupted\n"


def test_progress_is_shown_on_a_terminal(images, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("skvq._command_line.arrays.ROWS_AT_ONCE", 4)
    command = ["encode", DIGITS, str(tmp_path / "images.npy"), "-o", str(tmp_path / "codes.npy")]
    main(command)
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    main(command)
    assert capsys.readouterr().err == "\rencoded 4 of 6\rencoded 6 of 6\n"
    main([*command, "--quiet"])
    assert capsys.readouterr() == ("", "")


def test_every_command_explains_itself():
    text = parser().format_help()
    for command in COMMANDS:
        assert command.NAME in text
        with pytest.raises(SystemExit) as ended:
            main([command.NAME, "--help"])
        assert ended.value.code == 0


@pytest.mark.slow
def test_fit_saves_and_exports_what_the_estimator_draws(tmp_path, monkeypatch, capsys):
    pytest.importorskip("tf2onnx")
    monkeypatch.chdir(tmp_path)
    generator = np.random.default_rng(0)
    np.save("X.npy", generator.integers(0, 256, (64, 8, 8), dtype=np.uint8))
    np.save("y.npy", np.arange(64) % 2)
    command = ["fit", "X.npy", "--labels", "y.npy", "--prior", "context", "--seed", "0", "-o", "model.skvq"]
    for setting in ("n_embeddings=8", "hidden_channels=8", "max_iter=1", "n_residual_blocks=0"):
        command += ["--set", f"vqvae__{setting}"]
    assert main([*command, "--export", "onnx"]) == 0
    drawn = {}
    for model in ("model.skvq", "onnx"):
        assert main(["sample", model, "-n", "4", "--label", "1", "--seed", "0", "-o", "drawn.npy"]) == 0
        drawn[model] = np.load("drawn.npy")
        assert main(["complete", model, "X.npy", "--label", "1", "--seed", "0", "-o", "completed.npy"]) == 0
    np.testing.assert_array_equal(drawn["model.skvq"], skvq.load("model.skvq").sample(4, y=1, random_state=0))
    assert np.abs(drawn["model.skvq"].astype(int) - drawn["onnx"]).max() <= 1
    expected = skvq.runtime.load("onnx").complete(np.load("X.npy"), np.arange(4) < 2, 1, random_state=0)
    np.testing.assert_array_equal(np.load("completed.npy"), expected)
    assert main(["describe", "model.skvq"]) == 0
    assert "2 × 2 codes of 8" in capsys.readouterr().out
