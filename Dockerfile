# For clusters without conda, and for clouds: what splatrig depends on, on Debian's Python. The sources stay outside, as
# always; to pods and virtual machines Snakemake brings them.
#   docker build -t splatrig .
#   docker run --rm --user "$(id -u):$(id -g)" -v "$PWD:$PWD" -w "$PWD" splatrig snakemake --cores 4
# For a GPU add gsplat, compiled for the CUDA version of torch, and start with --gpus all; for several (learned.devices)
# also with --shm-size 1g, as NCCL's manual says.
FROM python:3.11-slim-bookworm
RUN apt-get update && apt-get install -y --no-install-recommends libgomp1 && rm -rf /var/lib/apt/lists/*
WORKDIR /opt/splatrig
COPY pyproject.toml constraints.txt ./
RUN python -c 'import tomllib; project = tomllib.load(open("pyproject.toml", "rb"))["project"]; print(*project["dependencies"], *project["optional-dependencies"]["clouds"], sep="\n")' > requirements.txt \
    && pip install --no-cache-dir -r requirements.txt -c constraints.txt
# Snakemake wants a name and a home, which a user given by number has not.
ENV HOME=/tmp USER=splatrig
# In clouds Snakemake installs the storage plugins again in each job: these alone, for what they depend on is here.
ENV PIP_NO_DEPS=1 PIP_CONSTRAINT=/opt/splatrig/constraints.txt
