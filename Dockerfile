# For clusters without conda: splatrig's pinned requirements on Debian's Python. The sources stay outside, as always:
#   docker build -t splatrig .
#   docker run --rm --user "$(id -u):$(id -g)" -v "$PWD:$PWD" -w "$PWD" splatrig snakemake --cores 4
# For a GPU add gsplat, compiled for the CUDA version of torch, and start with --gpus all; for several (learned.devices)
# also with --shm-size 1g, as NCCL's manual says.
FROM python:3.11-slim-bookworm
RUN apt-get update && apt-get install -y --no-install-recommends libgomp1 && rm -rf /var/lib/apt/lists/*
COPY requirements.txt constraints.txt /opt/splatrig/
RUN pip install --no-cache-dir -r /opt/splatrig/requirements.txt -c /opt/splatrig/constraints.txt
# Snakemake wants a name and a home, which a user given by number has not.
ENV HOME=/tmp USER=splatrig
