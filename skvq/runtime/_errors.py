"""What is wrong with a file that was to be run."""


class ModelFileError(ValueError):
    """A folder or file is no export of skvq, was changed since, or holds what the runtime refuses to run."""
