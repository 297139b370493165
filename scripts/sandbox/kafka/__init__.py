"""A Kafka broker and a schema registry on loopback, without a JVM."""
