"""The image as `scripts/image` makes it, run as a container: a read-only root of its own, and no rights."""

import contextlib
import json
import os
import shlex
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tests.kafka import die_with_parent

TOP = Path(__file__).parents[2]


class Image:
    """A folder that holds what the image holds, and what the Dockerfile says of it."""

    def __init__(self) -> None:
        made = subprocess.run([TOP / "scripts" / "image"], check=True, stdout=subprocess.PIPE, text=True)
        self.root = Path(made.stdout.strip())
        self.about: dict[str, Any] = json.loads((self.root.parent / "image.json").read_text())

    def command(self, data: Path, words: list[str], settings: Mapping[str, str]) -> list[str]:
        """Runs words in it with a root that nobody can write, a /tmp, and the folder as its volume."""
        root = shlex.quote(str(self.root))
        environment = self.about["ENV"] | {f"BETRACE_{name}": value for name, value in settings.items()}
        inside = [f"{name}={value}" for name, value in environment.items()]
        container = ["/usr/bin/env", "-i", "-C", self.about["WORKDIR"], *inside, *words]
        script = f"""set -e
            mount --bind {root} {root}
            mount -t proc proc {root}/proc
            mount --bind /dev {root}/dev
            mount -t tmpfs tmpfs {root}/tmp
            mount --bind {shlex.quote(str(data))} {root}/var/lib/betrace
            mount -o remount,bind,ro {root}
            exec /usr/sbin/chroot --userspec={self.about["USER"]} {root} {shlex.join(container)}
        """
        return ["unshare", "--mount", "--propagation", "private", "sh", "-c", script]

    def volume(self, folder: Path) -> Path:
        """An empty volume of the image's user."""
        folder.mkdir()
        os.chown(folder, *map(int, self.about["USER"].split(":")))
        return folder

    def run(self, data: Path, *words: str, **settings: str) -> "subprocess.CompletedProcess[str]":
        """Run words to their end."""
        command = self.command(data, list(words), settings)
        return subprocess.run(command, capture_output=True, text=True, timeout=60)

    @contextlib.contextmanager
    def start(self, data: Path, *arguments: str, **settings: str) -> Iterator["subprocess.Popen[bytes]"]:
        """The entry point with arguments, until the block ends: then it has to end in order."""
        log = data.with_suffix(".log")
        with log.open("wb") as output:
            process = subprocess.Popen(
                self.command(data, [*self.about["ENTRYPOINT"], *arguments], settings),
                stdout=output,
                stderr=output,
                preexec_fn=die_with_parent,
            )
        try:
            yield process
        except BaseException:
            print(f"--- {log.name}\n{log.read_text()[-4000:]}")
            raise
        finally:
            process.terminate()
            process.wait(30)
        assert process.returncode == 0, log.read_text()[-2000:]
