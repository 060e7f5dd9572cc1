"""The topic on Kafka."""
