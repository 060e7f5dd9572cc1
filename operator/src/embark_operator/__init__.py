"""The operator: reconciles EmbeddingCache resources into Retina, KFC and EmbArk on Kubernetes."""
