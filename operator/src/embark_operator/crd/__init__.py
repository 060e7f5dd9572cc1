"""The CustomResourceDefinition of EmbeddingCache, generated from `embark.spec`."""

from embark_operator.crd.definition import build_definition, render_definition

__all__ = ["build_definition", "render_definition"]
