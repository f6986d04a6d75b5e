"""Exports in a model hub: the real client, against a hub in this process."""

import json
import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from hub_stand_in import oid, served

import skvq
from skvq.runtime import load, push_to_hub

ROOT = Path(skvq.__file__).parents[1]
DIGITS = ROOT / "exports" / "digits"
needs_client = pytest.mark.skipif(find_spec("huggingface_hub") is None, reason="huggingface_hub is not installed")


@pytest.fixture
def hub(tmp_path):
    with served() as (hub, address):
        environment = {
            **os.environ,
            "HF_ENDPOINT": address,
            "HF_HOME": str(tmp_path / "home"),
            "HF_TOKEN": "hf_none",
            "HF_HUB_DISABLE_XET": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "NO_PROXY": "127.0.0.1",
            "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")])),
        }

        def run(lines):
            """Run lines of Python in a process that takes this hub for the real one."""
            script = f"import skvq\nfrom skvq.runtime import load, push_to_hub\nDIGITS = {str(DIGITS)!r}\n{lines}"
            command = [sys.executable, "-c", script]
            done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=120)
            return done.stdout.strip() if done.returncode == 0 else done.stderr.strip().splitlines()[-1]

        hub.run = run
        yield hub


@needs_client
class TestHub:
    def test_what_is_pushed_comes_back(self, hub):
        drawn = hub.run(
            "address = push_to_hub(DIGITS, 'me/digits')\nassert address == 'hf://me/digits'\n"
            "print(load(address).sample(2, y=3, random_state=0).tolist())"
        )
        (files,) = hub.repositories["me/digits"]
        assert files == {path.name: path.read_bytes() for path in DIGITS.iterdir()}
        np.testing.assert_array_equal(json.loads(drawn), load(DIGITS).sample(2, y=3, random_state=0))
        # The card and its picture are for people alone.
        assert set(hub.downloads) == {path.name for path in DIGITS.iterdir()} - {"README.md", "samples.png"}

    def test_a_card_is_made_where_there_is_none(self, hub, tmp_path):
        (tmp_path / "bare").mkdir()
        for path in DIGITS.iterdir():
            if path.suffix in (".onnx", ".json"):
                shutil.copy(path, tmp_path / "bare")
        (tmp_path / "bare" / "notes.txt").write_text("mine")
        assert hub.run("print(push_to_hub('bare', 'me/bare'))") == "hf://me/bare"
        (files,) = hub.repositories["me/bare"]
        assert "notes.txt" not in files
        card = files["README.md"].decode()
        assert card.startswith("---\nlibrary_name: skvq\n")
        assert 'skvq.runtime.load("hf://me/bare")' in card

    def test_a_changed_file_is_refused(self, hub):
        hub.run("push_to_hub(DIGITS, 'me/digits')")
        files = hub.repositories["me/digits"][0]
        changed = {**files, "decoder.onnx": files["decoder.onnx"][:-1] + b"x"}
        hub.repositories["me/digits"].append(changed)
        assert "decoder.onnx must have the SHA-256" in hub.run("load('hf://me/digits')")
        assert hub.run(f"print(load('hf://me/digits@{oid('me/digits', 0)}').parts)").startswith("('encoder'")

    def test_a_file_over_the_limit_is_not_downloaded(self, hub):
        hub.run("push_to_hub(DIGITS, 'me/digits')")
        error = hub.run("load('hf://me/digits', max_bytes=1000)")
        assert "more than 1000" in error
        assert set(hub.downloads) == {"manifest.json"}

    @pytest.mark.parametrize(
        ("address", "files", "message"),
        [
            ("hf://me/none", None, "FileNotFoundError: There is no repository hf://me/none"),
            ("hf://me/one@" + "0" * 40, {}, "FileNotFoundError: There is no repository hf://me/one@000"),
            ("hf://me/one", {"model.bin": b""}, "hf://me/one is not an export of skvq: it has no manifest.json"),
            ("hf://me/one", {"manifest.json": b"{}"}, "hf://me/one was not written by skvq"),
        ],
    )
    def test_what_is_no_export(self, hub, address, files, message):
        if files is not None:
            hub.repositories["me/one"] = [files]
        assert message in hub.run(f"load({address!r})")

    def test_a_hub_that_cannot_be_reached(self, hub):
        error = hub.run(
            "import huggingface_hub.constants as c; c.HF_HUB_OFFLINE = True\nload('hf://me/digits')",
        )
        assert error.startswith("ConnectionError: The hub cannot be reached, and hf://me/digits")


@pytest.mark.parametrize("name", ["hf://digits", "hf://a/b/c", "hf://../x", "hf://", "hf://a b/c"])
def test_an_address_of_another_form(name):
    with pytest.raises(ValueError, match=r"name must be a repository of the hub, user/name; got .*hf://user/name"):
        load(name)


def test_what_is_pushed_must_be_an_export_folder(tmp_path):
    with pytest.raises(ValueError, match=r"folder must be an export folder"):
        push_to_hub(DIGITS / "encoder.onnx", "me/digits")
    with pytest.raises(ValueError, match="is not an export of skvq"):
        push_to_hub(tmp_path, "me/digits")


def test_without_the_client(monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(ImportError, match=r'pip install "skvq\[hub\]"'):
        load("hf://me/digits")
    with pytest.raises(ImportError, match=r'pip install "skvq\[hub\]"'):
        push_to_hub(DIGITS, "me/digits")


class TestShipped:
    def test_digits(self):
        assert load("digits").source.hashes == load(DIGITS).source.hashes

    def test_a_folder_of_that_name_comes_first(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        (tmp_path / "digits").mkdir()
        with pytest.raises(ValueError, match=r"no manifest\.json"):
            load("digits")

    def test_a_path_is_a_path(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        with pytest.raises(FileNotFoundError):
            load(Path("digits"))
