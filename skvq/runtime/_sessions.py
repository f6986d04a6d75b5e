"""Open models with onnxruntime, and run them row by row in batches of one size, within a time."""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnxruntime

from skvq._contract.counts import check_count
from skvq._contract.description import ModelDescription
from skvq._contract.errors import ModelFileError, invalid, printable

from ._agreement import check_answer, check_session
from ._source import PartFile

Providers = Sequence[str | tuple[str, Mapping[str, Any]]] | None
_SILENT = 4  # onnxruntime's own log would print names from the file as they are
_MOST_CHARACTERS = 400


@dataclass(frozen=True)
class SessionOptions:
    """How models are run.

    Parameters
    ----------
    providers : list
        Of onnxruntime, in order of preference.
    threads : int or None
        Within an operator; None leaves it to onnxruntime.
    batch_size : int
        Rows to a run.
    timeout : float or None
        Seconds that one run may take; None for any.
    """

    providers: list[Any]
    threads: int | None
    batch_size: int
    timeout: float | None

    @classmethod
    def checked(
        cls, providers: Providers, threads: int | None, batch_size: int, timeout: float | None
    ) -> "SessionOptions":
        """Return the options, if models can be run with them.

        Raises
        ------
        InvalidInputError
            If this onnxruntime has no such provider, or a number is out of its range.
        """
        is_number = isinstance(timeout, (int, float, np.number)) and not isinstance(timeout, (bool, np.bool_))
        if timeout is not None and not (is_number and 0 < timeout <= threading.TIMEOUT_MAX):
            raise invalid(
                "timeout", "be a number of seconds above 0, or None", repr(timeout), "None waits as long as it takes."
            )
        return cls(
            check_providers(providers),
            None if threads is None else check_count("threads", threads),
            check_count("batch_size", batch_size),
            None if timeout is None else float(timeout),
        )


def check_providers(providers: Providers) -> list[Any]:
    """Return onnxruntime providers to use; None is the CPU, on which exports are compared.

    Raises
    ------
    InvalidInputError
        If they are no list, or this onnxruntime has no such provider.
    """
    available = onnxruntime.get_available_providers()
    rule = f"be a list of some that this onnxruntime has, {', '.join(available)}"
    if isinstance(providers, str):  # a sequence too, of letters
        raise invalid("providers", rule, f"the str {providers!r}", f"Put it in a list: [{providers!r}].")
    providers = ["CPUExecutionProvider"] if providers is None else list(providers)
    names = [provider if isinstance(provider, str) else provider[0] for provider in providers]
    if not names or not set(names) <= set(available):
        way_out = "Install another build, such as onnxruntime-gpu, for more."
        raise invalid("providers", rule, ", ".join(names) or "none", way_out)
    return providers


class Part:
    """One model, open and ready to run; any number of threads may share it.

    Parameters
    ----------
    file : PartFile
    data : bytes
        Of the file, after all checks that need no onnxruntime.
    model : ModelDescription
    options : SessionOptions

    Raises
    ------
    ModelFileError
        If onnxruntime cannot open it, or its inputs and outputs are not those that the file describes.
    """

    def __init__(self, file: PartFile, data: bytes, model: ModelDescription, options: SessionOptions):
        self.file, self.model, self.options = file, model, options
        settings = onnxruntime.SessionOptions()
        # Otherwise bytes may pass as onnxruntime's own format, which is not looked through.
        settings.add_session_config_entry("session.load_model_format", "ONNX")
        settings.log_severity_level = _SILENT
        if options.threads is not None:
            settings.intra_op_num_threads = options.threads
        try:
            self.session = onnxruntime.InferenceSession(data, settings, providers=options.providers)
        except Exception as error:  # onnxruntime's own exceptions share no base class
            raise ModelFileError(
                f"{file.name} cannot be opened by onnxruntime {onnxruntime.__version__}: {_shortened(error)}. "
                "Export the model again, or install the onnxruntime that skvq is tested with."
            ) from error
        described = {"inputs": file.inputs, "outputs": file.outputs}
        check_session(described, self.session.get_inputs(), self.session.get_outputs(), file.name)

    def run(self, rows: Mapping[str, np.ndarray], size: int | None = None, **shared: np.ndarray) -> np.ndarray:
        """Run all rows in batches of one size, the last one padded, so that no row's answer depends on its neighbours.

        Parameters
        ----------
        rows : mapping of str to ndarray
            Role of an input -> one row each.
        size : int, optional
            Rows to a run.
        **shared
            Role of an input -> what all rows share.

        Returns
        -------
        ndarray
            Without any rows, an empty one of the right shape; the model is not run then, since older versions of
            onnxruntime end the process over empty batches.
        """
        size = size or self.options.batch_size
        names = {tensor["role"]: tensor["name"] for tensor in self.file.inputs}
        output = self.file.outputs[0]
        n_rows = len(next(iter(rows.values())))
        answers = [np.empty((0, *output["shape"][1:]), output["dtype"])]
        for start in range(0, n_rows, size):
            feed = {names[role]: value for role, value in shared.items() if role in names}
            for role, array in rows.items():
                batch = array[start : start + size]
                missing = size - len(batch)
                feed[names[role]] = np.concatenate([batch, np.repeat(batch[:1], missing, axis=0)]) if missing else batch
            answer = self._answer(feed)
            check_answer(self.file.kind, answer, size, self.model, self.file.name)
            answers.append(answer[: n_rows - start])
        return np.concatenate(answers)

    def _answer(self, feed: dict[str, np.ndarray]) -> np.ndarray:
        options = onnxruntime.RunOptions()
        options.log_severity_level = _SILENT
        timer = None
        if self.options.timeout is not None:
            timer = threading.Timer(self.options.timeout, setattr, (options, "terminate", True))
            timer.daemon = True
            timer.start()
        try:
            return self.session.run(None, feed, options)[0]
        except Exception as error:  # onnxruntime's own exceptions share no base class
            if options.terminate:
                raise TimeoutError(
                    f"{self.file.name} did not answer within timeout={self.options.timeout:g} seconds. "
                    "Pass a longer timeout or a smaller batch_size to load, or do not trust the file."
                ) from error
            raise ModelFileError(
                f"{self.file.name} failed in onnxruntime {onnxruntime.__version__}: {_shortened(error)}"
            ) from error
        finally:
            if timer is not None:
                timer.cancel()


def _shortened(error: Exception) -> str:
    text = printable(error)
    return text if len(text) <= _MOST_CHARACTERS else text[:_MOST_CHARACTERS] + "…"
