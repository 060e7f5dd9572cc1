"""Which models Retina starts with: the digest, the provider, the input and the output are what the cache says."""

import hashlib
import logging
from pathlib import Path

import onnxruntime
import pytest

from embark.settings import RetinaSettings
from embark.spec import Modality, Preprocessing, Provider
from embark.spec.encoder import ModelFile
from embark_testing.retina.models import install, mean_model, settings, token_model, words_tokenizer
from retina.errors import RefusedError
from retina.load import load_encoder
from retina.models import obtain

LOG = logging.getLogger(__name__)


def digest_of(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def refusal(loaded: RetinaSettings, folder: Path) -> str:
    with pytest.raises(RefusedError) as caught:
        load_encoder(loaded, folder)
    return str(caught.value)


def test_a_model_that_is_there_is_taken_without_its_address(tmp_path: Path) -> None:
    digest = install(tmp_path, b"a model")
    path = obtain(ModelFile(uri="https://models.invalid/a.onnx", digest=digest), tmp_path, LOG)
    assert path.read_bytes() == b"a model"


def test_a_model_that_is_there_but_damaged_is_refused_with_both_digests(tmp_path: Path) -> None:
    digest = install(tmp_path, b"a model")
    (tmp_path / f"{digest.replace(':', '-')}.onnx").write_bytes(b"a modem")
    with pytest.raises(RefusedError) as caught:
        obtain(ModelFile(uri="https://models.invalid/a.onnx", digest=digest), tmp_path, LOG)
    assert digest in str(caught.value)
    assert digest_of(b"a modem") in str(caught.value)


def test_a_model_is_downloaded_once_and_kept_under_its_digest(tmp_path: Path) -> None:
    source = tmp_path / "source.onnx"
    source.write_bytes(b"a model")
    folder = tmp_path / "models"
    model = ModelFile(uri=source.as_uri(), digest=digest_of(b"a model"))
    path = obtain(model, folder, LOG)
    source.unlink()
    assert obtain(model, folder, LOG) == path
    assert [file.name for file in folder.iterdir()] == [f"sha256-{model.digest.removeprefix('sha256:')}.onnx"]
    assert path.stat().st_mode & 0o777 == 0o644


def test_a_download_with_another_digest_is_refused_with_both_and_not_kept(tmp_path: Path) -> None:
    source = tmp_path / "source.onnx"
    source.write_bytes(b"another model")
    wanted = digest_of(b"a model")
    with pytest.raises(RefusedError) as caught:
        obtain(ModelFile(uri=source.as_uri(), digest=wanted), tmp_path / "models", LOG)
    assert wanted in str(caught.value)
    assert digest_of(b"another model") in str(caught.value)
    assert list((tmp_path / "models").iterdir()) == []


def test_a_model_that_cannot_be_downloaded_is_refused_with_its_address(tmp_path: Path) -> None:
    uri = (tmp_path / "nowhere.onnx").as_uri()
    with pytest.raises(RefusedError, match="cannot be downloaded from file:"):
        obtain(ModelFile(uri=uri, digest=digest_of(b"")), tmp_path / "models", LOG)


def test_another_dimension_is_refused_with_both(tmp_path: Path) -> None:
    message = refusal(settings(install(tmp_path, mean_model(dimension=7)), dimension=9), tmp_path)
    assert message == "the cache says that 'embedding' has dimension 9; the model's has shape [any, 7]"


def test_another_output_tensor_is_refused_with_both(tmp_path: Path) -> None:
    message = refusal(settings(install(tmp_path, mean_model()), output_tensor="features"), tmp_path)
    assert message == "the cache names the output tensor 'features'; the model has 'embedding'"


def test_a_model_for_another_profile_is_refused_with_both_shapes(tmp_path: Path) -> None:
    loaded = settings(install(tmp_path, mean_model()), preprocessing=Preprocessing.INCEPTION_299)
    message = refusal(loaded, tmp_path)
    assert "299" in message
    assert "224" in message


def test_a_file_that_is_no_model_is_refused(tmp_path: Path) -> None:
    assert "cannot be loaded" in refusal(settings(install(tmp_path, b"no model")), tmp_path)


@pytest.mark.skipif("CUDAExecutionProvider" in onnxruntime.get_available_providers(), reason="has CUDA")
def test_a_provider_that_is_not_there_is_refused_with_both(tmp_path: Path) -> None:
    loaded = settings(install(tmp_path, mean_model())).model_copy(update={"provider": Provider.CUDA})
    message = refusal(loaded, tmp_path)
    assert "CUDAExecutionProvider" in message
    assert "CPUExecutionProvider" in message


class _FallenBack:
    """A session that took another provider than it was asked for, as ONNX Runtime does without saying so."""

    def __init__(self, *_: object, **__: object) -> None:
        pass

    def get_providers(self) -> list[str]:
        return ["CPUExecutionProvider"]


def test_a_provider_that_falls_back_is_refused_with_both(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CUDAExecutionProvider"])
    monkeypatch.setattr(onnxruntime, "InferenceSession", _FallenBack)
    loaded = settings(install(tmp_path, mean_model())).model_copy(update={"provider": Provider.CUDA})
    message = refusal(loaded, tmp_path)
    assert "CUDAExecutionProvider" in message
    assert "CPUExecutionProvider" in message


def test_a_text_model_without_its_tokenizer_is_refused(tmp_path: Path) -> None:
    loaded = settings(install(tmp_path, token_model()), dimension=2, modality=Modality.TEXT)
    assert "embark.tokenizer" in refusal(loaded, tmp_path)


def test_a_text_model_with_another_dimension_is_refused(tmp_path: Path) -> None:
    loaded = settings(install(tmp_path, token_model(words_tokenizer(["a"]))), dimension=3, modality=Modality.TEXT)
    assert "dimension 3" in refusal(loaded, tmp_path)


def test_an_image_model_is_refused_for_texts(tmp_path: Path) -> None:
    loaded = settings(install(tmp_path, mean_model()), modality=Modality.TEXT)
    assert "input_ids" in refusal(loaded, tmp_path)
