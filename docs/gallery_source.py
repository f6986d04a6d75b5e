"""The examples as sphinx-gallery wants them: a title, the figure that the script left, what was found, and the code.

The scripts stay as they are: their docstrings are what ``--help`` prints. :func:`write` puts copies with a title and
the figure into a folder that only the build reads. Nothing is run: an example trains for minutes, and its stored figure
shows what it found.
"""

import ast
import re
import shutil
from pathlib import Path
from typing import NamedTuple


class Example(NamedTuple):
    """What the gallery says of a script.

    Attributes
    ----------
    found : str
        What the stored figure's run found, in reStructuredText.
    figure : str
        What the stored figure shows; empty if there is none.
    """

    found: str
    figure: str = ""


EXAMPLES = {
    "quickstart": Example(
        "The main job from images to ONNX: 3 minutes.",
        "Originals, reconstructions, code maps and samples of the quickstart",
    ),
    "search_loss_weights": Example(
        "A grid search over generators, each an autoencoder and a prior, on 2,000 digits, with reconstructions, new "
        "digits, perplexity and bits of each pair; 5 minutes. From beta 0.1 to 1.5 the error falls by 13 % and the "
        "bits by 1 %.",
        "Reconstructions and new digits over beta and vq_weight, and rate against distortion",
    ),
    "mnist_generator": Example(
        "3 minutes on 5,000 digits, as here; 8 on all of MNIST. A classifier of real digits reads 84.9 % of the new "
        "ones as asked, and 93.6 % of test digits; they lie as far from the training digits as test digits do, at "
        "47.7 and 45.0 grey values.",
        "Reconstructions, code maps, new digits by label and the training digits nearest to them",
    ),
    "mnist_sample": Example(
        "New digits by label from what ``mnist_generator.py`` saved, and what temperature does; seconds. An image "
        "costs 134 bits at 1 and 93 at 0.5, where digits of a label look much alike.",
        "New digits by label at three temperatures",
    ),
    "mnist_likelihood": Example(
        "Bits per dimension, strangers told from digits, completions; half a minute, from what ``mnist_generator.py`` "
        "saved. Here with the prior of the table of new digits: clothes are told from digits by their codes (ROC area "
        "1.000), black images too (0.972), though these are rebuilt better than any digit.",
        "Completions of half digits, surprise code by code, and bits per image of digits and strangers",
    ),
    "brain_128": Example(
        "Slices at 128 × 128 from the zip as it comes, every term of the loss, bits a pixel; 8 minutes. Here of "
        "ds002748 in that layout: SSIM 0.968 for patients not trained on.",
        "Brains, their reconstructions and codes, and every term of the loss",
    ),
    "oasis_256": Example(
        "64 × 64 codes of 32, and 32 × 32 of 512 with a prior that is told the height, at 256 × 256; half an hour. "
        "Here the first keeps more (SSIM 0.956) at 0.062 bits a pixel, the second needs 0.034 (SSIM 0.937), and its "
        "new slices hold together better: one of the first's outgrows its frame.",
        "Slices, reconstructions, codes and sixteen new slices, for both choices",
    ),
    "oasis_80x80x3": Example(
        "SSIM as the loss, slices read from their files batch by batch; 3 minutes for the 1,536 slices shown here, "
        "with SSIM 0.952 for patients not trained on.",
        "Brains, their reconstructions and codes, the codebook, and the curves of training",
    ),
    "own_quantizer": Example(
        "A quantiser and an architecture of one's own, in one file; 3 minutes, 6 with the 10,000 digits shown here. "
        "Cosine codes have 1.13 times the default's error; a network of 37 % of the weights has 1.02 times.",
        "Digits as four ways rebuild them, with their errors and perplexities",
    ),
    "own_prior": Example(
        "A prior of one's own in one file, a small causal transformer that remembers keys and values, sampled and "
        "exported like any other; 4 minutes. On the 5,000 digits, as here, it needs 2.80 bits a code of unseen digits, "
        "where frequencies by left and upper code need 4.06.",
        "New digits by label, drawn by the transformer",
    ),
}

WIDTH_TO_HEIGHT = 400 / 280  # of a thumbnail

HEADER = """
Gallery
=======

Each script asks one question, prints what it found and ends in its figure. Times are on two cores. With ``--quick``
every script, the benchmarks too, runs in less than a minute and needs no data of yours. It then uses so little data
that its results mean nothing.

The brain examples take ``--data`` in the layout of the 2-D OASIS slices, ``oasis_256.py`` also an ``.npz`` file (see
:doc:`/benchmarks`), and say where to get some when there are none. ``examples/tutorial.ipynb`` is for those who come
from the Keras example of a VQ-VAE and PixelCNN: the same job in a few cells.

The pages show the figures that the scripts left when they were last run; nothing is run while this site is built.
"""


class InOrder:
    """Order the pages of the gallery as :data:`EXAMPLES` lists them."""

    def __init__(self, src_dir: str):
        self.order = list(EXAMPLES)

    def __call__(self, filename: str) -> int:
        return self.order.index(Path(filename).stem)


def write(examples: Path, folder: Path) -> None:
    """Write a copy of each example for sphinx-gallery into ``folder``."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / "GALLERY_HEADER.rst").write_text(HEADER.lstrip(), encoding="utf-8")
    for name, example in EXAMPLES.items():
        source = (examples / f"{name}.py").read_text(encoding="utf-8")
        (folder / f"{name}.py").write_text(page(name, example, source), encoding="utf-8")
        if example.figure:
            write_thumbnail(examples / "figures" / f"{name}.png", folder / f"{name}.png")


def write_thumbnail(figure: Path, path: Path) -> None:
    """Write the left part of a wide figure, so that something can be seen in a small picture."""
    from PIL import Image

    with Image.open(figure) as image:
        width = min(image.width, round(image.height * WIDTH_TO_HEIGHT))
        image.convert("RGB").crop((0, 0, width, image.height)).save(path)


def page(name: str, example: Example, source: str) -> str:
    """Return the script with a docstring that has a title, the figure, and what was found."""
    statement = ast.parse(source).body[0]
    title, text = titled(ast.get_docstring(ast.parse(source)))
    code = "".join(source.splitlines(keepends=True)[statement.end_lineno :])
    figure, thumbnail = f"../../examples/figures/{name}.png", f"_gallery_source/{name}.png"
    shown = f".. image:: {figure}\n   :alt: {example.figure}\n\n" if example.figure else ""
    thumbnail = f'# sphinx_gallery_thumbnail_path = "{thumbnail}"\n' if example.figure else ""
    docstring = f"{title}\n{'=' * len(title)}\n\n{text}\n\n{shown}{example.found}"
    return f'r"""\n{docstring}\n"""\n{thumbnail}{code}'


def titled(docstring: str) -> tuple[str, str]:
    """Return the question that a docstring begins with, and the rest, its commands as a literal block."""
    question, rest = re.fullmatch(r"(.*?\?)\s*(.*)", docstring, re.DOTALL).groups()
    return question.replace("\n", " "), re.sub(r"\n\n(?=    python )", "\n\n.. code-block:: text\n\n", rest, count=1)
