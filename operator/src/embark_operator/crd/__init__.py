"""The CustomResourceDefinition of EmbeddingCache, generated from `embark.spec`; `make generate` writes it."""

from embark_operator.crd.definition import build_definition, render_definition

__all__ = ["build_definition", "render_definition"]
