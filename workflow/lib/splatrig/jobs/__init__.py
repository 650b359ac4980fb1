"""Infrastructure of jobs: logs, progress, devices, processes, digests, provenance, the cache."""
