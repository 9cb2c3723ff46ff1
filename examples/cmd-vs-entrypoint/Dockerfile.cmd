FROM python:3.13-slim
COPY --chmod=755 show /usr/local/bin/show
USER 10001
# The whole command, and only a proposal: what docker run gives replaces all of it.
CMD ["show", "hello"]
