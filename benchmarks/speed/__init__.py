"""CPU, throughput and latency of the service, beside other implementations of the same requests."""
