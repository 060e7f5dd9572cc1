"""`spec.encoder`: the model and its input, which together determine the space."""

from enum import StrEnum
from typing import Annotated, Final, Self

from pydantic import Field, StringConstraints, model_validator

from embark.spec.model import Model
from embark.spec.networks import Network
from embark.spec.quantities import Duration, PositiveSize, Timeout

DIGEST_PATTERN: Final = r"^sha256:[0-9a-f]{64}$"
URI_PATTERN: Final = r"^(https|http|s3|gs|file)://.+$"


class Modality(StrEnum):
    """What a key is."""

    IMAGE = "image"
    TEXT = "text"


class Preprocessing(StrEnum):
    """The named profiles. A profile never changes: a change gets a new name."""

    IMAGENET_224 = "imagenet-224"
    CLIP_224 = "clip-224"
    INCEPTION_299 = "inception-299"
    TEXT_256 = "text-256"

    @property
    def modality(self) -> Modality:
        """The modality whose keys this profile reads."""
        return Modality.TEXT if self is Preprocessing.TEXT_256 else Modality.IMAGE


class DType(StrEnum):
    """Element types of an embedding; always little-endian outside the process."""

    FLOAT32 = "float32"
    FLOAT16 = "float16"


class Normalization(StrEnum):
    """How the model's output row is normalized."""

    NONE = "none"
    L2 = "l2"


class Provider(StrEnum):
    """Where the model runs; Retina does not start if the requested provider is unavailable."""

    CPU = "cpu"
    CUDA = "cuda"


class ModelFile(Model):
    """`spec.encoder.model`."""

    uri: Annotated[str, StringConstraints(pattern=URI_PATTERN, max_length=2048)] = Field(
        description="Where the ONNX file is: https, http, s3, gs or file."
    )
    digest: Annotated[str, StringConstraints(pattern=DIGEST_PATTERN, max_length=71)] = Field(
        description="sha256 of the file, as sha256:<64 hex digits>; verified before the model is loaded."
    )

    @property
    def name(self) -> str:
        """The model's display name: the file's name without its folder and `.onnx`."""
        return self.uri.rstrip("/").rpartition("/")[2].removesuffix(".onnx")


class Output(Model):
    """`spec.encoder.output`."""

    tensor: Annotated[str, StringConstraints(min_length=1, max_length=256)] = Field(
        default="embedding", description="The model's output that is the embedding, of shape [batch, dimension]."
    )
    dimension: int = Field(ge=1, le=65536, description="Elements of an embedding; must match the model's output.")
    dtype: DType = Field(default=DType.FLOAT32, description="Element type of stored and served embeddings.")
    normalization: Normalization = Field(
        default=Normalization.NONE, description="l2 scales every embedding to unit length; a zero vector stays zero."
    )


class Batch(Model):
    """`spec.encoder.batch`."""

    max_size: int = Field(default=16, ge=1, le=1024, description="Maximum number of items of one run of the model.")
    max_delay: Duration = Field(
        default="5ms",
        description="How long an item may wait for others while every runner is busy.",
        validate_default=True,
    )


class Fetch(Model):
    """`spec.encoder.fetch`: how Retina downloads images, and from where it does not."""

    schemes: tuple[Annotated[str, StringConstraints(pattern="^https?$", max_length=5)], ...] = Field(
        default=("https", "http"), min_length=1, max_length=2, description="URL schemes that are fetched."
    )
    allowed_private_networks: tuple[Network, ...] = Field(
        default=(), max_length=64, description="CIDRs that may be dialled although they are not public."
    )
    max_bytes: PositiveSize = Field(default="10Mi", description="Larger files are rejected.", validate_default=True)
    max_pixels: int = Field(
        default=25_000_000, ge=1, le=1_000_000_000, description="Images with more pixels are rejected without decoding."
    )
    timeout: Timeout = Field(default="5s", description="For one image, redirects included.", validate_default=True)
    max_redirects: int = Field(default=3, ge=0, le=20, description="Redirects followed, each checked as a new URL.")
    per_host_concurrency: int = Field(default=8, ge=1, le=1024, description="Downloads from one host at a time.")


class Encoder(Model):
    """`spec.encoder`."""

    model: ModelFile = Field(description="The ONNX file.")
    modality: Modality = Field(description="What a key is: an image URL or a text. Immutable.")
    preprocessing: Preprocessing = Field(description="The named profile that turns an item into the model's input.")
    role: Annotated[str, StringConstraints(max_length=64)] = Field(
        default="",
        description="For text models that distinguish queries from passages: texts are prefixed with `<role>: `.",
    )
    output: Output = Field(description="The model's output that is the embedding.")
    provider: Provider = Field(default=Provider.CPU, description="cpu or cuda.")
    batch: Batch = Field(default_factory=Batch, description="How items are batched.")
    fetch: Fetch = Field(default_factory=Fetch, description="How images are downloaded.")

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if self.preprocessing.modality is not self.modality:
            raise ValueError(f"preprocessing {self.preprocessing} is for modality {self.preprocessing.modality}")
        if self.role and self.modality is not Modality.TEXT:
            raise ValueError("role is only allowed with modality text")
        return self
