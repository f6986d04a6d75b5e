"""The swap of an export under Ctrl-C, kill -9, a full disk, other writers and other people's files."""

import json
import os
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from crash_points import events_of, interrupted_at, killed_at

from skvq._contract import writing
from skvq.export._folder import check_target, write_folder
from skvq.export._manifest import with_companions

pytest.importorskip("fcntl", reason="stops a process with the tools of Unix")


def export(letter):
    """The files of an export that are as good as any to the swap."""
    files = {f"{part}.onnx": part.encode() + letter for part in ("encoder", "decoder")}
    said = {"format": "skvq-export", "files": {name: {} for name in files}}
    return {**files, "manifest.json": json.dumps(said).encode()}


OLD, NEW = export(b" old"), export(b" new")


def content(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()} if folder.is_dir() else None


def write(target, files):
    write_folder(check_target(target), files)


@pytest.fixture(params=["in one step", "in two steps"])
def swap(request, monkeypatch):
    """Both ways to swap: the second is that of systems which cannot exchange two folders."""
    if request.param == "in two steps":
        monkeypatch.setattr(writing, "exchange", lambda first, second: False)
    elif not can_exchange():
        pytest.skip("this system or disk cannot exchange two folders")
    return request.param


def can_exchange():
    import tempfile
    from pathlib import Path

    with tempfile.TemporaryDirectory() as place:
        first, second = Path(place, "a"), Path(place, "b")
        first.mkdir()
        second.mkdir()
        return writing.exchange(first, second)


class TestCrashes:
    @pytest.mark.parametrize("stopped_at", [killed_at, interrupted_at])
    def test_the_old_or_the_new_at_every_event(self, swap, stopped_at, tmp_path):
        found = Counter()
        write(tmp_path / "probe", OLD)
        n_events = len(events_of(lambda: write(tmp_path / "probe", NEW)))
        assert n_events > 20
        for number in range(n_events):
            target = tmp_path / f"{number}" / "toy"
            write(target, OLD)
            assert stopped_at(number, lambda: write(target, NEW))  # noqa: B023
            state = content(target)
            if state is None:  # between the two steps: the next write finds it
                assert swap == "in two steps"
                assert stopped_at is killed_at
                found["in the workshop"] += 1
                (workshop,) = target.parent.iterdir()
                assert content(workshop / "old") == OLD
                assert content(workshop / "ready") == NEW
            else:
                assert state in (OLD, NEW)
                found["old" if state == OLD else "new"] += 1
            write(target, NEW)  # and what was left is gone
            assert content(target) == NEW
            assert os.listdir(target.parent) == ["toy"]
        assert found["old"] > 0
        assert found["new"] > 0
        assert found["in the workshop"] <= 1

    def test_the_first_export_is_there_or_not(self, swap, tmp_path):
        n_events = len(events_of(lambda: write(tmp_path / "probe" / "toy", NEW)))
        for number in range(n_events):
            target = tmp_path / f"{number}" / "toy"
            assert killed_at(number, lambda: write(target, NEW))  # noqa: B023
            assert content(target) in (None, NEW)
            write(target, NEW)
            assert os.listdir(target.parent) == ["toy"]

    @pytest.mark.parametrize("step", range(3))
    def test_interrupted_after_a_rename(self, swap, step, tmp_path, monkeypatch):
        """Ctrl-C arrives while a rename is in the kernel: it is done, and Python raises."""
        write(tmp_path / "toy", OLD)
        rename, calls = os.rename, []

        def interrupted(*arguments, **options):
            rename(*arguments, **options)
            calls.append(arguments)
            if len(calls) == step + 1:
                raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(os, "rename", interrupted)
            try:
                write(tmp_path / "toy", NEW)
            except KeyboardInterrupt:
                assert content(tmp_path / "toy") in (OLD, NEW)
            else:
                assert len(calls) <= step
        write(tmp_path / "toy", NEW)  # removes what an interrupted cleaning left
        assert os.listdir(tmp_path) == ["toy"]

    def test_a_full_disk(self, swap, tmp_path, monkeypatch):
        write(tmp_path / "toy", OLD)

        def fail(descriptor):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(os, "fsync", fail)
        with pytest.raises(OSError, match=r"No space left on device: .*toy"):
            write(tmp_path / "toy", NEW)
        assert content(tmp_path / "toy") == OLD
        assert os.listdir(tmp_path) == ["toy"]


class TestOthers:
    def test_what_came_meanwhile_stays(self, swap, tmp_path):
        write(tmp_path / "toy", OLD)
        target = check_target(tmp_path / "toy")
        (target / "notes.txt").write_text("mine")
        with pytest.raises(ValueError, match=r"nothing else in it; got .* with notes\.txt"):
            write_folder(target, NEW)
        assert content(target) == {**OLD, "notes.txt": b"mine"}
        assert os.listdir(tmp_path) == ["toy"]

    def test_what_comes_in_the_last_moment_stays(self, swap, tmp_path, monkeypatch):
        write(tmp_path / "toy", OLD)
        rename = os.rename

        def late(source, target, **options):
            if os.path.basename(source) == "new":
                (tmp_path / "toy" / "notes.txt").write_text("mine")
            rename(source, target, **options)

        monkeypatch.setattr(os, "rename", late)
        with pytest.raises(ValueError, match=r"path must stay as it is while it is written; .*came notes\.txt"):
            write(tmp_path / "toy", NEW)
        assert content(tmp_path / "toy") == {**OLD, "notes.txt": b"mine"}
        assert os.listdir(tmp_path) == ["toy"]

    @pytest.mark.parametrize("name", ["thesis.docx", "photos", "../other", "link.onnx", "folder.onnx"])
    def test_a_manifest_may_not_claim_other_names(self, tmp_path, name):
        folder = tmp_path / "mine"
        folder.mkdir()
        (tmp_path / "other").write_text("x")
        if name == "link.onnx":
            (folder / name).symlink_to(tmp_path / "other")
        elif name in ("photos", "folder.onnx"):
            (folder / name).mkdir()
        else:
            (folder / name).write_text("x")
        (folder / "manifest.json").write_text(json.dumps({"format": "skvq-export", "files": {name: {}}}))
        if name == "../other":
            write(folder, NEW)
            assert (tmp_path / "other").read_text() == "x"
        else:
            with pytest.raises(ValueError, match=f"nothing else in it; got .* with {name}"):
                write(folder, NEW)
            assert os.path.lexists(folder / name)

    def test_a_companion_is_replaced_if_the_manifest_names_it(self, tmp_path):
        with_card = {**OLD, "README.md": b"card"}
        with_card["manifest.json"] = with_companions(OLD["manifest.json"], ["README.md"])
        write(tmp_path / "toy", with_card)
        write(tmp_path / "toy", NEW)
        assert content(tmp_path / "toy") == NEW
        (tmp_path / "toy" / "README.md").write_text("mine")
        with pytest.raises(ValueError, match=r"nothing else in it; got .* with README\.md"):
            write(tmp_path / "toy", OLD)
        assert content(tmp_path / "toy") == {**NEW, "README.md": b"mine"}

    def test_a_manifest_may_not_claim_other_companions(self, tmp_path):
        claimed = {**OLD, "manifest.json": with_companions(OLD["manifest.json"], ["thesis.docx"])}
        write(tmp_path / "toy", claimed)
        (tmp_path / "toy" / "thesis.docx").write_text("mine")
        with pytest.raises(ValueError, match=r"nothing else in it; got .* with thesis\.docx"):
            write(tmp_path / "toy", NEW)

    def test_the_first_export_of_another_in_the_last_moment_is_replaced(self, swap, tmp_path, monkeypatch):
        rename = os.rename

        def after_another(source, target):
            if os.path.basename(target) == "toy" and not os.path.exists(target):
                os.mkdir(target)
                for name, data in OLD.items():
                    with open(os.path.join(target, name), "wb") as file:
                        file.write(data)
            rename(source, target)

        with monkeypatch.context() as patch:
            patch.setattr(os, "rename", after_another)
            # Where two steps are needed, the other's export comes between them again and again.
            if swap == "in one step":
                write(tmp_path / "toy", NEW)
                assert content(tmp_path / "toy") == NEW
                assert os.listdir(tmp_path) == ["toy"]
                return
            with pytest.raises(OSError, match="toy"):
                write(tmp_path / "toy", NEW)
        assert content(tmp_path / "toy") == OLD

    def test_eight_writers(self, swap, tmp_path):
        exports = [export(b" %d" % number) for number in range(8)]
        with ThreadPoolExecutor(8) as pool:
            runs = [pool.submit(write, tmp_path / "toy", files) for files in exports]
        errors = [run.exception() for run in runs if run.exception() is not None]
        assert content(tmp_path / "toy") in exports
        if swap == "in one step":
            assert not errors
            assert os.listdir(tmp_path) == ["toy"]
        else:  # one may come between the two steps of another, which is told
            assert all(isinstance(error, (OSError, ValueError)) for error in errors)

    def test_a_reader_beside_a_writer_sees_whole_folders(self, tmp_path):
        if not can_exchange():
            pytest.skip("this system or disk cannot exchange two folders")
        target, is_done = tmp_path / "toy", threading.Event()
        write(target, OLD)
        seen = Counter()

        def read():
            while not is_done.is_set():
                descriptor = os.open(target, os.O_RDONLY)  # there at any time
                os.close(descriptor)
                seen["there"] += 1

        reader = threading.Thread(target=read)
        reader.start()
        for number in range(20):
            write(target, export(b"%d" % number))
        is_done.set()
        reader.join()
        assert seen["there"] > 20
