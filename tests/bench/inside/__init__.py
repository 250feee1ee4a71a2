"""What benchmarks measure within one process; `tests.bench.in_process` starts them beside each database."""
