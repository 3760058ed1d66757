"""From spans on Kafka to violations on Kafka: one module a stage, and the worker that joins them."""
