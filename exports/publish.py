"""What every recipe does once its estimators are fitted: export, verify the files, and write their model card.

The figures of a card are measured on rows that were not trained on, by running the files in onnxruntime and not the
estimators; the prior's bits alone are the estimator's, as no file that tells them is shipped.

A folder is a model repository as it stands: ``README.md`` is the card, with the front matter that model hubs read, and
shows ``samples.png``. ``skvq.runtime.push_to_hub`` uploads it.
"""

import argparse
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import skvq
from skvq import VQGenerator, metrics
from skvq.export._folder import check_target, write_folder
from skvq.export._manifest import with_companions
from skvq.runtime._description import COMPANIONS

HERE = Path(__file__).parent
PARTS = ("encoder", "decoder", "controlled_sampler", "generator")
MOST_BYTES = 2_000_000  # of a file, so that the repository stays small
N_SAMPLES = 80

CARD = """\
---
license: bsd-3-clause
library_name: skvq
pipeline_tag: unconditional-image-generation
tags:
{tags}
datasets:
- {dataset}
---

# {title}

{about}

![{n_shown} images drawn by generator.onnx](samples.png)

| file | kB | inputs | outputs |
|---|---|---|---|
{files}

Rows of `{dtype}` images {row_shape} become {code_shape} codes of {n_embeddings}. {classes}

In this folder, with onnxruntime alone:

```python
{usage}
```

`skvq.runtime.load(folder)` checks the files and has `transform`, `inverse_transform`, `reconstruct`, `sample` and
`complete`. It needs NumPy and onnxruntime alone.

## Measured

By running these files in onnxruntime on {n_test} rows, {test_data}; the prior's bits are those of the estimator:

{measured}

Against the estimators in Keras: {parity}

## Data, training, limits

{data}

{training}

{limits}

Made by `{command}`, with {versions}. SHA-256 of each file is in `manifest.json`.
"""


@dataclass(frozen=True)
class Recipe:
    """What a card says beside its figures.

    Parameters
    ----------
    name : str
        Of the folder.
    title, about, data, limits : str
        Sentences.
    dataset : str
        The name of the data on a model hub, for the card's front matter.
    test_data : str
        What ``X_test`` is, in words.
    command : str
        What makes all this.
    label : int or None
        Class that the card's lines of code draw, for a conditional prior.
    """

    name: str
    title: str
    about: str
    dataset: str
    data: str
    test_data: str
    limits: str
    command: str
    label: int | None = None


def parse(parser: argparse.ArgumentParser, arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Add what all recipes have, and parse."""
    parser.add_argument("--output", type=Path, help="where the folder goes (default: here)")
    parser.add_argument("--quick", action="store_true", help="one epoch of each: to see that it works; needs --output")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args(arguments)
    if args.output is None:
        if args.quick:
            parser.error("--quick needs --output FOLDER: files of one epoch must not replace the shipped ones.")
        args.output = HERE
    return args


def publish(
    recipe: Recipe,
    model: VQGenerator,
    X_test: np.ndarray,
    y_test: np.ndarray | None,
    args: argparse.Namespace,
) -> Path:
    """Export, verify and describe; return the folder. Until all is done, the folder published before stays.

    Raises
    ------
    SystemExit
        If a file is too large, or answers something else than the estimators do.
    ValueError
        If the folder holds anything but an earlier export.
    """
    target = check_target(args.output / recipe.name)
    args.output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{recipe.name}-", dir=args.output) as workshop:  # of the same disk
        made = make(recipe, model, X_test, y_test, args.seed, Path(workshop))
        write_folder(target, {path.name: path.read_bytes() for path in made.iterdir()})
    print(f"card: {target / 'README.md'}")
    return target


def make(
    recipe: Recipe, model: VQGenerator, X_test: np.ndarray, y_test: np.ndarray | None, seed: int, output: Path
) -> Path:
    """Write and verify the folder, with the card and the picture in it; return the folder."""
    folder = skvq.export_onnx(model, output / recipe.name, parts=PARTS)
    for path in folder.glob("*.onnx"):
        if path.stat().st_size > MOST_BYTES:
            raise SystemExit(
                f"{path.name} has {path.stat().st_size} bytes, more than {MOST_BYTES}: take fewer channels."
            )
    runtime = skvq.runtime.load(folder)
    parity = verify(runtime, model, X_test, seed)
    codes = runtime.transform(X_test)
    X_hat = runtime.inverse_transform(codes)
    low, high = model.vqvae_.data_range_
    n_embeddings = model.grid_.n_embeddings
    bits = model.prior_.bits_per_code(codes, y_test)
    uniform = metrics.uniform_bits(n_embeddings)
    figures = {
        "mean squared error, values scaled to [0, 1]": f"{metrics.mse(X_test, X_hat) / (high - low) ** 2:.5f}",
        "PSNR, mean over images": f"{metrics.psnr(X_test, X_hat, data_range=high - low):.2f} dB",
    }
    if min(model.vqvae_.image_shape_[:2]) >= 11:
        figures["SSIM, mean over images"] = f"{metrics.ssim(X_test, X_hat, data_range=high - low):.4f}"
    figures |= {
        "codes in use": f"{metrics.codes_in_use(codes, n_embeddings)} of {n_embeddings}",
        "perplexity of the codes": f"{metrics.perplexity(codes, n_embeddings):.1f}",
        "bits a code by the prior": f"{bits:.3f}, of {uniform:.3f} without one",
        "bits an image": f"{bits * model.grid_.n_codes:.0f}",
    }
    for name, figure in figures.items():
        print(f"{name:44s} {figure}")
    samples, labels = draw(runtime, seed)
    save_picture(samples, labels, (low, high), folder / "samples.png")
    card = text_of(recipe, runtime, model, figures, parity, len(X_test))
    (folder / "README.md").write_text(card, encoding="utf-8", newline="\n")
    manifest = folder / "manifest.json"
    manifest.write_bytes(with_companions(manifest.read_bytes(), COMPANIONS))
    return folder


def verify(runtime, model: VQGenerator, X_test: np.ndarray, seed: int) -> str:
    """Compare the files with the estimators, and say in a sentence how they agree."""
    expected, answered = model.transform(X_test), runtime.transform(X_test)
    equal = float((expected == answered).mean())
    images, images_hat = model.inverse_transform(expected[:100]), runtime.inverse_transform(expected[:100])
    difference = float(np.abs(images.astype(float) - images_hat.astype(float)).max())
    samples, labels = draw(runtime, seed)
    same = np.isclose(model.sample(len(samples), labels, random_state=seed), samples, atol=1.01)
    alike = float(same.reshape(len(samples), -1).all(axis=1).mean())
    low, high = model.vqvae_.data_range_
    unit = f"in the images' unit, of {high - low:g}"
    sentence = (
        f"{100 * equal:.3f} % of codes are equal, the decoder's values differ by at most {difference:.2g} {unit}, "
        f"and {100 * alike:.0f} % of {len(samples)} samples of one seed are the same image."
    )
    if equal < 0.999 or difference > 1.01 or alike < 0.9:
        raise SystemExit(f"The files do not answer as the estimators do: {sentence}")
    print(sentence)
    return sentence


def draw(runtime, seed: int) -> tuple[np.ndarray, np.ndarray | None]:
    """Return samples by the files, and their labels if there are any."""
    labels = None
    if runtime.classes is not None:
        labels = np.resize(np.asarray(runtime.classes), N_SAMPLES)
    return runtime.sample(N_SAMPLES, labels, random_state=seed), labels


def save_picture(samples: np.ndarray, labels: np.ndarray | None, data_range: tuple, path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    from skvq.plotting import SampleDisplay

    figure, ax = plt.subplots(figsize=(5, 6), layout="constrained")
    SampleDisplay(samples, labels, data_range=data_range).plot(ax, n_columns=8)
    figure.savefig(path, dpi=100)
    plt.close(figure)


def text_of(recipe: Recipe, runtime, model: VQGenerator, figures: dict, parity: str, n_test: int) -> str:
    """Return the model card."""
    parts, layout = runtime.source.parts, runtime.source.description.layout
    vqvae, prior = model.vqvae_, model.prior_
    shapes = {name: tensors(file.inputs) for name, file in parts.items()}
    outputs = {name: tensors(file.outputs) for name, file in parts.items()}
    rows = [
        f"| `{Path(file.name).name}` | {file.n_bytes / 1000:.0f} | {shapes[name]} | {outputs[name]} |"
        for name, file in parts.items()
    ]
    classes = "The prior knows no classes."
    if runtime.classes is not None:
        names = ", ".join(map(str, runtime.classes))
        classes = f"`labels` are places in the list of classes: {names}."
    return CARD.format(
        tags="\n".join(f"- {tag}" for tag in ("onnx", "vq-vae", "pixelcnn", "discrete-codes")),
        dataset=recipe.dataset,
        title=recipe.title,
        about=recipe.about,
        n_shown=N_SAMPLES,
        files="\n".join(rows),
        dtype=layout.dtype,
        row_shape=" × ".join(map(str, layout.row_shape)),
        code_shape=" × ".join(map(str, model.grid_.shape)),
        n_embeddings=model.grid_.n_embeddings,
        classes=classes,
        usage=usage(recipe, runtime),
        n_test=n_test,
        test_data=recipe.test_data,
        measured="\n".join(
            ["| measure | value |", "|---|---|", *(f"| {name} | {figure} |" for name, figure in figures.items())]
        ),
        parity=parity,
        data=recipe.data,
        training=f"`{changed(vqvae)}`: {vqvae.n_iter_} epochs. `{changed(prior)}`: {prior.n_iter_} epochs.",
        limits=recipe.limits,
        command=recipe.command,
        versions=", ".join(f"{name} {version}" for name, version in runtime.source.versions.items()),
    )


def tensors(described: list[dict]) -> str:
    """Return inputs or outputs in words."""
    return ", ".join(f"`{t['name']}` {t['dtype']} ({', '.join(map(str, t['shape']))})" for t in described)


def usage(recipe: Recipe, runtime) -> str:
    """Return lines of code that draw one image with onnxruntime alone."""
    lines = [
        "import numpy as np",
        "import onnxruntime",
        "",
        'session = onnxruntime.InferenceSession("generator.onnx")',
        f"uniforms = np.random.default_rng().random((1, {runtime.grid.n_codes}), dtype=np.float32)",
    ]
    labels = "" if recipe.label is None else f', "labels": np.array([{recipe.label}])'
    lines.append(f'inputs = {{"uniforms": uniforms, "temperature": np.array(0.9, np.float32){labels}}}')
    lines.append('image = session.run(["images"], inputs)[0]')
    return "\n".join(lines)


def changed(estimator) -> str:
    """Return an estimator as its constructor's call, with the parameters that are not its defaults."""
    defaults = type(estimator)().get_params()
    given = {name: value for name, value in estimator.get_params().items() if value != defaults[name]}
    for name in ("verbose", "grid"):  # the card names the grid elsewhere
        given.pop(name, None)
    return f"{type(estimator).__name__}({', '.join(f'{name}={value!r}' for name, value in given.items())})"
