"""Encode any number of images into a file, and go on where an earlier run was stopped.

Codes are appended to ``OUT.partial``, a .npy file of the smallest dtype that holds them. ``OUT.progress`` says how many
of its rows are complete, of which model and of which images. It is replaced in one step, after the rows are on the
disk, so a process may be killed at any moment. At the end the partial file becomes the result: it is renamed, or copied
into a zarr array or a Parquet file.
"""

import io
import json
import os
import shutil
import sys
import time
from collections.abc import Callable
from contextlib import closing
from importlib import import_module
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from skvq._contract.errors import InvalidInputError, invalid, printable
from skvq._contract.mapped import from_disk
from skvq._contract.writing import check_file_target, expanded, hold, named_errors, sync_folder, write_file

from ._images import ImageInput
from ._runtime import Runtime

FORMAT_VERSION = 1
SAVED_EVERY = 2.0  # seconds
ROWS_AT_ONCE = 2**16  # copied into a zarr array or a Parquet file
SUFFIXES = (".npy", ".zarr", ".parquet")


def transform_file(
    runtime: Runtime, images: ImageInput, out: str | os.PathLike, report: Callable[[int, int], None] | None = None
) -> int:
    """Write the codes of all images to a file.

    Parameters
    ----------
    runtime : Runtime
    images : ImageInput
    out : path-like
        ``.npy``: codes (n, n_codes). ``.zarr``: the same, in chunks. ``.parquet``: a column ``codes`` of lists, and a
        column ``path`` where the images are files. Codes have the smallest dtype that holds them. A file is replaced.
    report : callable, optional
        ``report(n_done, n_rows)``, after each part.

    Returns
    -------
    int
        Rows that an earlier run had done.

    Raises
    ------
    InvalidInputError
        If ``out`` has another suffix, is a folder that exists, was begun with another model or other images, or is
        written by another process.
    ImportError
        If a package that writes it is missing.
    """
    run = _Run(runtime, images, Path(expanded(out, "out", "a name such as codes.npy")))
    if run.is_finished():
        run.forget()
        return run.shape[0]
    with named_errors(out), run.opened() as file:
        begun = run.resume(file)
        run.encode(file, begun, report)
        run.finish()
    return begun


class _Run:
    """One result in the making: its partial file and its record of progress."""

    def __init__(self, runtime: Runtime, images: ImageInput, out: Path):
        if out.suffix not in SUFFIXES:
            raise invalid("out", f"end in {', '.join(SUFFIXES)}", repr(out.name), "Choose a name such as codes.npy.")
        if out.suffix == ".zarr" and out.exists() and not out.with_name(f"{out.name}.progress").exists():
            raise invalid("out", "be new", f"{printable(out)}, which exists", "Remove it, or choose another name.")
        self.runtime, self.images = runtime, images
        self.out = out if out.suffix == ".zarr" else check_file_target(out)
        self.write: Callable[[Path, Path], None] = {
            ".npy": os.replace,
            ".zarr": self._write_zarr,
            ".parquet": self._write_parquet,
        }[out.suffix]
        _check_installed(out.suffix)
        self.partial = check_file_target(self.out.with_name(self.out.name + ".partial"))
        self.progress = check_file_target(self.out.with_name(self.out.name + ".progress"))
        self.shape = (images.rows.shape[0], runtime.grid.n_codes)
        self.dtype = runtime.grid.dtype
        self.identity = {
            "format_version": FORMAT_VERSION,
            "model": runtime.source.hashes,
            "images": images.fingerprint,
            "shape": list(self.shape),
            "dtype": str(self.dtype),
        }

    def opened(self) -> BinaryIO:
        """Return the partial file, locked."""
        descriptor = os.open(self.partial, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o666)
        file = open(descriptor, "r+b")  # noqa: SIM115
        if not hold(file.fileno(), self.partial):
            file.close()
            raise InvalidInputError(
                f"out must not be written by two processes; got {printable(self.out)}, which another one is writing. "
                "Wait for it, or choose another name."
            )
        return file

    def resume(self, file: BinaryIO) -> int:
        """Return the number of rows that are done, with the file cut off after them."""
        n_done = self._recorded()
        header = _header(self.shape, self.dtype)
        n_bytes = len(header) + n_done * self._row_bytes
        if not n_done or os.fstat(file.fileno()).st_size < n_bytes:
            n_done, n_bytes = 0, len(header)
            file.seek(0)
            file.write(header)
            self._record(file, 0)
        file.truncate(n_bytes)
        file.seek(n_bytes)
        return n_done

    def encode(self, file: BinaryIO, n_done: int, report: Callable[[int, int], None] | None) -> None:
        """Append the codes of the remaining rows."""
        saved = time.monotonic()
        with closing(self.runtime.codes_in_parts(self.images.rows, n_done)) as parts:
            try:
                for codes in parts:
                    file.write(np.ascontiguousarray(codes, self.dtype).data)
                    n_done += len(codes)
                    if time.monotonic() - saved > SAVED_EVERY:
                        self._record(file, n_done)
                        saved = time.monotonic()
                    if report is not None:
                        report(n_done, self.shape[0])
            finally:  # also after an error: what is done stays done
                self._record(file, n_done)

    def finish(self) -> None:
        """Make the result of the partial file, and remove what is not needed any more."""
        self.write(self.partial, self.out)
        sync_folder(self.out.parent)
        self.forget()

    def is_finished(self) -> bool:
        """Whether an earlier run was stopped after its last step, before it could remove its record."""
        return not self.partial.exists() and self.out.exists() and self._recorded() == self.shape[0] > 0

    def forget(self) -> None:
        """Remove the record of progress, and the partial file if it is still there."""
        self.progress.unlink()
        self.partial.unlink(missing_ok=True)

    @property
    def _row_bytes(self) -> int:
        return self.shape[1] * self.dtype.itemsize

    def _recorded(self) -> int:
        try:
            record = json.loads(self.progress.read_text())
            n_done = record.pop("rows_done")
        except FileNotFoundError:
            return 0
        except (ValueError, KeyError, TypeError, AttributeError):
            record, n_done = {}, 0
        different = [name for name in self.identity if self.identity[name] != record.get(name)]
        if different:
            raise InvalidInputError(
                f"out must be new, or begun with the same model and images; got {printable(self.out)}, whose record "
                f"{printable(self.progress.name)} differs in {', '.join(different)}. Choose another name, or remove "
                f"{printable(self.progress.name)} to begin anew."
            )
        return n_done if isinstance(n_done, int) and 0 <= n_done <= self.shape[0] else 0

    def _record(self, file: BinaryIO, n_done: int) -> None:
        file.flush()
        os.fsync(file.fileno())
        write_file(self.progress, json.dumps({**self.identity, "rows_done": n_done}).encode())

    def _write_zarr(self, partial: Path, out: Path) -> None:
        import zarr

        made = out.with_name(out.name + ".making")
        shutil.rmtree(made, ignore_errors=True)
        codes = from_disk(np.load(partial, mmap_mode="r"))
        chunks = (max(1, min(ROWS_AT_ONCE, self.shape[0])), self.shape[1])
        array = zarr.create_array(str(made), shape=self.shape, chunks=chunks, dtype=self.dtype)
        array.attrs.update(self._meaning())
        for start in range(0, self.shape[0], ROWS_AT_ONCE):
            array[start : start + ROWS_AT_ONCE] = codes[slice(start, start + ROWS_AT_ONCE)]
        shutil.rmtree(out, ignore_errors=True)  # of an earlier run, whose record is still there
        os.replace(made, out)

    def _write_parquet(self, partial: Path, out: Path) -> None:
        import pyarrow
        from pyarrow.parquet import ParquetWriter

        made = out.with_name(out.name + ".making")
        codes = from_disk(np.load(partial, mmap_mode="r"))
        item = pyarrow.from_numpy_dtype(self.dtype)
        fields = [("codes", pyarrow.list_(item, self.shape[1]))]
        if self.images.names is not None:
            fields.insert(0, ("path", pyarrow.string()))
        schema = pyarrow.schema(fields).with_metadata({"skvq": json.dumps(self._meaning())})
        with ParquetWriter(made, schema) as writer:
            for start in range(0, self.shape[0], ROWS_AT_ONCE):
                some = slice(start, start + ROWS_AT_ONCE)
                values = pyarrow.array(np.ravel(codes[some]), item)
                columns = [pyarrow.FixedSizeListArray.from_arrays(values, self.shape[1])]
                if self.images.names is not None:
                    columns.insert(0, pyarrow.array(self.images.names[some], pyarrow.string()))
                writer.write_table(pyarrow.Table.from_arrays(columns, schema=schema))
        os.replace(made, out)

    def _meaning(self) -> dict[str, Any]:
        return {"grid": self.runtime.grid.as_json(), "model": self.runtime.source.hashes}


class Progress:
    """A line on a terminal that says how far it is; elsewhere a line every half minute."""

    def __init__(self) -> None:
        self.start = self.shown = time.monotonic()
        self.first: int | None = None
        self.in_terminal = sys.stderr.isatty()

    def __call__(self, n_done: int, n_rows: int) -> None:
        now = time.monotonic()
        if self.first is None:
            self.first, self.start = n_done, now
        if now - self.shown < (0.2 if self.in_terminal else 30) and n_done < n_rows:
            return
        self.shown = now
        rate = (n_done - self.first) / max(now - self.start, 1e-9)
        rest = f", {(n_rows - n_done) / rate:,.0f} s left" if rate and n_done < n_rows else ""
        bar = "█" * (20 * n_done // max(1, n_rows))
        line = f"{bar:<20} {n_done:,} of {n_rows:,} images, {rate:,.0f} a second{rest}"
        end = "\n" if n_done == n_rows or not self.in_terminal else ""
        print(f"\r\x1b[K{line}" if self.in_terminal else line, end=end, file=sys.stderr, flush=True)


def _header(shape: tuple[int, int], dtype: np.dtype) -> bytes:
    stream = io.BytesIO()
    described = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(stream, described)
    return stream.getvalue()


def _check_installed(suffix: str) -> None:
    """Raise before hours of work if the package that writes the result is missing."""
    module = {".zarr": "zarr", ".parquet": "pyarrow"}.get(suffix)
    if module is None:
        return
    try:
        import_module(module)
    except ImportError as missing:
        raise ImportError(
            f"{suffix} files need {module}, which is not installed. Install it with `pip install {module}`, or write a "
            ".npy file."
        ) from missing
