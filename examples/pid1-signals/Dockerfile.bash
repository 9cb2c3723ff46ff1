FROM python:3.13-slim
WORKDIR /app
COPY polite.py .
USER 10001
# From here on another shell reads the lines: one that becomes a single command itself.
SHELL ["/bin/bash", "-c"]
CMD python polite.py
