"""TextEncoder: the encoder of modality text; tokenizes and runs the model."""

import hashlib
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray
from tokenizers import Encoding, Tokenizer

from embark.causes import CauseError, CauseKind
from embark.settings import RetinaSettings
from retina.errors import StartupError
from retina.model_encoder import EncoderItem, Floats, ItemKind
from retina.model_session import ModelSession, check_output, wrong_dimension

TOKENIZER_KEY: Final = "embark.tokenizer"
"""The metadata key under which the ONNX file holds its tokenizer.json, so that the model's digest covers it."""
MAX_TOKENS: Final = 256
"""The limit of the profile text-256, special tokens included; longer texts are truncated."""
MAX_TEXT_BYTES: Final = 1024 * 1024
"""Far more than 256 tokens hold; tokenizing longer texts would only keep a core busy."""

_INPUTS: Final = ("input_ids", "attention_mask", "token_type_ids")

Tokens = dict[str, NDArray[np.int64]]


class TextEncoder:
    """Encodes texts one by one.

    In a batch, a text's bits would depend on the others: on their length by the padding and, in a dynamically quantized
    model, on their scale. A batch of one also has no padding to compute.
    """

    def __init__(self, session: ModelSession, settings: RetinaSettings) -> None:
        """Check the model against the cache, and read its tokenizer.

        Raises:
            StartupError: the model has no tokenizer, has inputs other than tokens, or its output is not the space's.
        """
        space = settings.space
        self._session = session
        self._prefix = f"{space.role}: " if space.role else ""
        self._output = space.output_tensor
        check_output(session, self._output, space.dimension)
        self._inputs = [form.name for form in session.inputs]
        if "input_ids" not in self._inputs or not set(self._inputs) <= set(_INPUTS):
            raise StartupError(f"a text model has inputs {', '.join(_INPUTS)}; this one has {', '.join(self._inputs)}")
        self._tokenizer = _load_tokenizer(session)
        shape = self.run([self._tokenize("a text")]).shape
        if shape != (1, space.dimension):
            raise wrong_dimension(self._output, space.dimension, shape)

    @property
    def sizes(self) -> Sequence[int]:
        """Only a batch of one."""
        return (1,)

    def prepare(self, item: EncoderItem) -> tuple[Tokens, bytes]:
        """Return the model's inputs, int64 [1, tokens], and the SHA-256 of the text's UTF-8.

        Raises:
            CauseError: UNDECODABLE; not UTF-8, without a token, too long, or a tensor.
        """
        if item.kind is ItemKind.TENSOR:
            raise CauseError(CauseKind.UNDECODABLE, "a text encoder takes no tensor")
        if len(item.payload) > MAX_TEXT_BYTES:
            detail = f"the text has {len(item.payload)} bytes; at most {MAX_TEXT_BYTES} are allowed"
            raise CauseError(CauseKind.UNDECODABLE, detail)
        try:
            text = item.payload.decode()
        except UnicodeDecodeError as error:
            raise CauseError(CauseKind.UNDECODABLE, f"the text is not valid UTF-8 at byte {error.start}") from None
        return self._tokenize(text), hashlib.sha256(item.payload).digest()

    def run(self, inputs: Sequence[Tokens]) -> Floats:
        """Return the model's rows [len(inputs), dimension]."""
        rows = [self._session.run(self._output, tokens) for tokens in inputs]
        return rows[0] if len(rows) == 1 else np.concatenate(rows)

    def _tokenize(self, text: str) -> Tokens:
        encoding = self._tokenizer.encode(self._prefix + text)
        if not encoding.ids:
            raise CauseError(CauseKind.UNDECODABLE, "the text has no token that the model knows")
        return {name: np.array([_get_input(encoding, name)], dtype=np.int64) for name in self._inputs}


def _get_input(encoding: Encoding, name: str) -> list[int]:
    if name == "input_ids":
        return encoding.ids
    return encoding.attention_mask if name == "attention_mask" else encoding.type_ids


def _load_tokenizer(session: ModelSession) -> Tokenizer:
    text = session.metadata.get(TOKENIZER_KEY)
    if text is None:
        has = ", ".join(sorted(session.metadata)) or "none"
        raise StartupError(f"the model's metadata must hold its tokenizer as {TOKENIZER_KEY!r}; it has {has}")
    try:
        tokenizer = Tokenizer.from_str(text)
    except Exception as error:
        raise StartupError(f"the model's tokenizer cannot be read: {error}") from error
    # Override the file's own truncation and padding; padding would make short texts slow.
    tokenizer.enable_truncation(MAX_TOKENS)
    tokenizer.no_padding()
    return tokenizer
