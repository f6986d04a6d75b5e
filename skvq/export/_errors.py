"""What goes wrong on the way to an ONNX file."""


class ExportError(RuntimeError):
    """A model could not be converted, or the converted model does not do what the estimator does.

    Nothing has been written when it is raised.
    """
