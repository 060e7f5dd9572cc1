"""The base of every spec and settings class: frozen, strict about unknown fields, camelCase outside."""

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel


class Model(BaseModel):
    """A frozen value whose JSON form uses camelCase names and refuses names it does not know."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True, use_attribute_docstrings=False
    )
