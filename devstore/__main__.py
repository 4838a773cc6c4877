"""`python -m devstore --scenario aurora --port 8700 …`: runs devstore until interrupted."""

import argparse
import contextlib
import os
import sys
import tomllib
from pathlib import Path

import uvicorn

from devstore import scenarios
from devstore.app import build
from devstore.config import AppSettings, Config
from devstore.extension import ExtensionError


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m devstore", description="A stand-in for Shopify.")
    parser.add_argument("--scenario", default="aurora", choices=sorted(scenarios.NAMES))
    parser.add_argument("--file", type=Path, help="the orders of scenario csv")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=int(os.environ.get("DEVSTORE_PORT") or 8700))
    parser.add_argument(
        "--public-url", default=os.environ.get("DEVSTORE_URL") or None, help="default http://127.0.0.1:<port>"
    )
    parser.add_argument(
        "--state", type=Path, default=Path("var/devstore"), help="folder of the database and bulk results"
    )
    parser.add_argument("--app-url", default=os.environ.get("APP_URL", "http://localhost:8000"))
    parser.add_argument("--app-toml", type=Path, default=Path("shopify.app.toml"))
    parser.add_argument(
        "--schema", type=Path, default=Path(os.environ.get("DEVSTORE_SCHEMA", "var/schema/admin_2026-10.json.gz"))
    )
    parser.add_argument("--extension", type=Path, help="folder of the app's theme app extension")
    parser.add_argument("--data", type=Path, default=Path("var/data"), help="folder of the scenarios' data files")
    parser.add_argument("--log-level", default="warning")
    return parser.parse_args()


def main() -> None:
    given = arguments()
    key, secret = os.environ.get("SHOPIFY_API_KEY", ""), os.environ.get("SHOPIFY_API_SECRET", "")
    if not key or not secret:
        sys.exit("error: devstore needs SHOPIFY_API_KEY and SHOPIFY_API_SECRET, the same as the app's")
    config = Config(
        state_dir=given.state,
        scenario=given.scenario,
        public_url=(given.public_url or f"http://127.0.0.1:{given.port}").rstrip("/"),
        app_url=given.app_url.rstrip("/"),
        app_toml=given.app_toml,
        schema=given.schema,
        api_key=key,
        api_secret=secret,
        data_dir=given.data,
        scenario_file=given.file,
        extension=given.extension,
    )
    try:
        AppSettings.read(config.app_toml, config.app_url)
        app = build(config)
    except (OSError, KeyError, tomllib.TOMLDecodeError, ExtensionError, scenarios.ScenarioError) as error:
        sys.exit(f"error: {error}")
    shop = app.state.store.default_shop
    print(f"devstore: {shop.domain} ({shop.document['scenario']}) at {config.public_url}", flush=True)
    server = uvicorn.Server(
        uvicorn.Config(
            app,
            host=given.host,
            port=given.port,
            log_level=given.log_level,
            access_log=False,
            timeout_graceful_shutdown=3,
        )
    )
    app.state.connections = server.server_state.connections
    with contextlib.suppress(KeyboardInterrupt):
        server.run()
    if not server.started:
        sys.exit(1)


if __name__ == "__main__":
    main()
