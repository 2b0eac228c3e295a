"""The machine: plan, run, record, engines, benchmarks, metrics and the command line."""
