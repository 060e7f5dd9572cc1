"""Retina starts only if the model's digest, provider, input and output match the cache."""

import hashlib
import logging
from pathlib import Path

import onnxruntime
import pytest

from embark.settings import RetinaSettings
from embark.spec import Modality, Preprocessing, Provider
from embark.spec.encoder import ModelFile
from embark_testing.retina.models import install, mean_model, settings, token_model, words_tokenizer
from retina.errors import StartupError
from retina.load import load_encoder
from retina.models import obtain

LOG = logging.getLogger(__name__)


def sha256_digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def startup_error(loaded: RetinaSettings, folder: Path) -> str:
    with pytest.raises(StartupError) as caught:
        load_encoder(loaded, folder)
    return str(caught.value)


def test_a_model_in_the_folder_is_used_without_a_download(tmp_path: Path) -> None:
    digest = install(tmp_path, b"a model")
    path = obtain(ModelFile(uri="https://models.invalid/a.onnx", digest=digest), tmp_path, LOG)
    assert path.read_bytes() == b"a model"


def test_a_damaged_model_in_the_folder_is_refused_with_both_digests(tmp_path: Path) -> None:
    digest = install(tmp_path, b"a model")
    (tmp_path / f"{digest.replace(':', '-')}.onnx").write_bytes(b"a modem")
    with pytest.raises(StartupError) as caught:
        obtain(ModelFile(uri="https://models.invalid/a.onnx", digest=digest), tmp_path, LOG)
    assert digest in str(caught.value)
    assert sha256_digest(b"a modem") in str(caught.value)


def test_a_model_is_downloaded_once_and_stored_under_its_digest(tmp_path: Path) -> None:
    source = tmp_path / "source.onnx"
    source.write_bytes(b"a model")
    folder = tmp_path / "models"
    model = ModelFile(uri=source.as_uri(), digest=sha256_digest(b"a model"))
    path = obtain(model, folder, LOG)
    source.unlink()
    assert obtain(model, folder, LOG) == path
    assert [file.name for file in folder.iterdir()] == [f"sha256-{model.digest.removeprefix('sha256:')}.onnx"]
    assert path.stat().st_mode & 0o777 == 0o644


def test_a_download_with_another_digest_is_refused_with_both_digests_and_not_stored(tmp_path: Path) -> None:
    source = tmp_path / "source.onnx"
    source.write_bytes(b"another model")
    wanted = sha256_digest(b"a model")
    with pytest.raises(StartupError) as caught:
        obtain(ModelFile(uri=source.as_uri(), digest=wanted), tmp_path / "models", LOG)
    assert wanted in str(caught.value)
    assert sha256_digest(b"another model") in str(caught.value)
    assert list((tmp_path / "models").iterdir()) == []


def test_a_failed_download_is_refused_with_its_uri(tmp_path: Path) -> None:
    uri = (tmp_path / "nowhere.onnx").as_uri()
    with pytest.raises(StartupError, match="cannot be downloaded from file:"):
        obtain(ModelFile(uri=uri, digest=sha256_digest(b"")), tmp_path / "models", LOG)


def test_another_dimension_is_refused_with_both_dimensions(tmp_path: Path) -> None:
    message = startup_error(settings(install(tmp_path, mean_model(dimension=7)), dimension=9), tmp_path)
    assert message == "the cache declares dimension 9 for 'embedding'; the model's has shape [any, 7]"


def test_another_output_tensor_is_refused_with_both_names(tmp_path: Path) -> None:
    message = startup_error(settings(install(tmp_path, mean_model()), output_tensor="features"), tmp_path)
    assert message == "the cache declares the output tensor 'features'; the model has 'embedding'"


def test_a_model_for_another_profile_is_refused_with_both_shapes(tmp_path: Path) -> None:
    loaded = settings(install(tmp_path, mean_model()), preprocessing=Preprocessing.INCEPTION_299)
    message = startup_error(loaded, tmp_path)
    assert "299" in message
    assert "224" in message


def test_a_file_that_is_not_a_model_is_refused(tmp_path: Path) -> None:
    assert "cannot be loaded" in startup_error(settings(install(tmp_path, b"not a model")), tmp_path)


@pytest.mark.skipif("CUDAExecutionProvider" in onnxruntime.get_available_providers(), reason="has CUDA")
def test_a_missing_provider_is_refused_with_both_providers(tmp_path: Path) -> None:
    loaded = settings(install(tmp_path, mean_model())).model_copy(update={"provider": Provider.CUDA})
    message = startup_error(loaded, tmp_path)
    assert "CUDAExecutionProvider" in message
    assert "CPUExecutionProvider" in message


class _FallenBack:
    """A session that silently fell back to another provider, as ONNX Runtime does."""

    def __init__(self, *_: object, **__: object) -> None:
        pass

    def get_providers(self) -> list[str]:
        return ["CPUExecutionProvider"]


def test_a_provider_that_falls_back_is_refused_with_both_providers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CUDAExecutionProvider"])
    monkeypatch.setattr(onnxruntime, "InferenceSession", _FallenBack)
    loaded = settings(install(tmp_path, mean_model())).model_copy(update={"provider": Provider.CUDA})
    message = startup_error(loaded, tmp_path)
    assert "CUDAExecutionProvider" in message
    assert "CPUExecutionProvider" in message


def test_a_text_model_without_its_tokenizer_is_refused(tmp_path: Path) -> None:
    loaded = settings(install(tmp_path, token_model()), dimension=2, modality=Modality.TEXT)
    assert "embark.tokenizer" in startup_error(loaded, tmp_path)


def test_a_text_model_with_another_dimension_is_refused(tmp_path: Path) -> None:
    loaded = settings(install(tmp_path, token_model(words_tokenizer(["a"]))), dimension=3, modality=Modality.TEXT)
    assert "dimension 3" in startup_error(loaded, tmp_path)


def test_an_image_model_is_refused_for_texts(tmp_path: Path) -> None:
    loaded = settings(install(tmp_path, mean_model()), modality=Modality.TEXT)
    assert "input_ids" in startup_error(loaded, tmp_path)
