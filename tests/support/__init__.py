"""What tests share: samples, real servers and processes, readers of the source."""
