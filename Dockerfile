# The command `subjective` in a container.
#
#   docker build -t subjective .                                  for the CPU
#   docker build -t subjective --build-arg DEVICE=cuda13 .        for NVIDIA GPUs; CUDA comes with JAX's wheels
#
#   docker run --rm -v "$PWD:/work" subjective synthesize -s rock.jpg -ow 256 -o more.png
#   docker run --rm --gpus all -v "$PWD:/work" subjective synthesize -s rock.jpg -o more.png
FROM python:3.12-slim-bookworm

ARG DEVICE=cpu

WORKDIR /source
COPY . .
RUN pip install --no-cache-dir . "jax[${DEVICE}]" \
    && rm -rf /source/* \
    && useradd --create-home --uid 1000 maker \
    && mkdir --parents /work /cache \
    && chown maker /work /cache

# Compiled programs are kept here: mount a folder, so that the next container finds them.
ENV XDG_CACHE_HOME=/cache
USER 1000
WORKDIR /work
ENTRYPOINT ["subjective"]
CMD ["--help"]
