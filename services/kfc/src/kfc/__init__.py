"""KFC, the Kafka frontend client: consumes fills, encodes through Retina, writes the embeddings."""
