"""Files are written whole or not at all, at a regular file's place or a new one, whenever the process is stopped."""

import os
import stat
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path

import pytest
from crash_points import events_of, interrupted_at, killed_at

import skvq
from skvq._contract.writing import exchange, expanded, remove_strays, temporary_name, write_file

OLD, NEW = b"old" * 1000, b"new" * 2000
needs_unix = pytest.mark.skipif(not hasattr(os, "fork"), reason="stops a process with the tools of Unix")


class TestContent:
    @pytest.mark.parametrize("data", [b"", b"x", NEW, bytearray(NEW), memoryview(NEW)])
    def test_it_is_what_was_given(self, tmp_path, data):
        for _ in range(2):  # new, and in place of itself
            assert write_file(tmp_path / "x", data) == tmp_path / "x"
            assert (tmp_path / "x").read_bytes() == bytes(data)
        assert os.listdir(tmp_path) == ["x"]

    def test_permissions_stay(self, tmp_path):
        os.umask(mask := os.umask(0))
        write_file(tmp_path / "x", OLD)
        assert stat.S_IMODE(os.stat(tmp_path / "x").st_mode) == 0o666 & ~mask
        os.chmod(tmp_path / "x", 0o640)
        write_file(tmp_path / "x", NEW)
        assert stat.S_IMODE(os.stat(tmp_path / "x").st_mode) == 0o640

    @pytest.mark.parametrize("name", ["n" * 255, "ä" * 127, "a b", "-x", "\udcff"])
    def test_any_name(self, tmp_path, name):
        write_file(tmp_path / name, NEW)
        assert (tmp_path / name).read_bytes() == NEW
        assert os.listdir(tmp_path) == [name]

    def test_home(self, tmp_path, monkeypatch):
        monkeypatch.setenv("HOME", str(tmp_path))
        assert write_file("~/x", NEW) == tmp_path / "x"
        assert expanded("~/x") == str(tmp_path / "x")

    def test_links_stay(self, tmp_path):
        write_file(tmp_path / "x", OLD)
        (tmp_path / "link").symlink_to("x")
        (tmp_path / "nowhere").symlink_to("y")
        for link, target in (("link", "x"), ("nowhere", "y")):
            write_file(tmp_path / link, NEW)
            assert (tmp_path / link).is_symlink()
            assert (tmp_path / target).read_bytes() == NEW


class TestRefusals:
    @pytest.mark.parametrize("path", [None, 3, "", ["x"]])
    def test_no_paths(self, path):
        with pytest.raises(TypeError, match="path must be a str or path-like object; got"):
            write_file(path, NEW)

    def test_no_character_that_ends_names(self):
        with pytest.raises(ValueError, match="path must hold no NUL character"):
            write_file("a\0b", NEW)

    def test_no_folder(self, tmp_path):
        with pytest.raises(FileNotFoundError, match=r"path must lie in a folder that exists; got .*none/x"):
            write_file(tmp_path / "none" / "x", NEW)
        with pytest.raises(IsADirectoryError, match="path must be a file, or a new name; got"):
            write_file(tmp_path, NEW)
        assert os.listdir(tmp_path) == []

    @needs_unix
    def test_no_regular_file(self, tmp_path):
        """A device is replaced as a pipe would be, which needs no rights to be made."""
        os.mkfifo(tmp_path / "pipe")
        (tmp_path / "circle").symlink_to("circle")
        for name, words in (("pipe", "a pipe"), ("circle", "a link in a circle|Too many levels")):
            with pytest.raises((ValueError, OSError), match=words):
                write_file(tmp_path / name, NEW)
        assert stat.S_ISFIFO(os.stat(tmp_path / "pipe").st_mode)
        assert sorted(os.listdir(tmp_path)) == ["circle", "pipe"]

    @needs_unix
    def test_what_comes_meanwhile_stays(self, tmp_path, monkeypatch):
        fsync = os.fsync

        def pipe_comes(descriptor):
            fsync(descriptor)
            if not os.path.lexists(tmp_path / "x"):
                os.mkfifo(tmp_path / "x")

        monkeypatch.setattr(os, "fsync", pipe_comes)
        with pytest.raises(ValueError, match="which is a pipe"):
            write_file(tmp_path / "x", NEW)
        assert os.listdir(tmp_path) == ["x"]

    @pytest.mark.parametrize("step", ["write", "fsync", "replace"])
    def test_a_full_disk_names_the_path(self, tmp_path, monkeypatch, step):
        write_file(tmp_path / "x", OLD)

        def fail(*arguments):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(os, step, fail)
        with pytest.raises(OSError, match="No space left on device") as caught:
            write_file(tmp_path / "x", NEW)
        assert caught.value.filename == str(tmp_path / "x")
        monkeypatch.undo()
        assert (tmp_path / "x").read_bytes() == OLD
        assert os.listdir(tmp_path) == ["x"]


@needs_unix
class TestCrashes:
    @pytest.mark.parametrize("stopped_at", [killed_at, interrupted_at])
    def test_the_old_or_the_new_at_every_event(self, tmp_path, stopped_at):
        target, found = tmp_path / "x", Counter()
        write_file(target, OLD)
        n_events = len(events_of(lambda: write_file(target, NEW)))
        assert n_events > 5
        for number in range(n_events):
            write_file(target, OLD)
            assert stopped_at(number, lambda: write_file(target, NEW))
            found[target.read_bytes()] += 1
            if stopped_at is interrupted_at:
                assert os.listdir(tmp_path) == ["x"]
            write_file(target, OLD)  # and what was left is gone
            assert os.listdir(tmp_path) == ["x"]
        assert set(found) == {OLD, NEW}

    def test_strays_of_others_stay(self, tmp_path):
        others, held = temporary_name(tmp_path / "y"), temporary_name(tmp_path / "x")
        for path in (others, held):
            path.write_bytes(b"")
        import fcntl

        with open(held) as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            write_file(tmp_path / "x", NEW)
            assert sorted(os.listdir(tmp_path)) == sorted(["x", others.name, held.name])
        remove_strays(tmp_path / "x", Path.unlink)
        assert sorted(os.listdir(tmp_path)) == sorted(["x", others.name])

    def test_eight_writers(self, tmp_path):
        contents = [bytes([number]) * 10_000 for number in range(8)]

        def write(content):
            for _ in range(10):
                write_file(tmp_path / "x", content)
                assert (tmp_path / "x").read_bytes() in contents

        threads = [threading.Thread(target=write, args=(content,)) for content in contents]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert os.listdir(tmp_path) == ["x"]

    def test_two_processes(self, tmp_path):
        """Neither takes the other's temporary file for a stray."""
        script = (
            "import sys; from skvq._contract.writing import write_file\n"
            "for _ in range(50): write_file(sys.argv[1], sys.argv[2].encode() * 1000)"
        )
        command = [sys.executable, "-c", script, str(tmp_path / "x")]
        root = Path(skvq.__file__).parents[1]
        writers = [subprocess.Popen([*command, letter], cwd=root, stderr=subprocess.PIPE) for letter in "ab"]
        for writer in writers:
            errors = writer.communicate()[1]
            assert writer.returncode == 0, errors.decode()
        assert (tmp_path / "x").read_bytes() in (b"a" * 1000, b"b" * 1000)
        assert os.listdir(tmp_path) == ["x"]


def test_exchange(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "in a").touch()
    (tmp_path / "b").mkdir()
    if not exchange(tmp_path / "a", tmp_path / "b"):
        pytest.skip("this system or disk cannot exchange two folders")
    assert os.listdir(tmp_path / "b") == ["in a"]
    with pytest.raises(FileNotFoundError):
        exchange(tmp_path / "a", tmp_path / "none")
    assert os.listdir(tmp_path / "b") == ["in a"]
