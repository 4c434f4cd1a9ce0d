"""MQTT: the connection to the broker; messages are acknowledged once they are stored."""
