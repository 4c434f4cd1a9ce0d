"""MQTT: the connection to the broker, and messages that are acknowledged once they are safe."""
