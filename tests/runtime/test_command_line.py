"""``python -m skvq.runtime`` and the PNG files that it writes."""

import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from spoilt_exports import rewrite

import skvq.runtime
from skvq.runtime.__main__ import describe, main
from skvq.runtime._png import mosaic, write_png

ROOT = Path(skvq.runtime.__file__).parents[2]


def read_png(path):
    """A second reading of the format: chunks, checksums, and rows without filters."""
    data = Path(path).read_bytes()
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    at, chunks = 8, {}
    while at < len(data):
        size, kind = struct.unpack(">I4s", data[at : at + 8])
        content = data[at + 8 : at + 8 + size]
        assert struct.unpack(">I", data[at + 8 + size : at + 12 + size])[0] == zlib.crc32(kind + content)
        chunks[kind] = content
        at += 12 + size
    width, height, depth, colour, *rest = struct.unpack(">IIBBBBB", chunks[b"IHDR"])
    assert (depth, rest) == (8, [0, 0, 0])
    rows = np.frombuffer(zlib.decompress(chunks[b"IDAT"]), np.uint8).reshape(height, -1)
    assert not rows[:, 0].any()
    return rows[:, 1:] if colour == 0 else rows[:, 1:].reshape(height, width, 3)


class TestPng:
    @pytest.mark.parametrize("shape", [(5, 7), (1, 1), (6, 4, 3)])
    def test_comes_back(self, tmp_path, shape):
        pixels = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
        write_png(tmp_path / "x.png", pixels)
        np.testing.assert_array_equal(read_png(tmp_path / "x.png"), pixels)

    @pytest.mark.parametrize("pixels", [np.zeros((2, 2)), np.zeros((2, 2, 4), np.uint8), np.zeros((0, 2), np.uint8)])
    def test_other_arrays(self, tmp_path, pixels):
        with pytest.raises(ValueError, match="pixels must be uint8"):
            write_png(tmp_path / "x.png", pixels)

    def test_mosaic(self):
        pictures = np.stack([np.full((2, 3, 1), value) for value in (-2.0, -1.0, 0.0, 1.0, 5.0)])
        sheet = mosaic(pictures, -1, 1)
        assert sheet.shape == (5, 11)
        assert sheet[0, [0, 3, 4, 8]].tolist() == [0, 255, 0, 128]
        assert sheet[3, [0, 4]].tolist() == [255, 255]
        assert mosaic(np.zeros((2, 4, 4, 3)), 0, 1).shape == (4, 9, 3)
        assert mosaic(np.zeros((1, 4, 4, 2)), 0, 1).shape == (4, 4)


class TestCommandLine:
    def test_describes(self, toy_runtime, toy_folder, capsys):
        assert main([str(toy_folder)]) == 0
        text = capsys.readouterr().out
        assert text == describe(toy_runtime) + "\n"
        for words in ("8 × 8 uint8, values 0 to 255", "4 × 4 codes of 7", "3, 5, 9", "generator.onnx", "temperature"):
            assert words in text

    def test_samples(self, toy_folder, tmp_path, toy_runtime):
        command = ["--sample", "5", "--label", "9", "--seed", "0", "--png", str(tmp_path / "x.png")]
        done = subprocess.run(
            [sys.executable, "-m", "skvq.runtime", str(toy_folder), *command], cwd=ROOT, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        expected = mosaic(toy_runtime.sample(5, 9, random_state=0)[..., None], 0, 255)
        np.testing.assert_array_equal(read_png(tmp_path / "x.png"), expected)

    def test_errors_are_told(self, toy_folder, tmp_path, capsys):
        assert main([str(tmp_path)]) == 1
        assert "is not an export of skvq" in capsys.readouterr().err
        (tmp_path / "x.onnx").write_text("no model")
        assert main([str(tmp_path / "x.onnx")]) == 1
        assert "x.onnx is not an ONNX model that skvq runs: " in capsys.readouterr().err
        assert main([str(toy_folder), "--sample", "1", "--label", "4", "--png", str(tmp_path / "x.png")]) == 1
        assert "y must hold classes that the prior was fitted with, [3, 5, 9]; got" in capsys.readouterr().err
        with pytest.raises(SystemExit):
            main([str(toy_folder), "--sample", "1"])

    def test_names_are_safe_to_print(self, toy_copy, capsys):
        rewrite(toy_copy, lambda m: m["files"]["encoder.onnx"]["inputs"][0].update(name="\x1b[2J"))
        assert main([str(toy_copy)]) == 1
        error = capsys.readouterr().err
        assert error.rstrip("\n").isprintable()
