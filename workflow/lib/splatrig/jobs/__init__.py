"""What every job needs: logs, progress, devices, processes, digests, provenance, the cache."""
