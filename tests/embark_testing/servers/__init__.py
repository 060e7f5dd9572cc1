"""Real Cassandra and Kafka servers on loopback."""
