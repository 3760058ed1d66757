"""What the guides say to type: Helm's lines run, shell is shell, links lead somewhere, units are units."""

import hashlib
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from app.security import read_tokens
from app.settings import load
from tests.deploy.helm import DEFAULT, TOP, helm

DOCS = sorted([*(TOP / "docs").glob("*.md"), TOP / "README.md", TOP / "deploy" / "README.md"])
KUBERNETES = (TOP / "docs" / "kubernetes.md").read_text()
UNITS = sorted((TOP / "deploy" / "systemd").glob("*.service"))


def shell(page: str) -> list[str]:
    """The blocks of shell on a page."""
    return re.findall(r"```sh\n(.*?)```", page, re.DOTALL)


def helm_lines() -> list[list[str]]:
    """Every helm command of the page about Kubernetes."""
    lines = [line for block in shell(KUBERNETES) for line in block.splitlines() if line.startswith("helm ")]
    return [shlex.split(line)[1:] for line in lines]


def test_every_line_for_helm_does_what_it_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(TOP)
    lines = helm_lines()
    assert len(lines) > 9
    for verb, *arguments in lines:
        if verb in ("install", "upgrade"):
            plain = [word for word in arguments if word not in ("--install", "--reset-then-reuse-values")]
            values = [] if "-f" in plain or "kafka.embedded=true" in plain else ["-f", str(DEFAULT)]
            assert "kind: StatefulSet" in helm("template", *plain, *values)
        else:
            assert verb in ("test", "rollback", "uninstall")


# What tests run of the shell on these pages, here and in tests/integration, and what cannot be run in tests:
# no cluster with pods, Docker, systemd as the first process, Grafana, older BeTrace, nor Kafka's own scripts.
RUN = {"helm", "token", "printf", "install", "KAFKA_BROKERS", "betrace", "export"}
NOT_HERE = {
    "kubectl",
    "docker",
    "systemctl",
    "journalctl",
    "grafana",
    "kafka-acls.sh",
    "git",
    "useradd",
    "curl",
}


def commands(page: Path) -> list[str]:
    """Every command of shell on a page, its lines joined."""
    lines = [line for block in shell(page.read_text()) for line in block.replace("\\\n", "").splitlines()]
    return [line for line in lines if line and not line.startswith("#")]


def test_every_command_is_run_by_a_test_or_cannot_be() -> None:
    words = {re.split(r"[ =]", command)[0] for page in DOCS for command in commands(page)}
    assert words == RUN | NOT_HERE


def test_what_is_exported_are_settings() -> None:
    for page in DOCS:
        for command in commands(page):
            if command.startswith("export "):
                load(environment=dict(word.split("=", 1) for word in shlex.split(command)[1:]))


@pytest.mark.parametrize("name", ["kubernetes.md", "security.md"])
def test_the_lines_that_make_tokens_make_a_file_that_is_read(name: str, tmp_path: Path) -> None:
    page = TOP / "docs" / name
    lines = [line for line in commands(page) if line.startswith(("token=", "printf"))]
    shown = subprocess.run(
        ["bash", "-ec", "\n".join([*lines, 'printf %s "$token"'])],
        cwd=tmp_path,
        check=True,
        stdout=subprocess.PIPE,
    )
    (token,) = read_tokens(tmp_path / "tokens.yaml").values()
    assert token.sha256 == hashlib.sha256(shown.stdout).hexdigest()


def test_the_lines_that_install_put_files_where_units_look_for_them(tmp_path: Path) -> None:
    lines = [line for line in commands(TOP / "docs" / "machines.md") if line.startswith("install ")]
    (tmp_path / "etc" / "systemd" / "system").mkdir(parents=True)
    for line in lines:
        here = line.replace("/opt/betrace", str(TOP)).replace(" /etc/", f" {tmp_path}/etc/")
        subprocess.run(["bash", "-ec", here], check=True)
    put = {str(file.relative_to(tmp_path)) for file in tmp_path.rglob("*") if file.is_file()}
    assert put >= {f"etc/systemd/system/{unit.name}" for unit in UNITS}
    settings = (tmp_path / "etc" / "betrace" / "betrace.yaml").read_text()
    (rules,) = re.findall(r"files: \[/(.*)\]", settings)
    assert list((tmp_path / rules).glob("*.yaml"))
    for unit in UNITS:
        assert "--config /etc/betrace/betrace.yaml " in unit.read_text()


@pytest.mark.parametrize("page", DOCS, ids=[page.name for page in DOCS])
def test_shell_is_shell_and_links_lead_somewhere(page: Path) -> None:
    text = page.read_text()
    for block in shell(text):
        done = subprocess.run(["bash", "-n"], input=block, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text):
        assert (page.parent / link).exists(), link
    for link, anchor in re.findall(r"\]\(([^)#:]*)#([^)]+)\)", text):
        target = (page.parent / link if link else page).read_text()
        anchors = {
            re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")
            for heading in re.findall(r"^#+ (.*)$", target, re.MULTILINE)
        }
        assert anchor in anchors, f"{link}#{anchor}"


def test_every_file_that_a_guide_names_is_there() -> None:
    for page in DOCS:
        for name in re.findall(r"\b(?:/opt/betrace/)?(deploy/[\w./-]+\w)", page.read_text()):
            assert (TOP / name).exists(), (page.name, name)


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="no systemd here")
@pytest.mark.parametrize("unit", UNITS, ids=[unit.name for unit in UNITS])
def test_a_unit_is_one_that_systemd_takes(unit: Path, tmp_path: Path) -> None:
    program = tmp_path / "betrace"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    text = unit.read_text().replace("/opt/betrace/.venv/bin/betrace", str(program))
    text = re.sub(r"(?m)^(Documentation|User)=.*\n", "", text)
    (tmp_path / unit.name).write_text(text)
    done = subprocess.run(["systemd-analyze", "verify", tmp_path / unit.name], capture_output=True, text=True)
    assert unit.name not in done.stderr, done.stderr


def test_the_units_start_what_there_is_with_settings_that_there_are() -> None:
    for unit in UNITS:
        text = unit.read_text()
        (start,) = re.findall(r"^ExecStart=\S+betrace --config \S+ (\w+)$", text, re.MULTILINE)
        assert start in unit.name
        for name in re.findall(r"^Environment=BETRACE_(\w+)=", text, re.MULTILINE):
            assert f"`BETRACE_{name}`" in (TOP / "docs" / "settings.md").read_text()
