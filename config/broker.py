"""kombu's transports as we need them: our messages are wake-ups, the tables are the queue.

The embedded broker is the filesystem transport, with messages that appear whole: kombu opens a message's file under its
final name and writes it afterwards; a worker that looks in between reads an empty message and dies of it.
https://github.com/celery/kombu/blob/main/kombu/transport/filesystem.py

The Redis transport gives back no messages when its connection is lost. kombu would try to over the connection that is
gone, and the worker would die of that (as in https://github.com/celery/kombu/issues/970); a wake-up that is lost costs
a minute at most.
"""

from __future__ import annotations

import time
import uuid
from pathlib import Path
from typing import Any

from kombu.transport import filesystem, redis
from kombu.utils.json import dumps


class Channel(filesystem.Channel):
    def _put(self, queue: str, payload: Any, **kwargs: Any) -> None:  # type: ignore[override]  # as kombu does
        file = Path(self.data_folder_out) / f"{time.monotonic_ns()}_{uuid.uuid4()}.{queue}.msg"
        partial = file.with_suffix(".partial")
        partial.write_text(dumps(payload))
        partial.replace(file)


class Transport(filesystem.Transport):
    Channel = Channel


class RedisChannel(redis.Channel):
    do_restore = False


class RedisTransport(redis.Transport):
    Channel = RedisChannel
