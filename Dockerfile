# One image for web, worker, beat and migrations; compose.yaml says which command each runs.
FROM node:20-bookworm-slim AS assets
WORKDIR /encore
COPY package.json package-lock.json .npmrc ./
RUN npm ci --omit=dev
COPY tools/build_assets.mjs tools/
COPY static static
RUN npm run build

FROM python:3.11-slim-bookworm
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PIP_NO_CACHE_DIR=1 DJANGO_SETTINGS_MODULE=config.settings.production
WORKDIR /encore
RUN useradd --system --home /encore encore && install -d -o encore var
COPY requirements.txt ./
RUN pip install --require-hashes -r requirements.txt
COPY manage.py shopify.app.toml ./
COPY config config
COPY retention_app retention_app
COPY loyalty loyalty
COPY locale locale
COPY --from=assets /encore/static static
RUN pybabel compile -d locale -D django
USER encore
EXPOSE 8000
CMD ["uvicorn", "config.asgi:application", "--host", "0.0.0.0", "--port", "8000", "--log-level", "warning", "--no-access-log", "--timeout-graceful-shutdown", "20"]
